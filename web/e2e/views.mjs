// What is on the page: every view, the numbers, text that stays text, keys, accessibility.
import assert from "node:assert/strict"
import { clean, goto, ready } from "./browser.mjs"

const VIEWS = ["population", "hypers", "lineage", "members", "events", "health", "compare"]
const api = async (ctx, path) => (await fetch(`${ctx.base}api/v1/runs/${ctx.run}${path}`)).json()
const text = (page, sel) => page.locator(sel).first().innerText()

export async function everyView(ctx) {
  for (const theme of ["light", "dark"])
    for (const [width, height] of [
      [1440, 900],
      [390, 844],
    ]) {
      const page = await ctx.open(`/run/${ctx.run}/population`, { width, height, theme })
      await ready(page)
      for (const v of VIEWS) {
        await goto(page, `#/run/${ctx.run}/${v}`)
        await page.waitForSelector(".view .chart canvas, .view table, .view .feed", { timeout: 10_000 })
        await page.waitForTimeout(150)
        const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)
        assert.ok(wide <= 0, `${v} at ${width} px scrolls sideways by ${wide} px`)
        assert.equal(await page.locator(".view .state.error").count(), 0, v)
      }
      assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), theme)
      clean(page)
      await page.context().close()
    }
}

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
      { timeout: 10_000 },
    )
  }
  clean(page)
}

export async function numbersAreTheApis(ctx) {
  const page = await ctx.open(`/run/${ctx.run}/members?sort=member`)
  await ready(page)
  // a live run moves on: the page is right if it agrees with the API before or after
  for (let attempt = 0; ; attempt++) {
    const before = (await api(ctx, "/members")).members
    await page.waitForTimeout(1200)
    const rows = await page
      .locator("tbody tr[data-member]")
      .evaluateAll(list => list.map(tr => [tr.dataset.member, tr.children[2].innerText.trim(), tr.children[4].innerText.trim()]))
    const after = (await api(ctx, "/members")).members
    const shown = m => [String(m.id), aligned(m.score), String(m.step).replace(/\B(?=(\d{3})+$)/g, ",")]
    const right = rows.length > 0 && rows.every(r => [before, after].some(list => list.some(m => shown(m).join() === r.join())))
    if (right) break
    assert.ok(
      attempt < 5,
      `the table disagrees: ${JSON.stringify(rows.slice(0, 4))} and ${JSON.stringify(after.slice(0, 4).map(shown))}`,
    )
  }
  const r = await api(ctx, "")
  if (r.best) {
    const lead = await text(page, ".lead")
    assert.match(lead, new RegExp(`Member ${r.best.member} (leads|won) with`))
    const { stages } = await api(ctx, `/schedule?segment=${r.best.segment}`)
    const rest = await text(page, ".rest")
    if (new Set(stages.map(s => s.member)).size > 1)
      assert.ok(rest.includes(`Its weights began as member ${stages[0].member}`), rest)
  }
  clean(page)
}

const aligned = s =>
  typeof s === "number" && s !== 0 && Math.abs(s) >= 1e-5 && Math.abs(s) < 1e4 ? s.toPrecision(4).replace(/^-/, "−") : format(s)

function format(s) {
  if (s === null) return "–"
  if (typeof s === "string") return { NaN: "NaN", "+Inf": "+∞", "-Inf": "−∞" }[s]
  const a = Math.abs(s)
  if (s === 0) return "0"
  if (a >= 1e7 || a < 1e-5)
    return s
      .toExponential(3)
      .replace(/\.?0+e/, "e")
      .replace("e+", "e")
      .replace(/^-/, "−")
  if (a >= 1e4)
    return String(Math.round(s))
      .replace(/\B(?=(\d{3})+$)/g, ",")
      .replace(/^-/, "−")
  return String(Number(s.toPrecision(4))).replace(/^-/, "−")
}

export async function segmentPanel(ctx) {
  const r = await api(ctx, "")
  const n = r.best.segment
  const s = await api(ctx, `/segments/${n}`)
  const page = await ctx.open(`/run/${ctx.run}/population`)
  await ready(page)
  await page.locator(".lead .link").click()
  await page.waitForSelector(".panel .big")
  assert.equal(await text(page, ".panel h2"), `Segment ${n}`)
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

export async function accessibility(ctx) {
  for (const theme of ["light", "dark"])
    for (const width of [1440, 390]) {
      const page = await ctx.open(`/run/${ctx.run}/population`, { theme, width })
      await ready(page)
      for (const v of [...VIEWS, "population?seg=1"]) {
        await goto(page, `#/run/${ctx.run}/${v}`)
        await page.waitForSelector(".view .chart canvas, .view table, .view .feed")
        if (v.includes("seg=")) await page.waitForSelector(".panel .big")
        await page.waitForTimeout(200)
        await page.evaluate(ctx.axe)
        const found = await page.evaluate(async () =>
          (await globalThis.axe.run(document, { resultTypes: ["violations"] })).violations.map(
            x =>
              `${x.id}: ${x.nodes
                .slice(0, 3)
                .map(n => `${n.target} ${n.any?.[0]?.message ?? ""}`)
                .join(" | ")}`,
          ),
        )
        assert.deepEqual(found, [], `${v}, ${theme}, ${width} px`)
      }
      await page.context().close()
    }
}

export async function downloads(ctx) {
  const page = await ctx.open(`/run/${ctx.run}/population`)
  await ready(page)
  await page.waitForSelector(".first .main .chart")
  const take = async (button, item) => {
    await page.getByRole("button", { name: button }).first().click()
    const [d] = await Promise.all([page.waitForEvent("download"), page.getByRole("menuitem", { name: item }).click()])
    const chunks = []
    for await (const c of await d.createReadStream()) chunks.push(c)
    return Buffer.concat(chunks)
  }
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

export async function hostileTextStaysText(ctx) {
  const page = await ctx.open("/run/hostile-1/population")
  await ready(page)
  for (const v of [...VIEWS, "events?level=quiet,warn,error,info,decision,good", "population?seg=12", "members?sort=score"]) {
    await goto(page, `#/run/hostile-1/${v}`)
    await page.waitForTimeout(500)
    const bad = await page.evaluate(() => ({
      ran: globalThis.__xss ?? 0,
      images: document.querySelectorAll("#app img, #app script, #app b b, .ev b").length,
    }))
    assert.deepEqual(bad, { ran: 0, images: 0 }, v)
  }
  assert.ok((await page.locator("h1").innerText()).includes("<img src=x"), "the name is shown as it is")
  await goto(page, "#/run/hostile-1/population?seg=12")
  await page.waitForSelector(".log")
  assert.ok((await text(page, ".log")).includes("<script>"))
  clean(page)
}
hostileTextStaysText.mockOnly = true

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
emptyRun.mockOnly = true

export async function unknownRunIsSaid(ctx) {
  const page = await ctx.open("/run/no-such-run/population")
  page.mayLose = true
  page.wrong.length = 0
  await page.waitForSelector("[role=alert]")
  assert.match(await text(page, "[role=alert]"), /no|not/i)
}

export async function firstViewOfABigRun(ctx) {
  const page = await ctx.open("/run/begun-1/population")
  await ready(page)
  await (await fetch(`${ctx.base}api/v1/runs/big-1/members`)).text() // the mock thinks once; the real server keeps what it knows
  for (const p of ["curves?by=lineage&x=step&points=400", "events?limit=500"])
    await (await fetch(`${ctx.base}api/v1/runs/big-1/${p}`)).text()
  await page.goto("about:blank")
  const began = Date.now()
  await page.goto(`${ctx.base}#/run/big-1/population`)
  await page.waitForFunction(
    () => {
      const c = document.querySelector(".first .main .chart canvas")
      return c && c.width > 100 && document.querySelector(".lead")?.textContent.includes("0.")
    },
    null,
    { timeout: 20_000 },
  )
  const took = Date.now() - began
  const times = []
  for (const v of VIEWS.slice(1)) {
    const t = Date.now()
    await goto(page, `#/run/big-1/${v}`)
    await page.waitForSelector(".view .chart canvas, .view table, .view .feed", { timeout: 30_000 })
    times.push(`${v} ${Date.now() - t}`)
  }
  await goto(page, "#/run/big-1/members")
  const rows = await page.locator("tbody tr[data-member]").count()
  assert.ok(rows < 120, `${rows} of 1,000 rows are drawn`)
  clean(page)
  assert.ok(took < 3000, `${took} ms`)
  return `first view ${took} ms of which the mock is a part; ${times.join(", ")}`
}
firstViewOfABigRun.mockOnly = true
