// node e2e/run.mjs [--only name]: the page in Chromium against a mock, for what a real run cannot be made to do. The rest
// is real.mjs.
import { serve } from "../mock/server.mjs"
import { launch, open } from "./browser.mjs"
import * as live from "./live.mjs"
import { emptyRun } from "./views.mjs"

const arg = n => (process.argv.includes(`--${n}`) ? process.argv[process.argv.indexOf(`--${n}`) + 1] : "")
const mock = await serve({ port: 0 })
const browser = await launch()
const ctx = {
  base: mock.url,
  run: "digits-1",
  mock,
  browser,
  open: (hash = "", o = {}) => open(browser, `${mock.url}#${hash}`, o),
}

let failed = 0
let ran = 0
for (const [name, test] of Object.entries({ emptyRun, ...live })) {
  if (arg("only") && name !== arg("only")) continue
  const began = Date.now()
  ran++
  try {
    const note = await test(ctx)
    console.log(`ok    ${name} ${((Date.now() - began) / 1000).toFixed(1)} s${note ? ` (${note})` : ""}`)
  } catch (e) {
    failed++
    console.log(`FAIL  ${name}: ${e.stack ?? e}`)
  }
  for (const c of browser.contexts()) await c.close()
}
await browser.close()
console.log(`${ran - failed} of ${ran} passed against the mock`)
process.exit(failed ? 1 : 0)
