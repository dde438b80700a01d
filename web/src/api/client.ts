// The server's answers, or an error that says what is wrong.
import type * as T from "./types"

export class ApiError extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message)
  }
}

const base = new URL("api/v1/", document.baseURI.replace(/[#?].*$/, "")).href

export const runPath = (run: string, rest = ""): string => `${base}runs/${encodeURIComponent(run)}${rest}`

async function ask<A>(url: string, init?: RequestInit): Promise<A> {
  const res = await fetch(url, { credentials: "same-origin", ...init }).catch((e: unknown) => {
    if (e instanceof DOMException && e.name === "AbortError") throw e
    throw new ApiError(0, "The server does not answer. Is the run's process still there?")
  })
  if (res.ok) return (await res.json()) as A
  const body: unknown = await res.json().catch(() => null)
  const said = typeof body === "object" && body !== null && "error" in body ? String(body.error) : ""
  throw new ApiError(res.status, said || `the server answered ${res.status}`)
}

type Query = Record<string, string | number | undefined>

function query(q: Query): string {
  const p = new URLSearchParams()
  for (const [k, v] of Object.entries(q)) if (v !== undefined && v !== "") p.set(k, String(v))
  const s = p.toString()
  return s ? `?${s}` : ""
}

const get = <A>(run: string, path: string, q: Query = {}, signal?: AbortSignal) =>
  ask<A>(runPath(run, path) + query(q), signal ? { signal } : undefined)

export const api = {
  runs: (signal?: AbortSignal) => ask<{ runs: T.Run[] }>(`${base}runs`, signal ? { signal } : undefined),
  run: (id: string, signal?: AbortSignal) => get<T.Run>(id, "", {}, signal),
  members: (id: string, signal?: AbortSignal) => get<{ seq: number; members: T.Member[] }>(id, "/members", {}, signal),
  segment: (id: string, n: number, signal?: AbortSignal) => get<T.SegmentDetail>(id, `/segments/${n}`, {}, signal),
  log: (id: string, n: number, signal?: AbortSignal) =>
    get<{ slot: string; lines: string[]; cut: boolean }>(id, `/segments/${n}/log`, {}, signal),
  schedule: (id: string, segment?: number, signal?: AbortSignal) =>
    get<{ segment: number; stages: T.Stage[] }>(id, "/schedule", { segment }, signal),
  curves: (id: string, q: { by: string; x: string; points: number }, signal?: AbortSignal) =>
    get<T.Curves>(id, "/curves", q, signal),
  hyper: (id: string, name: string, q: { by: string; points: number }, signal?: AbortSignal) =>
    get<T.HyperCurves>(id, `/hypers/${encodeURIComponent(name)}`, q, signal),
  parallel: (id: string, limit: number, signal?: AbortSignal) =>
    get<{ seq: number; rows: T.ParallelRow[] }>(id, "/parallel", { limit }, signal),
  lineage: (id: string, signal?: AbortSignal) => get<T.Lineage>(id, "/lineage", {}, signal),
  slots: (id: string, q: { from?: number; to?: number; points: number }, signal?: AbortSignal) =>
    get<T.Slots>(id, "/slots", q, signal),
  health: (id: string, signal?: AbortSignal) => get<T.Health>(id, "/health", {}, signal),
  events: (
    id: string,
    q: { before?: number; after?: number; limit?: number; kind?: string; member?: string },
    signal?: AbortSignal,
  ) => get<{ seq: number; events: T.Event[] }>(id, "/events", q, signal),
  steer: (id: string, body: Record<string, unknown>) =>
    ask<{ seq: number; say: string }>(runPath(id, "/steer"), {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    }),
}
