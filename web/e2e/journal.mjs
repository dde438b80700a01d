// The numbers on the page and the journal's, read past the server: they must be equal. The run is paused meanwhile.
import assert from "node:assert/strict"
import { goto } from "./browser.mjs"
import { facts, one, rows } from "./engine.mjs"
import { format, takeDownload } from "./page.mjs"

/** a CSV file as objects; RFC 4180 */
export function parseCsv(text) {
  const table = [[""]]
  let quoted = false
  for (let i = 0; i < text.length; i++) {
    const c = text[i]
    const row = table.at(-1)
    if (quoted) {
      if (c !== '"') row[row.length - 1] += c
      else if (text[i + 1] === '"') row[row.length - 1] += text[++i]
      else quoted = false
    } else if (c === '"') quoted = true
    else if (c === ",") row.push("")
    else if (c === "\n") table.push([""])
    else if (c !== "\r") row[row.length - 1] += c
  }
  const [head, ...body] = table.filter(r => r.length > 1)
  return body.map(r => Object.fromEntries(head.map((h, i) => [h, r[i]])))
}

const unquoted = s => s.replace(/^'/, "") // what a spreadsheet would run has a quote before it

export async function members({ page, run, dir }) {
  const want = facts("status", dir).members
  await goto(page, `#/run/${run}/members?sort=member`)
  const got = parseCsv(String(await takeDownload(page, "Download members", "CSV table")))
  assert.equal(got.length, want.length)
  for (const [i, m] of want.entries()) {
    const g = got[i]
    assert.deepEqual(
      [g.member, g.score, g.step, g.spent, g.state, g.rank],
      [m.id, m.score ?? "", m.step, m.spent, m.state, m.rank ?? 0].map(String),
    )
    for (const [name, v] of Object.entries(m.hypers)) assert.equal(unquoted(g[name]), String(v), `member ${m.id}, ${name}`)
    const seen = await page.locator(`tr[data-member="${m.id}"] td`).allInnerTexts()
    assert.equal(seen[1].trim(), `m${m.id}`)
    assert.equal(
      Number(seen[2].replace("−", "-").replace("–", "NaN")).toPrecision(4),
      Number(m.score ?? Number.NaN).toPrecision(4),
    )
    assert.equal(seen[4].replaceAll(",", ""), String(m.step))
  }
  return `${want.length} members`
}

export async function leader({ page, run, dir }) {
  const best = facts("best", dir)
  const path = facts("schedule", dir)
  await goto(page, `#/run/${run}/population`)
  const lead = await page.locator(".lead").innerText()
  assert.ok(lead.startsWith(`Member ${best.member} leads with ${format(best.score)} after`), lead)
  const rest = await page.locator(".rest").innerText()
  if (new Set(path.map(s => s.member)).size > 1) assert.ok(rest.includes(`began as member ${path[0].member}`), rest)
  assert.ok(rest.includes("learning rate"), rest)
  await goto(page, `#/run/${run}/hypers`)
  const shown = JSON.parse(String(await takeDownload(page, "Download schedule", "JSON data")))
  assert.deepEqual(shown, path)
  return lead.split("\n")[0]
}

/** every score that was ever recorded is on the curves, once, at its step */
export async function scores({ page, run, dir }) {
  await goto(page, `#/run/${run}/population?by=member`)
  await page.waitForSelector(".first .main .chart canvas")
  const got = parseCsv(String(await takeDownload(page, "Download scores-by-member", "CSV table"))).map(r => [
    r.segment,
    r.step,
    r.score,
  ])
  const want = rows(dir, "select segment, step, score from segments where state = 'finished' order by member, segment")
  assert.deepEqual(
    got.map(r => r.map(Number)),
    want.map(r => [r.segment, r.step, r.score ?? 0]),
  )
  return `${want.length} scores`
}

export async function copies({ page, run, dir }) {
  // an arc is whatever came from another member: a copy, or a repair
  const want = rows(dir, "select segment, member, donor_segment from decisions where donor_member <> member order by segment")
  await goto(page, `#/run/${run}/population`)
  await page.waitForSelector(".first .main .chart canvas")
  const drawn = JSON.parse(String(await takeDownload(page, "Download scores-by-lineage", "JSON data"))).copies
  assert.deepEqual(
    drawn.map(c => [c.segment, c.member, c.donor_segment]).sort((a, b) => a[0] - b[0]),
    want.map(r => [r.segment, r.member, r.donor_segment]),
  )
  const count = one(dir, "select count(*) from decisions where action = 'copy'")
  assert.match(await page.locator(".facts").innerText(), new RegExp(`, ${count.toLocaleString("en")} cop(y|ies)$`))
  await goto(page, `#/run/${run}/lineage`)
  await page.waitForSelector(".view .chart canvas")
  const bars = parseCsv(String(await takeDownload(page, "Download lineage", "CSV table")))
  const began = new Map(rows(dir, "select segment, member, action from segments").map(r => [r.segment, r]))
  for (const b of bars) {
    const s = began.get(Number(b.first_segment))
    assert.deepEqual([b.member, b.action], [String(s.member), s.action])
  }
  return `${want.length} copies, ${bars.length} bars`
}

/** each event once, and each decision in the words of the journal */
export async function events({ page, run, dir }, oldest) {
  await goto(page, `#/run/${run}/events?level=quiet,info,decision,good,warn,error`)
  const last = one(dir, "select max(seq) from events")
  await page.waitForFunction(n => Number(document.querySelector(".ev")?.dataset.seq) === n, last, { timeout: 60_000 })
  const seqs = () => page.locator(".ev").evaluateAll(l => l.map(e => Number(e.dataset.seq)))
  let shown = await seqs()
  while (shown.at(-1) > oldest) {
    await page.getByRole("button", { name: "Older events" }).click()
    await page.waitForFunction(n => document.querySelectorAll(".ev").length > n, shown.length)
    shown = await seqs()
  }
  assert.deepEqual(
    shown,
    Array.from({ length: shown.length }, (_, i) => last - i),
    "each once, newest first, none missing",
  )
  const say = new Map(rows(dir, `select seq, say from decisions where seq >= ${shown.at(-1)}`).map(r => [r.seq, r.say]))
  const texts = await page
    .locator(".ev")
    .evaluateAll(l => l.map(e => [Number(e.dataset.seq), e.querySelector(".ev-say").textContent]))
  let compared = 0
  for (const [seq, text] of texts)
    if (say.has(seq)) {
      assert.ok(text.includes(say.get(seq)), `${text} is not what the journal says: ${say.get(seq)}`)
      compared++
    }
  assert.ok(compared > 0)
  return `${shown.length} events, ${compared} decisions`
}

export async function health({ page, run, dir }) {
  await goto(page, `#/run/${run}/health`)
  await page.waitForSelector(".tiles")
  const tile = name => page.locator(".tile", { has: page.locator(`dt:text-is("${name}")`) }).locator("dd")
  const count = sql => String(one(dir, sql))
  assert.equal(
    (await tile("Segments").first().innerText()).replaceAll(",", ""),
    count("select count(*) from events where kind = 'finished'"),
  )
  assert.ok(
    (await tile("Segments").last().innerText()).startsWith(
      `${count("select count(*) from decisions where action = 'copy'")} cop`,
    ),
  )
  const slots = JSON.parse(String(await takeDownload(page, "Download slots", "JSON data")))
  assert.deepEqual(
    slots.slots.map(s => s.name),
    rows(dir, "select distinct worker from segments where worker is not null order by worker").map(r => r.worker),
  )
  return `${slots.slots.length} slots`
}
