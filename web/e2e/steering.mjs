// Steering from the page: each verb with its dialog, and what the journal then says.
import assert from "node:assert/strict"
import { clean, goto, ready } from "./browser.mjs"
import { one, rows, until } from "./engine.mjs"
import { chooseFrom, confirm } from "./page.mjs"

const bodies = (dir, after, kind) =>
  rows(dir, `select body from events where seq > ${after} and kind = '${kind}'`).map(r => JSON.parse(r.body))

export async function everyVerb({ ctx, dir }) {
  const page = await ctx.open("/run/hostile/members?sort=member")
  page.mayLose = true // a refusal is an error of the resource, for the console
  await ready(page)
  const from = one(dir, "select max(seq) from events")
  const has = (what, kind, check) => until(what, () => bodies(dir, from, kind).find(check), 20_000)
  const dialog = page.locator("dialog[open]")

  // what is out of bounds is not even sent
  await chooseFrom(page, "Steer member 3", /Set hyper/)
  await dialog.getByLabel(/^lr/).fill("700")
  await dialog.getByRole("button", { name: "Set", exact: true }).click()
  assert.match(await dialog.locator("[role=alert]").innerText(), /between/)
  await dialog.getByLabel(/^lr/).fill("0.25")
  await confirm(page, "Set")
  await has(
    "set",
    "steered",
    b => b.member === 3 && b.verb === "set" && b.hypers.lr === 0.25 && Object.keys(b.hypers).length === 1,
  )

  await chooseFrom(page, "Steer member 4", /Copy/)
  await confirm(page, "Copy")
  await has("copy", "steered", b => b.member === 4 && b.verb === "copy" && b.donor.segment === b.segment)

  // nothing happens without a confirmation
  await chooseFrom(page, "Steer member 5", /Retire/)
  await page.keyboard.press("Escape")
  await dialog.waitFor({ state: "detached" })

  await chooseFrom(page, "Steer member 6", /Restart/)
  await confirm(page, "Restart")
  await has("restart", "steered", b => b.member === 6 && b.verb === "restart")

  await killOne(page, dir, from)

  await chooseFrom(page, "More steering", /Add a member/)
  await dialog.getByLabel(/^batch/).selectOption("8")
  await confirm(page, "Add")
  await has("inject", "member_added", b => b.verb === "fresh" && b.hypers.batch === 8)
  await page.waitForSelector("tr[data-member='10']")

  await chooseFrom(page, "Steer member 2", /Retire/)
  await confirm(page, "Retire")
  await has("retire", "member_done", b => b.member === 2 && b.reason === "retired")
  await page.waitForSelector("tr[data-member='2'] .pill.retired")
  assert.deepEqual(
    bodies(dir, from, "member_done").map(b => b.member),
    [2],
    "member 5 was spared",
  )

  await chooseFrom(page, "More steering", /Change settings/)
  await dialog.locator("textarea").fill("exploit.truncation = 0.4\nretries = 3")
  await confirm(page, "Change")
  const changed = await has("change", "spec_changed", b => b.by)
  assert.equal(changed.changed.length, 2)

  await refused(page)
  await pins(page, dir, from)

  await page.getByRole("button", { name: "Pause", exact: true }).click()
  await dialog.getByLabel(/^Reason/).fill("to look at <b>it</b>")
  await confirm(page, "Pause")
  await has("pause", "paused", b => b.reason === "to look at <b>it</b>")
  await page.waitForSelector(".phase.paused")
  await page.getByRole("button", { name: "Resume", exact: true }).click()
  await confirm(page, "Resume")
  await has("resume", "resumed", () => true)
  await page.waitForSelector(".phase.running")
  clean(page)
  return `${rows(dir, `select 1 from events where seq > ${from} and kind in ('steered','member_added','member_done','spec_changed','pinned','paused','resumed')`).length} events of steering`
}

/** the member may be between two segments when it is confirmed: then the server says so, and another one is chosen */
async function killOne(page, dir, from) {
  const dialog = page.locator("dialog[open]")
  await until("a segment is given up", async () => {
    const id = await page.locator("tr:has(.pill.running)").first().getAttribute("data-member")
    await chooseFrom(page, `Steer member ${id}`, /Give up/)
    await dialog.getByRole("button", { name: "Give up", exact: true }).click()
    await Promise.race([dialog.waitFor({ state: "detached" }), dialog.locator("[role=alert]").waitFor()])
    if (!(await dialog.count())) return true
    assert.match(await dialog.locator("[role=alert]").innerText(), /no segment of it is being trained/)
    await page.keyboard.press("Escape")
    await dialog.waitFor({ state: "detached" })
    return false
  })
  await until(
    "the journal has it",
    () => bodies(dir, from, "failed").some(b => b.kind === "lost" && /by hand/.test(b.error)),
    20_000,
  )
}

/** a refusal is shown where it was asked, in the server's words, and changes nothing */
async function refused(page) {
  const dialog = await chooseFrom(page, "More steering", /Change settings/)
  await dialog.locator("textarea").fill("no.such.setting = 1")
  await dialog.getByRole("button", { name: "Change", exact: true }).click()
  await dialog.locator("[role=alert]").waitFor()
  assert.match(await dialog.locator("[role=alert]").innerText(), /no/)
  await page.keyboard.press("Escape")
  await dialog.waitFor({ state: "detached" })
}

async function pins(page, dir, from) {
  const best = one(
    dir,
    "select segment from segments where state = 'finished' and score is not null order by score desc, segment limit 1",
  )
  await goto(page, `#/run/hostile/population?seg=${best}`)
  await page.waitForSelector(".panel .big")
  await page.getByRole("button", { name: "Pin", exact: true }).click()
  await confirm(page, "Pin")
  await until("pin", () => bodies(dir, from, "pinned").some(b => b.segment === best && !b.off))
  await page.getByRole("button", { name: "Unpin", exact: true }).click()
  await confirm(page, "Unpin")
  await until("unpin", () => bodies(dir, from, "pinned").some(b => b.segment === best && b.off))
}
