// A Chromium for the tests, and a page that remembers what went wrong on it.
import assert from "node:assert/strict"
import { chromium } from "playwright-core"

const ARGS = [
  "--no-sandbox",
  "--headless",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
]

export const launch = () => chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ARGS })

export async function open(
  browser,
  url,
  { width = 1440, height = 900, theme = "light", reducedMotion = "reduce", scale = 1 } = {},
) {
  const context = await browser.newContext({
    viewport: { width, height },
    colorScheme: theme,
    reducedMotion,
    deviceScaleFactor: scale,
  })
  const page = await context.newPage()
  const origin = new URL(url).origin
  page.wrong = []
  page.foreign = []
  page.on("console", m => {
    // a lost connection is what some tests are about; the browser reports it as an error of the resource
    if ((m.type() === "error" || m.type() === "warning") && !(page.mayLose && /ERR_|Failed to load resource/.test(m.text())))
      page.wrong.push(`${m.type()}: ${m.text()}`)
  })
  page.on("pageerror", e => page.wrong.push(`pageerror: ${e.message}`))
  page.on("request", r => {
    const u = r.url()
    if (!u.startsWith(origin) && !u.startsWith("data:") && !u.startsWith("blob:")) page.foreign.push(u)
  })
  await page.goto(url)
  return page
}

export async function ready(page) {
  await page.waitForSelector("main[data-ready=yes]", { timeout: 60_000 })
}

/** another place in the page: the address decides */
export async function goto(page, hash) {
  await page.evaluate(h => {
    location.hash = h
  }, hash)
  await ready(page)
}

/** nothing went wrong, nothing left the origin */
export function clean(page) {
  assert.deepEqual(page.wrong, [])
  assert.deepEqual(page.foreign, [])
}
