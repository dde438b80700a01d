// node e2e/shots.mjs [--url http://…/ --run ID] [--compare a,b] [--theme light,dark] [--size wide,phone] [--only lineage,…]:
// pictures of every view, in both themes and two sizes, to screenshots/. Without --url, of the quickstart's runs.
// node e2e/shots.mjs --docs: the few that README.md and docs/ show, after `make run`.
import { existsSync, mkdirSync, statSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { launch, open, ready } from "./browser.mjs"
import { pbt } from "./engine.mjs"

const given = n => process.argv.includes(`--${n}`)
const arg = (n, d) => (given(n) ? process.argv[process.argv.indexOf(`--${n}`) + 1] : d)
const path = p => fileURLToPath(new URL(p, import.meta.url))
const RUN = "quickstart-pbt-seed1"
const RANDOM = "quickstart-random-seed1"
const MOST_BYTES = 300_000 // of a picture in git

const VIEWS = [
  ["population", ""],
  ["hypers", ""],
  ["lineage", ""],
  ["lineage", "?layout=tree", "lineage-tree"],
  ["members", ""],
  ["events", ""],
  ["health", ""],
  ["compare", `?compare=${arg("compare", RANDOM)}`],
  ["population", `?seg=${arg("segment", 300)}`, "segment"],
]

const DOCS = [
  // name, view, query, theme, height: 0 for all of it
  ["dashboard", "population", "", "light", 0],
  ["dashboard-hypers", "hypers", "", "light", 750],
  ["dashboard-lineage", "lineage", "", "dark", 0],
  ["dashboard-compare", "compare", `?compare=${RANDOM}`, "dark", 0],
]

async function quickstart() {
  const runs = path("../../runs")
  for (const r of [RUN, RANDOM]) if (!existsSync(`${runs}/${r}/journal.sqlite`)) throw new Error(`${runs} has no ${r}: make run`)
  const server = pbt(["serve", runs, "--listen", "127.0.0.1:0"])
  return { server, url: await server.link }
}

/** nothing is waited for any more, and it is drawn */
async function settled(page) {
  await ready(page)
  await page.waitForSelector(".view .chart canvas, .view table, .view .feed")
  await page.waitForFunction(() => !document.querySelector(".view .pulse, .panel .pulse"))
  await page.evaluate(() => document.fonts.ready)
  await page.evaluate(() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done))))
}

async function shoot(browser, url, run, { view, query, theme, width, height, scale, file, full }) {
  const page = await open(browser, `${url}#/run/${run}/${view}${query}`, { width, height, theme, scale })
  await settled(page)
  await page.screenshot({ path: file, fullPage: full })
  if (page.wrong.length) console.log(view, theme, page.wrong)
  await page.context().close()
}

const { server, url } = given("url") ? { server: null, url: arg("url") } : await quickstart()
const run = arg("run", RUN)
const browser = await launch()
if (given("docs")) {
  for (const [name, view, query, theme, height] of DOCS) {
    const file = path(`../../docs/${name}.png`)
    for (const scale of [1.5, 1.25, 1]) {
      await shoot(browser, url, run, { view, query, theme, width: 1280, height: height || 800, scale, file, full: !height })
      if (statSync(file).size <= MOST_BYTES) break
    }
    console.log(`${file}: ${statSync(file).size} bytes`)
  }
} else {
  const out = path(arg("out", "../screenshots/"))
  mkdirSync(out, { recursive: true })
  const sizes = [
    ["wide", 1440, 900],
    ["phone", 390, 844],
  ].filter(s => arg("size", "wide,phone").split(",").includes(s[0]))
  for (const theme of arg("theme", "light,dark").split(","))
    for (const [size, width, height] of sizes)
      for (const [view, query, name = view] of VIEWS) {
        if (given("only") && !arg("only").split(",").includes(name)) continue
        const full = size === "wide" && !["members", "events", "segment"].includes(name)
        await shoot(browser, url, run, {
          view,
          query,
          theme,
          width,
          height,
          scale: 2,
          file: `${out}${name}-${theme}-${size}.png`,
          full,
        })
      }
}
await browser.close()
server?.child.kill("SIGINT")
await server?.ended
process.exit(0)
