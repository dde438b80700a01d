// The run on the page: fetched once, then kept up by the stream. Lists are bounded; the page may stay open for days.
import { batch, computed, signal } from "@preact/signals"
import { ApiError, api, runPath } from "../api/client"
import { Stream, type StreamState } from "../api/stream"
import type { Event, Member, Progress, Run } from "../api/types"
import { visible } from "../data/format"
import { applyEvents, mergeEvents } from "./apply"
import { Refresher } from "./refresher"
import { runId } from "./route"

export const MOST_EVENTS = 3000

export const runs = signal<Run[]>([])
export const runsError = signal("")
export const run = signal<Run | null>(null)
export const runError = signal("")
export const members = signal<Member[]>([])
export const events = signal<Event[]>([])
export const progress = signal<ReadonlyMap<number, Progress>>(new Map())
export const seq = signal(0)
export const link = signal<{ state: StreamState | "off"; retryInMs: number }>({ state: "off", retryInMs: 0 })
export const lag = signal<number | null>(null)

/** a run's name, with its id where another has the same name */
export const nameOf = (r: Run): string =>
  `${visible(r.name).slice(0, 60)}${runs.value.some(o => r.id !== r.name && o.id !== r.id && o.name === r.name) ? ` (${visible(r.id)})` : ""}`

export const steerable = computed(() => run.value?.steerable ?? false)

let stream: Stream | null = null
let refreshers: Refresher[] = []

export const streamFacts = () => ({
  seq: stream?.seq ?? 0,
  duplicates: stream?.duplicates ?? 0,
  gaps: stream?.gaps ?? 0,
  events: events.value.length,
  lag: lag.value,
})

export async function loadRuns(): Promise<void> {
  try {
    const answer = await api.runs()
    batch(() => {
      runs.value = answer.runs
      runsError.value = ""
    })
  } catch (e) {
    runsError.value = message(e)
  }
}

const message = (e: unknown): string => (e instanceof ApiError || e instanceof Error ? e.message : String(e))

function reset(): void {
  stream?.close()
  stream = null
  for (const r of refreshers) r.stop()
  refreshers = []
  batch(() => {
    run.value = null
    runError.value = ""
    members.value = []
    events.value = []
    progress.value = new Map()
    seq.value = 0
    lag.value = null
    link.value = { state: "off", retryInMs: 0 }
  })
}

/** Begins to follow a run. A later call ends it. */
export async function follow(id: string): Promise<void> {
  reset()
  if (!id) return
  try {
    // the run comes first, and is little: what is shown of it can then ask for its figures beside the rest
    const r = api.run(id).then(answer => {
      if (runId.value === id) run.value = answer
      return answer.seq
    })
    const [known, m, e] = await Promise.all([r, api.members(id), api.events(id, { limit: 500 })])
    if (runId.value !== id) return
    batch(() => {
      members.value = m.members
      events.value = e.events
      seq.value = Math.max(known, m.seq, e.seq)
    })
    listen(id, e.seq)
  } catch (e) {
    if (runId.value !== id) return
    runError.value = message(e)
    if (e instanceof ApiError && (e.status === 0 || e.status === 503))
      setTimeout(() => runId.value === id && !run.value && void follow(id), 2000)
  }
}

function listen(id: string, after: number): void {
  const runRefresher = new Refresher(async signal => {
    const r = await api.run(id, signal)
    if (runId.value === id) run.value = r
  }, 700)
  const memberRefresher = new Refresher(async signal => {
    const m = await api.members(id, signal)
    if (runId.value === id && m.seq >= seq.value - 50) members.value = m.members
  }, 900)
  refreshers = [runRefresher, memberRefresher]
  stream = new Stream({
    url: from => runPath(id, `/stream?after=${from}`),
    after,
    open: url => new EventSource(url),
    onEvents: list => {
      const last = list.at(-1)!
      batch(() => {
        events.value = mergeEvents(events.value, list, MOST_EVENTS)
        members.value = applyEvents(members.value, list)
        if (last.seq > seq.value) seq.value = last.seq
        lag.value = Math.max(0, Date.now() - last.at)
      })
      runRefresher.poke()
      memberRefresher.poke()
    },
    onProgress: p => {
      waiting.set(p.member, p)
      if (progressTimer === undefined) progressTimer = setTimeout(showProgress, 250)
    },
    onReset: () => void follow(id),
    onState: (state, retryInMs) => {
      link.value = { state, retryInMs }
      if (state === "live") runRefresher.poke()
    },
  })
}

const waiting = new Map<number, Progress>()
let progressTimer: ReturnType<typeof setTimeout> | undefined

function showProgress(): void {
  progressTimer = undefined
  const next = new Map(progress.value)
  for (const [k, v] of waiting) next.set(k, v)
  waiting.clear()
  for (const [k, p] of next) if (members.value.find(m => m.id === k)?.segment !== p.segment) next.delete(k)
  progress.value = next
}

export const reconnect = (): void => stream?.reconnectNow()

addEventListener("online", reconnect)
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) reconnect()
})
