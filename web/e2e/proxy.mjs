// node e2e/proxy.mjs --api http://127.0.0.1:8811/ [--port 8812]: the built page beside a real server's API, for a pbt that was
// built without the page.
import { createServer, request } from "node:http"
import { fileURLToPath } from "node:url"
import { files } from "../mock/server.mjs"

const arg = (n, d) => (process.argv.includes(`--${n}`) ? process.argv[process.argv.indexOf(`--${n}`) + 1] : d)
const api = new URL(arg("api", "http://127.0.0.1:8790/"))
const dist = fileURLToPath(new URL("../dist", import.meta.url))

const server = createServer((req, res) => {
  const url = new URL(req.url, "http://localhost")
  if (!url.pathname.startsWith("/api/")) return files(dist, url, res)
  const headers = { ...req.headers, host: api.host }
  if (headers.origin) headers.origin = api.origin
  const up = request({ host: api.hostname, port: api.port, path: req.url, method: req.method, headers }, r => {
    res.writeHead(r.statusCode, r.headers)
    r.pipe(res)
  })
  up.on("error", () => res.destroy())
  res.on("close", () => up.destroy())
  req.pipe(up)
})
server.listen(Number(arg("port", 8812)), "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}/`))
