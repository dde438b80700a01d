/** Fetches again when poked: never two at once, at most every `everyMs`, and never more than a quarter of the time. */
export class Refresher {
  private timer: ReturnType<typeof setTimeout> | undefined
  private abort: AbortController | null = null
  private dirty = false
  private stopped = false
  private lastEnd = Number.NEGATIVE_INFINITY
  private took = 0

  constructor(
    private readonly fetch: (signal: AbortSignal) => Promise<void>,
    private readonly everyMs = 250,
    private readonly now: () => number = () => performance.now(),
  ) {}

  poke(): void {
    if (this.stopped) return
    this.dirty = true
    if (this.abort || this.timer !== undefined) return
    const wait = Math.max(0, this.lastEnd + Math.max(this.everyMs, 3 * this.took) - this.now())
    this.timer = setTimeout(() => void this.run(), wait)
  }

  private async run(): Promise<void> {
    this.timer = undefined
    if (typeof document !== "undefined" && document.hidden) {
      document.addEventListener("visibilitychange", () => this.poke(), { once: true })
      return
    }
    this.dirty = false
    const abort = new AbortController()
    this.abort = abort
    const began = this.now()
    await this.fetch(abort.signal).catch(() => undefined) // the link's state tells the reader; the next event tries again
    this.lastEnd = this.now()
    this.took = this.lastEnd - began
    this.abort = null
    if (this.dirty && !this.stopped) this.poke()
  }

  stop(): void {
    this.stopped = true
    clearTimeout(this.timer)
    this.abort?.abort()
  }
}
