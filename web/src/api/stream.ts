// The journal as it grows: each event once, in order, also across a lost connection.
import type { Event, Progress } from "./types"

export type StreamState = "connecting" | "live" | "waiting" | "closed"

export interface Source {
  addEventListener(type: string, f: (e: MessageEvent) => void): void
  close(): void
  onopen: ((e: never) => unknown) | null
  onerror: ((e: never) => unknown) | null
}

export interface StreamOptions {
  url: (after: string) => string
  after: number
  open: (url: string) => Source
  onEvents: (events: Event[]) => void
  onProgress: (p: Progress) => void
  onReset: () => void // the journal no longer holds what was read: all of it is to be read again
  onState: (s: StreamState, retryInMs: number) => void
  flushMs?: number
}

const FIRST_RETRY = 400
const LAST_RETRY = 8000
const MOST_WAITING = 20_000 // events not yet handed on; a page in the background may be slow

export class Stream {
  seq: number
  duplicates = 0
  gaps = 0
  private position: string // the id of the last event, by which the server knows whether its journal still holds it
  private source: Source | null = null
  private waiting: Event[] = []
  private flushTimer: ReturnType<typeof setTimeout> | undefined
  private retryTimer: ReturnType<typeof setTimeout> | undefined
  private delay = FIRST_RETRY
  private closed = false

  constructor(private readonly o: StreamOptions) {
    this.seq = o.after
    this.position = String(o.after)
    this.connect()
  }

  /** A browser's own EventSource gives up on some errors and waits long on others; so each connection is a new one. */
  private connect(): void {
    if (this.closed) return
    this.o.onState("connecting", 0)
    const s = this.o.open(this.o.url(this.position))
    this.source = s
    s.onopen = () => {
      this.delay = FIRST_RETRY
      this.o.onState("live", 0)
    }
    s.onerror = () => this.retry()
    s.addEventListener("journal", e => this.take(e))
    s.addEventListener("reset", () => {
      this.close()
      this.o.onReset()
    })
    s.addEventListener("progress", e => {
      const p = parse<Progress>(e.data)
      if (p && typeof p.member === "number") this.o.onProgress(p)
    })
  }

  private retry(): void {
    this.source?.close()
    this.source = null
    if (this.closed) return
    this.o.onState("waiting", this.delay)
    this.retryTimer = setTimeout(() => this.connect(), this.delay)
    this.delay = Math.min(LAST_RETRY, this.delay * 1.7)
  }

  reconnectNow(): void {
    if (this.source || this.closed) return
    clearTimeout(this.retryTimer)
    this.delay = FIRST_RETRY
    this.connect()
  }

  private take(e: MessageEvent): void {
    const event = parse<Event>(e.data)
    if (!event || typeof event.seq !== "number") return
    if (event.seq <= this.seq) {
      this.duplicates++
      return
    }
    if (event.seq !== this.seq + 1) this.gaps++
    this.seq = event.seq
    this.position = e.lastEventId || String(event.seq)
    this.waiting.push(event)
    if (this.waiting.length > MOST_WAITING) this.waiting.splice(0, this.waiting.length - MOST_WAITING)
    this.flushTimer ??= setTimeout(() => this.flush(), this.o.flushMs ?? 80)
  }

  private flush(): void {
    this.flushTimer = undefined
    const batch = this.waiting
    this.waiting = []
    if (batch.length && !this.closed) this.o.onEvents(batch)
  }

  close(): void {
    this.closed = true
    this.source?.close()
    clearTimeout(this.flushTimer)
    clearTimeout(this.retryTimer)
    this.o.onState("closed", 0)
  }
}

function parse<A>(data: unknown): A | null {
  try {
    return JSON.parse(String(data)) as A
  } catch {
    return null
  }
}
