// node e2e/real.mjs [--only name]: the page in Chromium against a real run in progress: trainers that train, a journal
// that is read past the server, a server that is killed. What a run cannot be made to do is in run.mjs, against a mock.
import assert from "node:assert/strict"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { createRequire } from "node:module"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { clean, launch, open, ready } from "./browser.mjs"
import { facts, freePort, one, pbt, rows, until } from "./engine.mjs"
import * as journal from "./journal.mjs"
import { chooseFrom, confirm } from "./page.mjs"
import * as steering from "./steering.mjs"
import * as views from "./views.mjs"

const arg = n => (process.argv.includes(`--${n}`) ? process.argv[process.argv.indexOf(`--${n}`) + 1] : "")
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8")
const MARKUP = "<img src=x onerror=globalThis.__xss=1>"
const HOSTILE = { TEXT: MARKUP, CRASH: "0.05", PAUSE: "0.15" }

const runs = mkdtempSync(join(tmpdir(), "pbt-e2e-"))
const dir = join(runs, "hostile")
const port = await freePort()
const listen = ["--listen", `127.0.0.1:${port}`]
// beside it: a random search of a few segments, to compare with
const random = pbt(
  ["run", "hostile.yaml", "--dir", join(runs, "random"), "--no-web", "--set", "exploit=none", "--set", "budget.steps=75"],
  {
    TEXT: MARKUP,
  },
)
let engine = pbt(["run", "hostile.yaml", "--dir", dir, ...listen], HOSTILE)
const base = await engine.link
const browser = await launch()
const ctx = { base, run: "hostile", mock: null, axe, browser, open: (hash = "", o = {}) => open(browser, `${base}#${hash}`, o) }

const streamed = page => page.evaluate(() => globalThis.pbtStream())
const finished = n => () => one(dir, "select count(*) from events where kind = 'finished'") >= n

async function firstScores() {
  const page = await ctx.open("")
  await ready(page)
  await page.waitForFunction(() => document.querySelector(".lead")?.textContent.includes("leads with"), null, { timeout: 60_000 })
  await page.waitForSelector(".first .main .chart canvas")
  clean(page)
}

/** the server dies in the middle of the stream, and comes back on the same port with the same journal */
async function killedAndResumed() {
  const page = await ctx.open("/run/hostile/events?level=quiet,info,decision,good,warn,error")
  page.mayLose = true
  await ready(page)
  const loaded = (await streamed(page)).seq
  await page.waitForFunction(n => globalThis.pbtStream().seq > n + 10, loaded, { timeout: 60_000 })
  engine.child.kill("SIGKILL")
  assert.equal(await engine.ended, "SIGKILL")
  await page.waitForSelector(".link-state.lost", { timeout: 60_000 })
  const killed = one(dir, "select max(seq) from events")
  engine = pbt(["resume", dir, ...listen], HOSTILE)
  await engine.link
  await page.waitForSelector(".link-state.live", { timeout: 60_000 })
  await page.waitForFunction(n => globalThis.pbtStream().seq > n + 20, killed, { timeout: 60_000 })
  const f = await streamed(page)
  assert.deepEqual([f.duplicates, f.gaps], [0, 0])
  await page.getByRole("button", { name: "Pause", exact: true }).click()
  await confirm(page, "Pause")
  await quiet()
  const said = await journal.events({ page, run: "hostile", dir }, Math.max(1, killed - 20))
  assert.equal(one(dir, "select count(*) from events where kind = 'opened'"), 2)
  await page.getByRole("button", { name: "Resume", exact: true }).click()
  await confirm(page, "Resume")
  clean(page)
  return said
}

/** paused, and nothing is at work: the numbers stand still */
async function quiet() {
  await until("the run stands still", () => rows(dir, "select 1 from segments where state = 'running'").length === 0)
}

async function numbersAreTheJournals() {
  await until("enough has happened to be worth comparing", finished(60), 120_000)
  const page = await ctx.open("/run/hostile/population")
  await ready(page)
  await page.getByRole("button", { name: "Pause", exact: true }).click()
  await confirm(page, "Pause")
  await quiet()
  await page.reload()
  await ready(page)
  const of = { page, run: "hostile", dir }
  const notes = []
  for (const check of [journal.members, journal.leader, journal.scores, journal.copies, journal.health])
    notes.push(await check(of))
  notes.push(await journal.events(of, one(dir, "select max(seq) from events") - 200))
  await page.getByRole("button", { name: "Resume", exact: true }).click()
  await confirm(page, "Resume")
  clean(page)
  return notes.join("; ")
}

async function steered() {
  return steering.everyVerb({ ctx, dir })
}

/** names, values, metrics, log lines and errors that would be markup */
async function hostileTextStaysText() {
  const failed = await until("an attempt has failed", () => rows(dir, "select segment from failures limit 1")[0]?.segment)
  return views.hostileTextStaysText({ ...ctx, segment: failed, markup: MARKUP })
}

/** another process serves the folder: runs side by side, and one that goes on elsewhere */
async function servedAndCompared() {
  assert.equal(await random.ended, 0, random.said())
  const server = pbt(["serve", runs, "--listen", "127.0.0.1:0"])
  const url = await server.link
  const page = await open(browser, `${url}#/run/hostile/compare?compare=random`)
  await ready(page)
  await page.waitForSelector(".standings tbody tr:nth-child(2)")
  const table = await page.locator(".standings tbody tr").evaluateAll(l => l.map(r => [...r.children].map(c => c.textContent)))
  const shown = table.find(r => r[0].includes("random"))
  const best = facts("best", join(runs, "random"))
  assert.equal(Number(shown[3]).toPrecision(3), best.score.toPrecision(3))
  assert.equal(shown[4], "10 × 75")
  const total = one(join(runs, "random"), "select sum(steps) from segments where state = 'finished'")
  const head = await page.locator(".standings thead").innerText()
  assert.ok(head.includes(`Best at ${total} steps in all`), head)
  assert.equal(
    await page.getByRole("button", { name: "Pause", exact: true }).count(),
    0,
    "another process's run is not steered from here",
  )
  const before = (await streamed(page)).seq
  await page.waitForFunction(n => globalThis.pbtStream().seq > n + 10, before, { timeout: 60_000 })
  const f = await streamed(page)
  assert.deepEqual([f.duplicates, f.gaps], [0, 0])
  clean(page)
  server.child.kill("SIGINT")
  await server.ended
}

/** the page says how it ended, and the process ends in good order */
async function stoppedFromThePage() {
  const page = await ctx.open("/run/hostile/population")
  page.mayLose = true
  await ready(page)
  await chooseFrom(page, "More steering", /Stop/)
  await confirm(page, "Stop")
  await engine.ended
  await page.waitForSelector(".link-state.lost", { timeout: 60_000 })
  assert.equal(rows(dir, "select kind from events order by seq desc limit 1")[0].kind, "closed")
  assert.deepEqual(page.wrong, [])
}

const { chartsAreDrawn, segmentPanel, addressesHoldTheState, hoverShowsTheDecision, keyboard, downloads, unknownRunIsSaid } =
  views
const tests = {
  firstScores,
  killedAndResumed,
  everyView: views.everyView,
  chartsAreDrawn,
  segmentPanel,
  addressesHoldTheState,
  hoverShowsTheDecision,
  keyboard,
  downloads,
  unknownRunIsSaid,
  hostileTextStaysText,
  steered,
  numbersAreTheJournals,
  servedAndCompared,
  stoppedFromThePage,
}

let failed = 0
let ran = 0
const began = Date.now()
for (const [name, test] of Object.entries(tests)) {
  if (arg("only") && !arg("only").split(",").includes(name)) continue
  const at = Date.now()
  ran++
  try {
    const note = await test(ctx)
    console.log(`ok    ${name} ${((Date.now() - at) / 1000).toFixed(1)} s${note ? ` (${note})` : ""}`)
  } catch (e) {
    failed++
    console.log(`FAIL  ${name}: ${e.stack ?? e}`)
  }
  for (const c of browser.contexts()) await c.close()
}
await browser.close()
if (failed) console.log(engine.said().slice(-3000))
else rmSync(runs, { recursive: true, force: true })
console.log(`${ran - failed} of ${ran} passed against a real run, ${((Date.now() - began) / 1000).toFixed(0)} s`)
process.exit(failed ? 1 : 0)
