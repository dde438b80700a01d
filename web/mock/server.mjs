// node mock/server.mjs [--port 8790] [--seed 1] [--big] [--speed 1] [--web dist]: the API of docs/api.md, simulated.
import { createReadStream, existsSync, statSync } from "node:fs"
import { createServer } from "node:http"
import { extname, join, normalize } from "node:path"
import { fileURLToPath } from "node:url"
import * as figures from "./curves.mjs"
import { makeRuns } from "./runs.mjs"
import { steer } from "./steer.mjs"
import * as answers from "./views.mjs"

const v = { ...answers, ...figures }

const TYPES = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".css": "text/css",
  ".svg": "image/svg+xml",
  ".json": "application/json",
  ".map": "application/json",
}
const CSP =
  "default-src 'self'; style-src 'self'; script-src 'self'; img-src 'self' data: blob:; object-src 'none'; base-uri 'none'; frame-ancestors 'none'"

const flag = (name, otherwise) => {
  const i = process.argv.indexOf(`--${name}`)
  if (i < 0) return otherwise
  const val = process.argv[i + 1]
  return val === undefined || val.startsWith("--") ? true : val
}

function json(res, body, status = 200) {
  res.writeHead(status, { "content-type": "application/json", "cache-control": "no-store", "x-content-type-options": "nosniff" })
  res.end(JSON.stringify(body))
}

function read(s, path, q, res) {
  const n = Number(path[1])
  const opts = { by: q.get("by") ?? "lineage", x: q.get("x") ?? "step", points: Number(q.get("points")) || 200 }
  const known = n >= 1 && n <= s.n
  switch (path[0]) {
    case undefined:
      return json(res, v.run(s))
    case "members":
      return json(res, v.members(s))
    case "segments":
      if (path[1] === undefined) return json(res, v.segments(s, q))
      if (!known) return json(res, { error: `there is no segment ${path[1]}` }, 404)
      return json(res, path[2] === "log" ? v.log(s, n) : v.segmentDetail(s, n))
    case "best":
      return json(res, { seq: s.seq, best: s.best ? [v.best(s)] : [] })
    case "schedule":
      return json(res, { segment: Number(q.get("segment")) || s.best, stages: v.schedule(s, Number(q.get("segment")) || s.best) })
    case "curves":
      return json(res, v.curves(s, opts))
    case "hypers": {
      const h = v.hyper(s, path[1], opts)
      return h ? json(res, h) : json(res, { error: "there is no such hyperparameter" }, 404)
    }
    case "parallel":
      return json(res, v.parallel(s, Number(q.get("limit")) || 500))
    case "lineage":
      return json(res, v.lineage(s))
    case "slots":
      return json(res, v.slots(s, { from: Number(q.get("from")), to: Number(q.get("to")), points: opts.points }))
    case "health":
      return json(res, v.health(s))
    case "events":
      return json(res, v.events(s, q))
    case "checkpoints":
      return json(res, { seq: s.seq, checkpoints: [] })
    case "experiment":
      return json(res, {
        source: `name: ${s.o.name}\npopulation: ${s.P}\n`,
        resolved: `name: ${s.o.name}\npopulation: ${s.P}\nsegment: {steps: ${s.o.segSteps}}\n`,
      })
    default:
      return json(res, { error: "there is no such path" }, 404)
  }
}

/** Server-Sent Events: everything after `after`, once and in order, then what comes. */
function stream(s, req, q, res, speed) {
  let at = Number(req.headers["last-event-id"] ?? q.get("after") ?? s.seq)
  res.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" })
  res.write(": hello\n\n")
  const timer = setInterval(() => {
    let n = 0
    let text = ""
    while (at < s.seq && n++ < 500) {
      const e = v.event(s, ++at)
      text += `event: journal\nid: ${e.seq}\ndata: ${JSON.stringify(e)}\n\n`
    }
    for (const m of s.members.slice(0, 64)) {
      if (m.state !== "running" || Math.random() > 0.1) continue
      const slot = s.slots[s.col.slot.a[m.seg]]
      const p = Math.min(1, (s.now - s.col.leased.a[m.seg]) / (slot.end - s.col.leased.a[m.seg]))
      const steps = s.col.to.a[m.seg] - s.col.from.a[m.seg]
      text += `event: progress\ndata: ${JSON.stringify({ member: m.id, segment: m.seg, step: s.col.from.a[m.seg] + Math.round(p * steps), steps: Math.round(p * steps), metrics: {} })}\n\n`
    }
    res.write(text || ": \n\n")
  }, 100 / Math.min(4, speed))
  req.on("close", () => clearInterval(timer))
}

export function files(root, url, res) {
  const path = join(root, normalize(decodeURIComponent(url.pathname)).replace(/^(\.\.[/\\])+/, ""))
  const file = existsSync(path) && statSync(path).isFile() ? path : join(root, "index.html")
  if (!existsSync(file)) return json(res, { error: "not built: npm run build" }, 404)
  res.writeHead(200, {
    "content-type": TYPES[extname(file)] ?? "application/octet-stream",
    "content-security-policy": CSP,
    "x-content-type-options": "nosniff",
  })
  createReadStream(file).pipe(res)
}

async function body(req) {
  let text = ""
  for await (const chunk of req) {
    text += chunk
    if (text.length > 1e6) throw new Error("too large")
  }
  return JSON.parse(text || "{}")
}

export function serve({
  port = 8790,
  seed = 1,
  big = false,
  speed = 1,
  web = fileURLToPath(new URL("../dist", import.meta.url)),
  runs = makeRuns({ seed, big }),
} = {}) {
  const began = Date.now()
  const timer = setInterval(() => {
    for (const s of runs.values()) if (s.o.live) s.advance(began + (Date.now() - began) * speed)
  }, 50)
  const server = createServer(async (req, res) => {
    const url = new URL(req.url, "http://localhost")
    const path = url.pathname.split("/").filter(Boolean).map(decodeURIComponent)
    if (path[0] !== "api") return files(web, url, res)
    if (path[2] !== "runs") return json(res, { error: "there is no such path" }, 404)
    if (path.length === 3) return json(res, { runs: [...runs.values()].map(v.run) })
    const s = runs.get(path[3])
    if (!s) return json(res, { error: `there is no run ${path[3]}` }, 404)
    if (path[4] === "stream") return stream(s, req, url.searchParams, res, speed)
    if (path[4] === "steer" && req.method === "POST") {
      const answer = steer(s, await body(req))
      return json(res, answer.error ? answer : answer, answer.error ? 409 : 200)
    }
    read(s, path.slice(4), url.searchParams, res)
  })
  server.on("close", () => clearInterval(timer))
  return new Promise(done =>
    server.listen(Number(port), "127.0.0.1", () => done({ server, runs, url: `http://127.0.0.1:${server.address().port}/` })),
  )
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { url } = await serve({
    port: flag("port", 8790),
    seed: Number(flag("seed", 1)),
    big: !!flag("big", false),
    speed: Number(flag("speed", 1)),
  })
  console.log(url)
}
