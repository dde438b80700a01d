// What is on the page: every view, the numbers, text that stays text, keys, accessibility.
import assert from "node:assert/strict"
import { clean, goto, ready } from "./browser.mjs"
import { format, takeDownload } from "./page.mjs"

const VIEWS = ["population", "hypers", "lineage", "members", "events", "health", "compare"]
const api = async (ctx, path) => (await fetch(`${ctx.base}api/v1/runs/${ctx.run}${path}`)).json()
const text = (page, sel) => page.locator(sel).first().innerText()

/** every view in both themes and two sizes: nothing scrolls sideways, nothing failed, and axe finds nothing to complain of */
export async function everyView(ctx) {
  const looks = [
    ["light", 1440, 900],
    ["dark", 1440, 900],
    ["dark", 390, 844],
    ["light", 390, 844],
  ]
  const page = await ctx.open(`/run/${ctx.run}/population`)
  await ready(page)
  await page.evaluate(ctx.axe)
  for (const [theme, width, height] of looks) {
    await page.setViewportSize({ width, height })
    await page.emulateMedia({ colorScheme: theme })
    await page.waitForFunction(t => document.documentElement.dataset.theme === t, theme)
    for (const v of [...VIEWS, "population?seg=1"]) {
      await goto(page, `#/run/${ctx.run}/${v}`)
      await page.waitForSelector(".view .chart canvas, .view table, .view .feed", { timeout: 60_000 })
      if (v.includes("seg=")) await page.waitForSelector(".panel .big")
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)
      assert.ok(wide <= 0, `${v} at ${width} px scrolls sideways by ${wide} px`)
      assert.equal(await page.locator(".view .state.error").count(), 0, v)
      assert.deepEqual(await violations(page), [], `${v}, ${theme}, ${width} px`)
    }
  }
  clean(page)
}

const violations = page =>
  page.evaluate(async () =>
    (await globalThis.axe.run(document, { resultTypes: ["violations"] })).violations.map(
      x =>
        `${x.id}: ${x.nodes
          .slice(0, 3)
          .map(n => `${n.target} ${n.any?.[0]?.message ?? ""}`)
          .join(" | ")}`,
    ),
  )

/** charts have ink on them: not only a frame */
export async function chartsAreDrawn(ctx) {
  const page = await ctx.open(`/run/${ctx.run}/population`)
  await ready(page)
  for (const v of ["population", "hypers", "lineage", "health", "compare"]) {
    await goto(page, `#/run/${ctx.run}/${v}`)
    await page.waitForSelector(".view .chart canvas")
    await page.waitForFunction(
      () => {
        const c = document.querySelector(".view .chart canvas")
        const d = c.getContext("2d").getImageData(0, 0, c.width, c.height).data
        const colours = new Set()
        for (let i = 0; i < d.length; i += 4) if (d[i + 3]) colours.add((d[i] << 16) | (d[i + 1] << 8) | d[i + 2])
        return colours.size > 20
      },
      null,
      { timeout: 60_000 },
    )
  }
  clean(page)
}

export async function segmentPanel(ctx) {
  const page = await ctx.open(`/run/${ctx.run}/population`)
  await ready(page)
  await page.locator(".lead .link").click()
  await page.waitForSelector(".panel .big")
  const n = Number((await text(page, ".panel h2")).match(/^Segment (\d+)$/)[1]) // who leads may change at any moment
  const s = await api(ctx, `/segments/${n}`)
  assert.equal((await text(page, ".panel .big b")).trim(), format(s.score))
  assert.ok((await text(page, ".panel .sentence")).includes(s.say.slice(0, 40)))
  assert.ok((await text(page, ".panel")).includes(s.checkpoint.path || s.checkpoint.id))
  assert.ok(page.url().includes(`seg=${n}`), "the panel has an address")
  if (s.ancestors.length) {
    await page.locator(".chain .chip").first().click()
    await page.waitForFunction(id => document.querySelector(".panel h2")?.textContent === `Segment ${id}`, s.ancestors[0])
    await page.goBack()
    await page.waitForFunction(id => document.querySelector(".panel h2")?.textContent === `Segment ${id}`, n)
  }
  await page.keyboard.press("Escape")
  await page.waitForSelector(".panel", { state: "detached" })
  clean(page)
}

export async function addressesHoldTheState(ctx) {
  const state = (await api(ctx, "/members")).members[0].state
  const page = await ctx.open(`/run/${ctx.run}/members?sort=-step&state=${state}&q=m`)
  await ready(page)
  assert.equal(await page.locator("th[aria-sort=descending]").innerText(), "Step")
  assert.equal(await page.locator("select[aria-label=State]").inputValue(), state)
  await page.locator("th button", { hasText: "Score" }).click()
  assert.ok(page.url().includes("sort=-score"))
  await goto(page, `#/run/${ctx.run}/lineage?layout=tree`)
  assert.equal(await page.locator("button[aria-pressed=true]", { hasText: "Family tree" }).count(), 1)
  clean(page)
}

export async function hoverShowsTheDecision(ctx) {
  const page = await ctx.open(`/run/${ctx.run}/population`)
  await ready(page)
  const chart = page.locator(".first .main .chart")
  await chart.waitFor()
  await chart.focus()
  await page.keyboard.press("ArrowLeft")
  await page.keyboard.press("ArrowLeft")
  await page.waitForSelector(".tip .tip-foot")
  await page.waitForFunction(() => document.querySelector(".tip-say")?.textContent.trim().length > 5)
  const n = Number((await text(page, ".tip-foot")).match(/\d+/)[0])
  const s = await api(ctx, `/segments/${n}`)
  assert.ok((await text(page, ".tip-say")).includes(s.say.slice(0, 30)))
  assert.ok((await text(page, ".tip-head b")).includes(format(s.score)))
  await page.keyboard.press("Enter")
  await page.waitForSelector(".panel")
  clean(page)
}

export async function keyboard(ctx) {
  const page = await ctx.open(`/run/${ctx.run}/population`)
  await ready(page)
  for (const [i, v] of VIEWS.entries()) {
    await page.keyboard.press(String(i + 1))
    await page.waitForFunction(x => location.hash.includes(`/${x}`), v)
    assert.equal(await page.locator(".tabs a[aria-current=page]").count(), 1)
  }
  await page.keyboard.press("t")
  assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), "dark")
  await page.keyboard.press("?")
  await page.waitForSelector("dialog[open]")
  await page.keyboard.press("Escape")
  await page.waitForSelector("dialog", { state: "detached" })
  await page.keyboard.press("/")
  await page.waitForFunction(() => document.activeElement?.matches("input[type=search]"))
  await page.keyboard.type("m1")
  assert.equal(await page.locator("tbody tr[data-member]").count(), 1)
  // Tab reaches everything in order, and the focus can be seen
  await goto(page, `#/run/${ctx.run}/population`)
  await page.evaluate(() => document.activeElement?.blur())
  const seen = []
  for (let i = 0; i < 40; i++) {
    await page.keyboard.press("Tab")
    seen.push(
      await page.evaluate(() => {
        const e = document.activeElement
        const o = getComputedStyle(e)
        return {
          name: e.tagName === "BODY" ? "BODY" : (e.getAttribute("aria-label") || e.textContent || e.tagName).trim().slice(0, 30),
          ring: o.outlineStyle !== "none" || e.matches("input"),
        }
      }),
    )
  }
  assert.ok(
    seen.some(s => s.name.startsWith("Scores of")),
    "the figure can be reached",
  )
  assert.ok(
    seen.some(s => s.name === "Members"),
    "the views can be reached",
  )
  assert.deepEqual(
    seen.filter(s => !s.ring && s.name !== "BODY").map(s => s.name),
    [],
  )
  clean(page)
}

export async function downloads(ctx) {
  const page = await ctx.open(`/run/${ctx.run}/population`)
  await ready(page)
  await page.waitForSelector(".first .main .chart")
  const take = (button, item) => takeDownload(page, button, item)
  const svg = (await take("Download scores-by-lineage", "SVG image")).toString()
  assert.match(svg, /^<svg /)
  assert.ok(svg.length > 2000)
  const bad = await page.evaluate(
    s => new DOMParser().parseFromString(s, "image/svg+xml").querySelector("parsererror")?.textContent ?? "",
    svg,
  )
  assert.equal(bad, "")
  assert.equal((await take("Download scores-by-lineage", "PNG image")).subarray(1, 4).toString(), "PNG")
  const rows = (await take("Download scores-by-lineage", "CSV table")).toString().split("\r\n")
  assert.equal(rows[0], "member,root,winning,segment,step,score")
  await goto(page, `#/run/${ctx.run}/hypers`)
  assert.match((await take("Download schedule", "Python function")).toString(), /SCHEDULE = \[\n {4}\(0, \{/)
  assert.match((await take("Download schedule", "YAML")).toString(), /schedule:\n {2}- \{from: 0/)
  clean(page)
}

/** ctx.segment: one that failed, with ctx.markup in its error and its log */
export async function hostileTextStaysText(ctx) {
  const page = await ctx.open(`/run/${ctx.run}/population`)
  await ready(page)
  const events = "events?level=quiet,warn,error,info,decision,good"
  for (const v of [...VIEWS, events, `population?seg=${ctx.segment}`, "members?sort=score"]) {
    await goto(page, `#/run/${ctx.run}/${v}`)
    await page.waitForSelector(".view .chart canvas, .view table, .view .feed")
    const bad = await page.evaluate(() => ({
      ran: globalThis.__xss ?? 0,
      elements: document.querySelectorAll("#app img, #app script, #app b b, .ev b, [onmouseover], [onerror]").length,
    }))
    assert.deepEqual(bad, { ran: 0, elements: 0 }, v)
  }
  await goto(page, `#/run/${ctx.run}/population?seg=${ctx.segment}`)
  await page.waitForSelector(".panel .failures pre")
  const panel = await text(page, ".panel")
  const { hypers, metric } = await api(ctx, "").then(r => ({ hypers: r.hypers.map(h => h.name), metric: r.metric }))
  for (const words of [ctx.markup, metric, ...hypers]) assert.ok(panel.includes(words), `the panel shows ${words} as it is`)
  await page.waitForSelector(".log")
  assert.ok((await text(page, ".log")).includes(ctx.markup), "and so does the log")
  assert.ok(!(await text(page, ".log")).includes("\u001b"), "without what would colour a terminal")
  await goto(page, `#/run/${ctx.run}/hypers`)
  for (const h of hypers) assert.equal(await page.getByRole("heading", { name: h, exact: true }).count(), 1, h)
  clean(page)
}

export async function emptyRun(ctx) {
  const page = await ctx.open("/run/begun-1/population")
  await ready(page)
  for (const v of VIEWS) {
    await goto(page, `#/run/begun-1/${v}`)
    await page.waitForTimeout(250)
    assert.ok((await text(page, ".view")).length > 20, v)
    assert.ok(!/NaN|undefined|Infinity|null/.test(await text(page, "main")), `${v}: ${await text(page, "main")}`)
  }
  assert.equal((await text(page, ".lead")).trim(), "No member has a score yet.")
  clean(page)
}

export async function unknownRunIsSaid(ctx) {
  const page = await ctx.open("/run/no-such-run/population")
  page.mayLose = true
  page.wrong.length = 0
  await page.waitForSelector("[role=alert]")
  assert.match(await text(page, "[role=alert]"), /no|not/i)
}
