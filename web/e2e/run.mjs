// node e2e/run.mjs [--url http://127.0.0.1:8790/ [--run ID]] [--only name]: drives the page in Chromium.
// Without --url it starts the mock, which also lets it kill the server, look at hostile data, and steer.
import { readFileSync } from "node:fs"
import { createRequire } from "node:module"
import { serve } from "../mock/server.mjs"
import { launch, open } from "./browser.mjs"
import * as live from "./live.mjs"
import * as views from "./views.mjs"

const arg = n => (process.argv.includes(`--${n}`) ? process.argv[process.argv.indexOf(`--${n}`) + 1] : "")
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8")

const url = arg("url")
const mock = url ? null : await serve({ port: 0, big: !arg("only") || arg("only") === "firstViewOfABigRun" })
const base = url || mock.url
const first = await (await fetch(`${base}api/v1/runs`)).json()
const run = arg("run") || (mock ? "digits-1" : first.runs[0].id)
const browser = await launch()
const ctx = { base, run, mock, axe, browser, open: (hash = "", o = {}) => open(browser, `${base}#${hash}`, o) }

let failed = 0
let ran = 0
for (const [name, test] of [...Object.entries(views), ...Object.entries(live)]) {
  if (arg("only") && name !== arg("only")) continue
  if (test.mockOnly && !mock) continue
  const began = Date.now()
  ran++
  try {
    const note = await test(ctx)
    console.log(`ok    ${name} ${Date.now() - began} ms${note ? ` (${note})` : ""}`)
  } catch (e) {
    failed++
    console.log(`FAIL  ${name}: ${e.stack ?? e}`)
  }
  for (const c of browser.contexts()) await c.close()
}
await browser.close()
console.log(`${ran - failed} of ${ran} passed against ${base}`)
process.exit(failed ? 1 : 0)
