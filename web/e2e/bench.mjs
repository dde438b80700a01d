// node e2e/bench.mjs [--out FILE.json] [--members 1000] [--segments 1000000]: how fast the page is on a large run that goes
// on, in Chromium, against `pbt serve` and a journal that `go run ./benchmarks -feed` writes. The machine may be busy: the
// load is written down beside the numbers.
import { execFileSync, spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { cpus, loadavg, tmpdir } from "node:os"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import { clean, goto, launch, open, ready } from "./browser.mjs"
import { one, pbt, until } from "./engine.mjs"

const arg = (n, d) => (process.argv.includes(`--${n}`) ? process.argv[process.argv.indexOf(`--${n}`) + 1] : d)
const members = Number(arg("members", 1000))
const segments = Number(arg("segments", 1_000_000))
const LIVE_RATE = Number(arg("rate", 100)) // segments that finish in a second while lag is measured; three events each
const HOUR = Number(arg("hour", 108_000)) // events: an hour of ten segments a second
const FAST_RATE = 500
const VIEWS = ["population", "hypers", "lineage", "members", "events", "health", "compare"]

const root = fileURLToPath(new URL("../..", import.meta.url))
const dir = mkdtempSync(join(tmpdir(), "pbt-bench-"))
const median = list => list.toSorted((a, b) => a - b)[list.length >> 1]
const quantile = (list, q) => list.toSorted((a, b) => a - b)[Math.min(list.length - 1, Math.floor(q * list.length))]
const round = (v, digits = 0) => Number(v.toFixed(digits))

/** a journal that is written, and grows; nothing is killed but what was started here */
async function feed(name, size, rate) {
  const at = join(dir, name)
  const args = ["-feed", at, "-members", String(members), "-segments", String(size), "-rate", String(rate)]
  const child = spawn(join(dir, "benchmarks"), args, { stdio: ["ignore", "pipe", "inherit"] })
  process.on("exit", () => child.kill("SIGKILL"))
  await once(createInterface(child.stdout), "line")
  return { at, child }
}

async function serve() {
  const began = Date.now()
  const server = pbt(["serve", dir, "--listen", "127.0.0.1:0"])
  const url = await server.link
  await until(
    "the journals are read",
    async () => (await fetch(`${url}api/v1/runs`)).ok && (await (await fetch(`${url}api/v1/runs/large`)).json()).seq > 0,
    600_000,
  )
  return { server, url, folded: Date.now() - began }
}

const drawn = page =>
  page.waitForFunction(
    () => {
      const c = document.querySelector(".first .main .chart canvas")
      return c && c.width > 100 && document.querySelector(".lead")?.textContent.includes("leads with")
    },
    null,
    { timeout: 60_000, polling: 20 },
  )

/** milliseconds of processors that a process has taken */
const cpuOf = pid => {
  const f = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1].split(" ")
  return (Number(f[11]) + Number(f[12])) * 10 // ticks of 1/100 s
}

/**
 * From the address to a drawn figure and a leader's name, each time in a browser context of its own. Beside the wall time:
 * what the page's thread and the server took of processors, which a busy machine does not change as much.
 */
async function firstView(browser, url, server) {
  const took = []
  for (let i = 0; i < 9; i++) {
    const context = await browser.newContext({ viewport: { width: 1440, height: 900 } })
    const page = await context.newPage()
    const cdp = await context.newCDPSession(page)
    await cdp.send("Performance.enable", { timeDomain: "threadTicks" })
    const began = performance.now()
    const asked = cpuOf(server.child.pid)
    await page.goto(`${url}#/run/large/population`, { waitUntil: "commit" })
    await drawn(page)
    const wall = performance.now() - began
    const spent = Object.fromEntries((await cdp.send("Performance.getMetrics")).metrics.map(m => [m.name, m.value]))
    took.push({
      wall_ms: round(wall),
      page_cpu_ms: round(1000 * spent.TaskDuration),
      server_cpu_ms: cpuOf(server.child.pid) - asked,
    })
    await context.close()
  }
  return took.slice(1) // the first one starts the browser's processes
}

async function otherViews(page) {
  const out = {}
  for (const v of [...VIEWS.slice(1), "population"]) {
    const began = performance.now()
    await goto(page, `#/run/large/${v}`)
    await page.waitForSelector(".view .chart canvas, .view table tbody tr, .view .feed li", { timeout: 60_000 })
    out[v] = round(performance.now() - began)
  }
  return out
}

/** how old the newest event is when the page has taken it in, sampled over some seconds */
async function lag(page, seconds) {
  const list = await page.evaluate(async s => {
    const out = []
    const end = Date.now() + 1000 * s
    let last = globalThis.pbtStream().seq
    while (Date.now() < end) {
      await new Promise(requestAnimationFrame)
      const f = globalThis.pbtStream()
      if (f.seq !== last) out.push(f.lag)
      last = f.seq
    }
    return out
  }, seconds)
  return { samples: list.length, median_ms: median(list), p95_ms: quantile(list, 0.95), worst_ms: Math.max(...list) }
}

async function heap(page, url) {
  await page.goto("about:blank")
  await page.goto(`${url}#/run/fast/population`)
  await ready(page)
  const cdp = await page.context().newCDPSession(page)
  const used = async () => {
    await cdp.send("HeapProfiler.collectGarbage")
    await cdp.send("HeapProfiler.collectGarbage")
    return (await cdp.send("Runtime.getHeapUsage")).usedSize / 1e6
  }
  const seq = () => page.evaluate(() => globalThis.pbtStream().seq)
  await page.waitForFunction(() => globalThis.pbtStream().events >= 3000, null, { timeout: 120_000 })
  const from = await seq()
  const points = []
  for (let k = 0; k <= 6; k++) {
    await page.waitForFunction(n => globalThis.pbtStream().seq >= n, from + (HOUR * k) / 6, { timeout: 600_000, polling: 200 })
    points.push({ events: (await seq()) - from, heap_mb: round(await used(), 2) })
  }
  const f = await page.evaluate(() => globalThis.pbtStream())
  return { points, duplicates: f.duplicates, gaps: f.gaps }
}

const machine = () => ({
  cpu: cpus()[0].model,
  cores: cpus().length,
  memory_gb: round(Number(/MemTotal:\s+(\d+)/.exec(readFileSync("/proc/meminfo", "utf8"))[1]) / 1e6, 1),
  chromium: execFileSync(process.env.CHROMIUM ?? "/usr/bin/chromium", ["--version"], { stdio: ["ignore", "pipe", "ignore"] })
    .toString()
    .trim(),
  load: loadavg().map(v => round(v, 2)),
})

execFileSync("go", ["build", "-o", join(dir, "benchmarks"), "./benchmarks"], { cwd: root, stdio: "inherit" })
const before = machine()
const large = await feed("large", segments, LIVE_RATE)
const { server, url, folded } = await serve()
const events = one(large.at, "select max(seq) from events")
console.log(`${members} members, ${segments} segments, ${events} events; read in ${folded} ms`)
const browser = await launch()
const first = await firstView(browser, url, server)
const middle = of => median(first.map(f => f[of]))
console.log(
  `first view: ${middle("wall_ms")} ms, of processors: page ${middle("page_cpu_ms")}, server ${middle("server_cpu_ms")} ms`,
)
const page = await open(browser, `${url}#/run/large/population`)
await ready(page)
await drawn(page)
const views = await otherViews(page)
console.log("views:", JSON.stringify(views))
const live = await lag(page, 30)
console.log("lag:", JSON.stringify(live))
clean(page)
large.child.kill("SIGKILL")
const fast = await feed("fast", 20_000, FAST_RATE)
await until("the second journal is read", async () => (await fetch(`${url}api/v1/runs/fast`)).ok)
const memory = await heap(page, url)
console.log("heap:", JSON.stringify(memory.points))
clean(page)
const result = {
  command: `node e2e/bench.mjs ${process.argv.slice(2).join(" ")}`.trim(),
  date: new Date().toISOString().slice(0, 10),
  commit: execFileSync("git", ["describe", "--always", "--dirty"], { cwd: root }).toString().trim(),
  machine: { ...before, load_after: loadavg().map(v => round(v, 2)) },
  run: {
    members,
    segments,
    events,
    journal_mb: round(statSync(join(large.at, "journal.sqlite")).size / 1e6),
    live_rate: LIVE_RATE,
    seed: 1,
  },
  server_reads_journal_ms: folded,
  first_view: {
    target_ms: 1000,
    median: { wall_ms: middle("wall_ms"), page_cpu_ms: middle("page_cpu_ms"), server_cpu_ms: middle("server_cpu_ms") },
    all: first,
  },
  other_views_ms: views,
  live_lag: { target_ms: 250, ...live },
  heap: { page: "population", events: HOUR, ...memory },
}
if (arg("out", "")) writeFileSync(arg("out", ""), `${JSON.stringify(result, null, 1)}\n`)
await browser.close()
server.child.kill("SIGINT")
fast.child.kill("SIGKILL")
await server.ended
rmSync(dir, { recursive: true, force: true })
console.log(JSON.stringify(result))
process.exit(0)
