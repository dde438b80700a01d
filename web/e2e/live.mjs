// What happens while the page is open: events arrive, the server goes away and comes back, somebody steers.
import assert from "node:assert/strict"
import { serve } from "../mock/server.mjs"
import { clean, goto, ready } from "./browser.mjs"

const facts = page => page.evaluate(() => globalThis.pbtStream())

export async function eventsArrive(ctx) {
  const run = ctx.mock ? "fast-1" : ctx.run
  const r = await (await fetch(`${ctx.base}api/v1/runs/${run}`)).json()
  if (!r.live) return "the run is not live"
  const page = await ctx.open(`/run/${run}/events?level=quiet,info,decision,good,warn,error`)
  await ready(page)
  const before = (await facts(page)).seq
  await page.waitForFunction(n => globalThis.pbtStream().seq > n + 20, before, { timeout: 60_000 })
  const f = await facts(page)
  assert.deepEqual([f.duplicates, f.gaps], [0, 0])
  const seqs = await page.locator(".ev").evaluateAll(l => l.map(e => Number(e.dataset.seq)))
  assert.deepEqual(
    seqs,
    [...seqs].sort((a, b) => b - a),
    "newest first",
  )
  assert.equal(new Set(seqs).size, seqs.length)
  for (let i = 1; i < seqs.length; i++) assert.equal(seqs[i], seqs[i - 1] - 1, "every event is there")
  const lag = await page.evaluate(() => Number(document.querySelector(".link-state small")?.textContent.match(/\d+/)?.[0] ?? 0))
  clean(page)
  return `lag ${lag} ms`
}

/** the server dies and comes back on the same port with the same journal, further on */
export async function reconnectsWithoutAGap(ctx) {
  const { makeRuns } = await import("../mock/runs.mjs")
  const runs = makeRuns({ seed: 3 })
  let s = await serve({ port: 0, runs })
  const port = new URL(s.url).port
  const page = await ctx.open("/", {})
  page.mayLose = true
  await page.goto(`${s.url}#/run/fast-1/events?level=quiet,info,decision,good,warn,error`)
  await ready(page)
  await page.waitForFunction(() => globalThis.pbtStream().events > 520, null, { timeout: 20_000 })
  const first = (await facts(page)).seq
  for (let round = 0; round < 2; round++) {
    s.server.closeAllConnections()
    await new Promise(done => s.server.close(done))
    await page.waitForSelector(".link-state.lost", { timeout: 10_000 })
    await page.waitForTimeout(1500)
    s = await serve({ port, runs })
    await page.waitForSelector(".link-state.live", { timeout: 15_000 })
    const n = (await facts(page)).seq
    await page.waitForFunction(x => globalThis.pbtStream().seq > x + 10, n)
  }
  const f = await facts(page)
  assert.deepEqual([f.duplicates, f.gaps], [0, 0])
  const seqs = await page.locator(".ev").evaluateAll(l => l.map(e => Number(e.dataset.seq)))
  for (let i = 1; i < seqs.length; i++) assert.equal(seqs[i], seqs[i - 1] - 1, "no event is missing or twice")
  assert.ok(f.seq > first)
  assert.deepEqual(page.wrong, [])
  s.server.closeAllConnections()
  s.server.close()
}
reconnectsWithoutAGap.mockOnly = true

export async function steering(ctx) {
  const sent = []
  const page = await ctx.open("/run/fast-1/members?sort=member")
  page.on("request", r => r.method() === "POST" && sent.push(r.postDataJSON()))
  await ready(page)
  const dialog = page.locator("dialog[open]")
  const menu = async (button, item) => {
    await page.getByRole("button", { name: button, exact: true }).click()
    await page.getByRole("menuitem", { name: item }).click()
    await dialog.waitFor()
  }
  const confirm = async name => {
    await dialog.getByRole("button", { name, exact: true }).click()
    await dialog.waitFor({ state: "detached" })
  }
  await menu("Steer member 3", /Set hyper/)
  await dialog.getByLabel(/^lr/).fill("7")
  await dialog.getByRole("button", { name: "Set", exact: true }).click()
  assert.match(await dialog.locator("[role=alert]").innerText(), /between/)
  await dialog.getByLabel(/^lr/).fill("0.02")
  await confirm("Set")
  assert.match(await page.locator(".toast").innerText(), /member 3: lr = 0.02/)
  await menu("Steer member 4", /Copy/)
  await confirm("Copy")
  await menu("Steer member 5", /Retire/)
  await page.keyboard.press("Escape") // nothing happens without a confirmation
  await dialog.waitFor({ state: "detached" })
  await menu("Steer member 5", /Restart/)
  await confirm("Restart")
  await menu("More steering", /Add a member/)
  await confirm("Add")
  await page.waitForSelector("tr[data-member='20']")
  await menu("More steering", /Change settings/)
  await dialog.locator("textarea").fill("slots = 6")
  await confirm("Change")
  await page.getByRole("button", { name: "Pause" }).click()
  await confirm("Pause")
  await page.waitForSelector(".phase.paused")
  await page
    .getByRole("button", { name: "Pause" })
    .count()
    .then(n => assert.equal(n, 0))
  const refused = await page.evaluate(
    async () => (await fetch("api/v1/runs/fast-1/steer", { method: "POST", body: '{"verb":"resume"}' })).status,
  )
  assert.equal(refused, 200)
  await page.waitForSelector(".phase.running")
  await goto(page, "#/run/fast-1/population?seg=30")
  await page.getByRole("button", { name: "Pin" }).click()
  await confirm("Pin")
  await page.getByRole("button", { name: "Branch" }).click()
  await confirm("Branch")
  assert.deepEqual(
    sent.map(s => s.verb),
    ["set", "copy", "restart", "inject", "change", "pause", "resume", "pin", "branch"],
  )
  assert.deepEqual(sent[0], { verb: "set", member: 3, hypers: { lr: 0.02 } })
  clean(page)
}
steering.mockOnly = true

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
refusalsAreShown.mockOnly = true

export async function finishedRunsCannotBeSteered(ctx) {
  const page = await ctx.open("/run/digits-pbt-0/members")
  await ready(page)
  assert.equal(await page.getByRole("button", { name: /Pause|Steer/ }).count(), 0)
  assert.match(await page.locator(".lead").innerText(), /won with/)
  clean(page)
}
finishedRunsCannotBeSteered.mockOnly = true

/** an hour of events in a minute: the page's memory does not grow with them */
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
  await page.waitForTimeout(3000)
  const before = await heap()
  const from = (await facts(page)).seq
  await page.waitForTimeout(Number(process.env.SOAK_MS ?? 15_000))
  const f = await facts(page)
  const after = await heap()
  assert.ok(f.events <= 3000)
  assert.ok(after < before * 1.35 + 6, `${before.toFixed(1)} MB became ${after.toFixed(1)} MB`)
  assert.deepEqual(page.wrong, [])
  s.server.closeAllConnections()
  s.server.close()
  return `${before.toFixed(1)} MB, then ${after.toFixed(1)} MB after ${f.seq - from} more events`
}
memoryStaysSteady.mockOnly = true
