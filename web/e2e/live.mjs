// What a real run cannot be made to do at will: be refused, be over, send ten thousand events in a few seconds.
import assert from "node:assert/strict"
import { serve } from "../mock/server.mjs"
import { clean, ready } from "./browser.mjs"

const facts = page => page.evaluate(() => globalThis.pbtStream())

/** a refusal is shown where it was asked, and nothing else happens */
export async function refusalsAreShown(ctx) {
  const page = await ctx.open("/run/fast-1/members")
  page.mayLose = true
  await ready(page)
  await page.route("**/steer", r =>
    r.fulfill({
      status: 409,
      contentType: "application/json",
      body: JSON.stringify({ error: "the run is ending: <b>nothing</b> to pause" }),
    }),
  )
  await page.getByRole("button", { name: "Pause" }).click()
  await page.locator("dialog[open]").getByRole("button", { name: "Pause" }).click()
  await page.waitForSelector("dialog [role=alert]")
  assert.equal(await page.locator("dialog [role=alert]").innerText(), "the run is ending: <b>nothing</b> to pause")
  assert.deepEqual(page.wrong, [])
}

export async function finishedRunsCannotBeSteered(ctx) {
  const page = await ctx.open("/run/digits-pbt-0/members")
  await ready(page)
  assert.equal(await page.getByRole("button", { name: /Pause|Steer/ }).count(), 0)
  assert.match(await page.locator(".lead").innerText(), /won with/)
  clean(page)
}

/** many events: the page's memory does not grow with them */
export async function memoryStaysSteady(ctx) {
  const { makeRuns } = await import("../mock/runs.mjs")
  const s = await serve({ port: 0, speed: 12, runs: makeRuns({ seed: 9 }) })
  const page = await ctx.open("/")
  await page.goto(`${s.url}#/run/fast-1/population`)
  await ready(page)
  const cdp = await page.context().newCDPSession(page)
  const heap = async () => {
    await cdp.send("HeapProfiler.collectGarbage")
    await cdp.send("HeapProfiler.collectGarbage")
    return (await cdp.send("Runtime.getHeapUsage")).usedSize / 1e6
  }
  await page.waitForFunction(() => globalThis.pbtStream().events >= 3000, null, { timeout: 60_000 })
  const before = await heap()
  const from = (await facts(page)).seq
  await page.waitForFunction(n => globalThis.pbtStream().seq > n, from + 4000, { timeout: 60_000 })
  const f = await facts(page)
  const after = await heap()
  assert.ok(f.events <= 3000)
  assert.ok(after < before * 1.35 + 6, `${before.toFixed(1)} MB became ${after.toFixed(1)} MB`)
  assert.deepEqual(page.wrong, [])
  s.server.closeAllConnections()
  s.server.close()
  return `${before.toFixed(1)} MB, then ${after.toFixed(1)} MB after ${f.seq - from} more events`
}
