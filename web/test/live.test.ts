import { afterEach, beforeEach, describe, expect, it, vi } from "vitest"
import { type Source, Stream } from "../src/api/stream"
import type { Event, Member } from "../src/api/types"
import { applyEvents, mergeEvents } from "../src/state/apply"
import { Refresher } from "../src/state/refresher"
import { bodyOf, parseHyper, parseSettings, specOf } from "../src/ui/verbs"

const ev = (seq: number, kind = "leased", data = {}): Event => ({
  seq,
  at: seq,
  kind,
  segment: 7,
  member: 0,
  level: "info",
  say: "",
  data,
})

class Fake implements Source {
  onopen: ((e: never) => unknown) | null = null
  onerror: ((e: never) => unknown) | null = null
  closed = false
  private heard = new Map<string, (e: MessageEvent) => void>()
  constructor(readonly url: string) {}
  addEventListener(type: string, f: (e: MessageEvent) => void) {
    this.heard.set(type, f)
  }
  close() {
    this.closed = true
  }
  send(type: string, data: unknown, lastEventId = "") {
    this.heard.get(type)?.({ data: typeof data === "string" ? data : JSON.stringify(data), lastEventId } as MessageEvent)
  }
}

describe("the stream", () => {
  beforeEach(() => void vi.useFakeTimers())
  afterEach(() => void vi.useRealTimers())
  const start = () => {
    const sources: Fake[] = []
    const got: number[] = []
    const states: string[] = []
    let resets = 0
    const stream = new Stream({
      url: a => `/stream?after=${a}`,
      after: 10,
      open: url => sources[sources.push(new Fake(url)) - 1]!,
      onEvents: e => got.push(...e.map(x => x.seq)),
      onProgress: () => undefined,
      onReset: () => resets++,
      onState: s => states.push(s),
    })
    return { stream, sources, got, states, resets: () => resets }
  }
  it("comes back with the id of the last event, and ends when the server no longer has it", () => {
    const { stream, sources, got, states, resets } = start()
    sources[0]!.send("journal", ev(11), "11-0123456789ab")
    sources[0]!.onerror?.(null as never)
    vi.advanceTimersByTime(500)
    expect(sources[1]!.url).toBe("/stream?after=11-0123456789ab")
    sources[1]!.send("reset", {})
    sources[1]!.send("journal", ev(1), "1-ba9876543210")
    vi.advanceTimersByTime(60_000)
    expect([resets(), sources.length, sources[1]!.closed, states.at(-1)]).toEqual([1, 2, true, "closed"])
    expect([got, stream.duplicates]).toEqual([[11], 1])
  })
  it("goes on where it was, without a gap or a duplicate", () => {
    const { stream, sources, got } = start()
    expect(sources[0]!.url).toBe("/stream?after=10")
    for (const n of [11, 12]) sources[0]!.send("journal", ev(n))
    sources[0]!.onerror?.(null as never)
    expect(sources[0]!.closed).toBe(true)
    vi.advanceTimersByTime(500)
    expect(sources[1]!.url).toBe("/stream?after=12")
    for (const n of [12, 13, 14]) sources[1]!.send("journal", ev(n)) // a server that repeats itself
    vi.advanceTimersByTime(500)
    expect(got).toEqual([11, 12, 13, 14])
    expect([stream.duplicates, stream.gaps]).toEqual([1, 0])
  })
  it("waits longer each time, and not for ever", () => {
    const { sources } = start()
    const at: number[] = []
    for (let i = 0; i < 9; i++) {
      const n = sources.length
      sources.at(-1)!.onerror?.(null as never)
      let waited = 0
      while (sources.length === n && waited < 60_000) {
        vi.advanceTimersByTime(100)
        waited += 100
      }
      at.push(waited)
    }
    expect(at[0]).toBeLessThan(1000)
    expect(at.at(-1)).toBeLessThanOrEqual(8100)
    expect([...at].sort((a, b) => a - b)).toEqual(at)
  })
  it("ignores what is no event, and counts gaps", () => {
    const { stream, sources, got } = start()
    sources[0]!.send("journal", "{broken")
    sources[0]!.send("journal", { say: "no seq" })
    sources[0]!.send("journal", ev(15))
    vi.advanceTimersByTime(200)
    expect(got).toEqual([15])
    expect(stream.gaps).toBe(1)
  })
  it("is silent when closed", () => {
    const { stream, sources, got, states } = start()
    sources[0]!.send("journal", ev(11))
    stream.close()
    vi.advanceTimersByTime(10_000)
    expect(got).toEqual([])
    expect(sources.length).toBe(1)
    expect(states.at(-1)).toBe("closed")
  })
})

describe("events on the page", () => {
  const m = {
    id: 0,
    state: "waiting",
    score: null,
    step: 0,
    spent: 0,
    hypers: { lr: 1 },
    segment: 6,
    spark: [],
    failures: 0,
    lost: 0,
    slot: "",
    progress: 0,
  } as never as Member
  it("change the members at once", () => {
    const list = applyEvents(
      [m],
      [
        ev(1, "leased", { worker: "gpu3" }),
        ev(2, "finished", { score: 0.5, step: 40, spent: 40 }),
        ev(3, "failed", { kind: "lost", error: "gone" }),
      ],
    )
    expect(list[0]).toMatchObject({
      score: 0.5,
      step: 40,
      lost: 1,
      failures: 0,
      last_failure: "gone",
      spark: [0.5],
      state: "waiting",
    })
    expect(applyEvents([m], [{ ...ev(1, "decided", { hypers: { lr: 2 }, action: "copy" }), say: "x" }])[0]).toMatchObject({
      hypers: { lr: 2 },
      last_decision: { action: "copy", say: "x" },
    })
  })
  it("leave the list alone when they change nothing", () => {
    const list = [m]
    expect(applyEvents(list, [ev(1, "opened"), { ...ev(2), member: 99 }])).toBe(list)
  })
  it("take data of any shape", () => {
    for (const data of [null, {}, { score: {}, step: "x", spent: [], hypers: 3, worker: 4 }])
      expect(() => applyEvents([m], [ev(1, "finished", data as never), ev(2, "decided", data as never)])).not.toThrow()
  })
  it("stay bounded, ordered, each once", () => {
    const a = [1, 2, 3].map(n => ev(n))
    expect(
      mergeEvents(
        a,
        [4, 5].map(n => ev(n)),
        3,
      ).map(e => e.seq),
    ).toEqual([3, 4, 5])
    expect(
      mergeEvents(
        a,
        [2, 3, 4].map(n => ev(n)),
        9,
      ).map(e => e.seq),
    ).toEqual([1, 2, 3, 4])
  })
})

describe("fetching again", () => {
  beforeEach(() => void vi.useFakeTimers())
  afterEach(() => void vi.useRealTimers())
  it("asks at most four times a second, however often it is poked, and once more at the end", async () => {
    let n = 0
    const r = new Refresher(
      async () => void n++,
      250,
      () => Date.now(),
    )
    for (let i = 0; i < 200; i++) {
      r.poke()
      await vi.advanceTimersByTimeAsync(10)
    }
    expect(n).toBeGreaterThanOrEqual(7)
    expect(n).toBeLessThanOrEqual(9)
    await vi.advanceTimersByTimeAsync(1000)
    const settled = n
    await vi.advanceTimersByTimeAsync(5000)
    expect(n).toBe(settled)
  })
  it("never spends more than a quarter of the time on slow answers", async () => {
    let n = 0
    const r = new Refresher(
      () => {
        n++
        return new Promise(done => setTimeout(done, 1000))
      },
      250,
      () => Date.now(),
    )
    for (let i = 0; i < 400; i++) {
      r.poke()
      await vi.advanceTimersByTimeAsync(100)
    }
    expect(n).toBeLessThanOrEqual(11)
  })
})

describe("steering", () => {
  const lr = { name: "lr", kind: "float" as const, log: true, bounds: [1e-4, 1] as [number, number], values: null }
  const batch = { name: "batch", kind: "choice" as const, log: false, bounds: null, values: [16, 32] }
  const run = { best: { segment: 9, member: 2 }, dir: "runs/a" } as never
  it("checks values before they are sent", () => {
    expect(parseHyper(lr, "0.01")).toEqual({ value: 0.01 })
    expect(parseHyper(batch, "32")).toEqual({ value: 32 })
    for (const [h, t] of [
      [lr, "x"],
      [lr, "2"],
      [lr, ""],
      [batch, "17"],
      [{ ...lr, kind: "int" as const }, "0.5"],
    ] as const)
      expect(parseHyper(h, t)).toHaveProperty("error")
    expect(parseSettings("slots = 8\nexploit: none\nx.y=true")).toEqual({ value: { slots: 8, exploit: "none", "x.y": true } })
    expect(parseSettings("nonsense")).toHaveProperty("error")
  })
  it("makes the body of each verb", () => {
    const body = (verb: Parameters<typeof specOf>[0], s: object, filled = {}) =>
      bodyOf(verb, s, specOf(verb, s, run), [lr, batch], filled)
    expect(body("pause", {}, { reason: "lunch" })).toEqual({ body: { verb: "pause", reason: "lunch" } })
    expect(body("stop", {})).toEqual({ body: { verb: "stop", now: false } })
    expect(body("set", { member: 3 }, { "hyper:lr": "0.5" })).toEqual({ body: { verb: "set", member: 3, hypers: { lr: 0.5 } } })
    expect(body("set", { member: 3 })).toHaveProperty("error")
    expect(body("copy", { member: 3 })).toEqual({ body: { verb: "copy", member: 3, segment: 9 } })
    expect(body("inject", {}, { "hyper:batch": "16" })).toEqual({ body: { verb: "inject", hypers: { batch: 16 } } })
    expect(body("branch", { segment: 4 }, { set: "seed = 2" })).toEqual({
      body: { verb: "branch", segment: 4, dir: "runs/a-branch", set: { seed: 2 } },
    })
    expect(body("change", {})).toHaveProperty("error")
  })
})
