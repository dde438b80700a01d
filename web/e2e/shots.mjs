// node e2e/shots.mjs [--url http://…/] [--run digits-1] [--compare a,b]: pictures of every view, in both themes and two sizes.
import { mkdirSync } from "node:fs"
import { serve } from "../mock/server.mjs"
import { launch, open, ready } from "./browser.mjs"

const arg = (n, d) => (process.argv.includes(`--${n}`) ? process.argv[process.argv.indexOf(`--${n}`) + 1] : d)
const only = arg("only", "")
const VIEWS = [
  ["population", ""],
  ["hypers", ""],
  ["lineage", ""],
  ["lineage", "?layout=tree", "lineage-tree"],
  ["members", ""],
  ["events", ""],
  ["health", ""],
  ["compare", `?compare=${arg("compare", "digits-random-1,digits-pbt-0")}`],
  ["population", "?seg=300", "segment"],
]

const mock = arg("url") ? null : await serve({ port: 0 })
const url = arg("url", mock?.url)
const run = arg("run", "digits-1")
const out = new URL(arg("out", "../screenshots/"), import.meta.url).pathname
mkdirSync(out, { recursive: true })
const browser = await launch()
for (const theme of arg("theme", "light,dark").split(","))
  for (const [size, width, height, scale] of [
    ["wide", 1440, 900, 2],
    ["phone", 390, 844, 2],
  ].filter(s => arg("size", "wide,phone").includes(s[0])))
    for (const [view, query, name] of VIEWS) {
      if (only && !only.split(",").includes(name ?? view)) continue
      const page = await open(browser, `${url}#/run/${run}/${view}${query}`, { width, height, theme, scale })
      await ready(page)
      await page.waitForTimeout(600)
      await page.screenshot({
        path: `${out}${name ?? view}-${theme}-${size}.png`,
        fullPage: size === "phone" ? false : view !== "members" && view !== "events" && name !== "segment",
      })
      if (page.wrong.length) console.log(view, theme, size, page.wrong)
      await page.context().close()
    }
await browser.close()
mock?.server.closeAllConnections()
mock?.server.close()
process.exit(0)
