// The real thing: `pbt` in processes of its own, and its journal read past it, with sqlite3 and the command line.
import { execFileSync, spawn } from "node:child_process"
import { once } from "node:events"
import { createServer } from "node:net"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

const here = fileURLToPath(new URL(".", import.meta.url))
export const PBT = process.env.PBT ?? join(here, "../../bin/pbt")
const SPIRALS = join(here, "spirals")

const children = new Set()

/** nothing that was started outlives the tests */
process.on("exit", () => {
  for (const c of children) c.kill("SIGKILL")
})

/** a port that is free now, for a server that shall come back on it */
export async function freePort() {
  const s = createServer().listen(0, "127.0.0.1")
  await once(s, "listening")
  const { port } = s.address()
  s.close()
  await once(s, "close")
  return port
}

/** starts pbt in the spirals' directory; `link` is the dashboard's once it is printed, `ended` the exit code */
export function pbt(args, env = {}) {
  const child = spawn(PBT, args, {
    cwd: SPIRALS,
    env: { ...process.env, PYTHONPATH: join(here, "../../python/src"), PYTHONDONTWRITEBYTECODE: "1", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  })
  children.add(child)
  const said = []
  const link = new Promise((found, lost) => {
    const hear = text => {
      said.push(text)
      if (said.length > 500) said.shift()
      const m = /dashboard: (http:\S+)/.exec(said.join(""))
      if (m) found(m[1])
    }
    child.stdout.setEncoding("utf8").on("data", hear)
    child.stderr.setEncoding("utf8").on("data", hear)
    child.on("exit", code => lost(new Error(`pbt ${args.join(" ")} ended with ${code}:\n${said.join("").slice(-2000)}`)))
  })
  link.catch(() => undefined) // who waits for it hears of it
  const ended = once(child, "exit").then(([code, signal]) => {
    children.delete(child)
    return code ?? signal
  })
  return { child, link, ended, said: () => said.join("") }
}

/** the rows that a query of a run's journal gives, while the run goes on or not */
export function rows(dir, sql) {
  const out = execFileSync("sqlite3", ["-readonly", "-json", join(dir, "journal.sqlite"), sql], { maxBuffer: 1 << 28 })
  return out.length ? JSON.parse(out) : []
}

export const one = (dir, sql) => Object.values(rows(dir, sql)[0])[0]

/** what a command prints as JSON */
export const facts = (command, dir) => JSON.parse(execFileSync(PBT, [command, "--json", dir], { maxBuffer: 1 << 28 }))

/** waits for something of another process, of which no event tells this one */
export async function until(what, check, limitMs = 60_000) {
  const end = Date.now() + limitMs
  for (;;) {
    const got = await check()
    if (got) return got
    if (Date.now() > end) throw new Error(`waited ${limitMs} ms in vain: ${what}`)
    await new Promise(done => setTimeout(done, 50))
  }
}
