import { describe, expect, it } from "vitest"
import type { Curves, HyperDef, Member, Stage, Stretch } from "../src/api/types"
import { equalBudget, standings } from "../src/data/compare"
import { corners, nearest, runningBest, upper, valueAt, yExtent } from "../src/data/curves"
import { csv, joinStages, schedulePython, scheduleYaml } from "../src/data/export"
import { forest, historyOf, stitch } from "../src/data/forest"
import * as f from "../src/data/format"
import { changeSentence, leadSentence, mainHyper, originSentence, passages } from "../src/data/story"
import { filterMembers, sortMembers } from "../src/data/table"
import { asTree, byMember, shares } from "../src/data/tree"

const LR: HyperDef = { name: "lr", kind: "float", log: true, bounds: [1e-4, 1], values: null }
const stage = (segment: number, member: number, from: number, to: number, lr: number): Stage => ({
  segment,
  member,
  from,
  to,
  hypers: { lr },
})

describe("numbers for people", () => {
  it("shows scores", () => {
    expect([0.93412, 0, -12.34567, 123456.7, 1.5e-9].map(f.formatScore)).toEqual(["0.9341", "0", "−12.35", "123,457", "1.5e-9"])
    expect((["NaN", "+Inf", "-Inf", null] as const).map(f.formatScore)).toEqual(["NaN", "+∞", "−∞", "–"])
  })
  it("shows durations, bytes, shares, counts", () => {
    expect([0.03, 4.25, 42, 130, 3600, 86400 * 3].map(f.formatDuration)).toEqual([
      "30 ms",
      "4.3 s",
      "42 s",
      "2 min 10 s",
      "60 min",
      "3 days",
    ])
    expect([12, 4812345, 2.5e11].map(f.formatBytes)).toEqual(["12 B", "4.81 MB", "250 GB"])
    expect([0, 0.004, 0.5, 1].map(f.percent)).toEqual(["0 %", "0.4 %", "50 %", "100 %"])
    expect([f.plural(1, "copy", "copies"), f.plural(2000, "copy", "copies")]).toEqual(["1 copy", "2,000 copies"])
  })
  it("makes control characters visible", () =>
    expect(f.visible("\u001b[31mred\u001b[0m\u0007\u202Eevil")).toBe("red\ufffd\ufffdevil"))
})

describe("the story", () => {
  const stages = [
    stage(1, 2, 0, 400, 0.08),
    stage(5, 2, 400, 800, 0.08),
    stage(9, 5, 800, 1200, 0.03),
    stage(12, 7, 1200, 1600, 0.003),
  ]
  const best = { segment: 12, member: 7, score: 0.934, step: 1600, hypers: { lr: 0.003 }, checkpoint: "c" }
  it("says who leads", () => {
    const run = { best, phase: "running", counts: { finished: 4 } } as never
    expect(leadSentence(run)).toBe("Member 7 leads with 0.934 after 1,600 steps.")
    expect(leadSentence({ best: null, phase: "running", counts: { finished: 0 } } as never)).toBe("No member has a score yet.")
  })
  it("says where the weights came from", () => {
    expect(originSentence(best, stages)).toBe(
      "Its weights began as member 2; member 5 copied them at step 800 and member 7 copied them at step 1,200.",
    )
    expect(originSentence(best, stages.slice(0, 2))).toMatch(/never copied/)
    const other = { ...stages[0]!, member: 7, run: "digits" }
    expect(originSentence(best, [other, ...stages.slice(-1)])).toBe(
      `Its weights come from run digits, segment ${other.segment}, at step ${other.to}.`,
    )
    expect(originSentence(best, [other, ...stages])).toMatch(/, and were copied 2 times since\.$/)
    expect(passages([{ ...other, member: 2 }, ...stages.slice(0, 1)])).toHaveLength(2)
    expect(passages(stages).map(p => [p.member, p.from, p.to])).toEqual([
      [2, 0, 800],
      [5, 800, 1200],
      [7, 1200, 1600],
    ])
  })
  it("says how the learning rate changed", () => {
    expect(changeSentence(LR, stages)).toBe("Its learning rate fell from 0.08 to 0.003.")
    expect(changeSentence(LR, stages.slice(0, 2))).toBe("Its learning rate stayed at 0.08.")
    expect(changeSentence(LR, [stage(1, 0, 0, 1, 0.01), stage(2, 0, 1, 2, 0.9), stage(3, 0, 2, 3, 0.01)])).toBe(
      "Its learning rate moved between 0.01 and 0.9 and is 0.01 now.",
    )
    expect(
      changeSentence({ ...LR, name: "n", kind: "choice", values: ["a", "b"] }, [
        { ...stages[0]!, hypers: { n: "a" } },
        { ...stages[1]!, hypers: { n: "b" } },
      ]),
    ).toBe("Its n changed from a to b.")
  })
  it("finds the learning rate among hyperparameters", () => {
    const h = (name: string, log = false): HyperDef => ({ ...LR, name, log })
    expect(mainHyper([h("momentum"), h("opt.learning_rate", true)])?.name).toBe("opt.learning_rate")
    expect(mainHyper([h("a"), h("wd", true)])?.name).toBe("wd")
    expect(mainHyper([{ ...LR, kind: "constant" }])).toBe(null)
  })
})

describe("curves", () => {
  it("searches", () => {
    expect([0, 1, 2, 3].map(x => upper([1, 2, 2, 3], x))).toEqual([0, 1, 3, 4])
    expect([-5, 1.4, 1.6, 99].map(x => nearest([0, 1, 2], x))).toEqual([0, 1, 2, 2])
    expect(nearest([], 1)).toBe(-1)
  })
  it("keeps the best so far", () => {
    expect(runningBest([1, 2, 3, 4], [3, null, 1, 5], "maximize")).toEqual([3, 3, 3, 5])
    expect(runningBest([1, 2, 3], [null, 2, 3], "minimize")).toEqual([null, 2, 2])
    expect(valueAt([1, 2], [10, 20], 0.5)).toBe(null)
    expect(valueAt([1, 2], [10, 20], 1.5)).toBe(10)
  })
  it("is not squeezed by one diverged member", () => {
    const y = Array.from({ length: 400 }, (_, i) => 0.5 + i / 1000)
    const series = [{ x: y.map((_, i) => i), y: [...y.slice(0, -1), -1e9] }]
    expect(yExtent(series, 0, 400, "maximize", false)![0]).toBeGreaterThan(0.4)
    expect(yExtent([{ x: [1], y: [null] }], 0, 2, "maximize", false)).toBe(null)
  })
  it("draws steps", () => expect([...corners([0, 5, 9], [1, 2, 3]).x]).toEqual([0, 5, 5, 9, 9]))
})

describe("the forest of branches", () => {
  const curves: Curves = {
    seq: 9,
    by: "member",
    x: "step",
    decimated: false,
    series: [
      { member: 0, root: 0, winning: true, done: false, x: [10, 20, 30], y: [1, 2, 3], segments: [1, 3, 6] },
      { member: 1, root: 0, winning: false, done: false, x: [10, 20, 30], y: [0.1, 2.2, 2.4], segments: [2, 5, 7] },
      { member: 2, root: 2, winning: false, done: false, x: [10], y: [0.3], segments: [4] },
    ],
    band: { x: [], best: [], q10: [], q25: [], median: [], q75: [], q90: [] },
    copies: [
      { seq: 1, segment: 5, member: 1, donor: 0, donor_segment: 1, x: 10, from: 0.1, to: 1 },
      { seq: 2, segment: 8, member: 2, donor: 1, donor_segment: 5, x: 20, from: 0.3, to: 2.2 },
    ],
  }
  it("cuts a line where its member copied, and colours it with the donor's root", () => {
    const b = forest(curves)!
    expect(b.map(x => [x.member, x.root, x.donor, x.alive, x.segments.join()])).toEqual([
      [0, 0, -1, true, "1,3,6"],
      [1, 1, -1, false, "2"],
      [1, 0, 0, true, "1,5,7"],
      [2, 2, -1, false, "4"],
    ])
    expect(b[2]!.y[0]).toBe(1) // begins at the donor's point: no jump
  })
  it("stitches a branch to its ancestors", () => {
    const b = forest(curves)!
    expect(stitch(b, 2)).toEqual({ x: [10, 20, 30], y: [1, 2.2, 2.4], segments: [1, 5, 7] })
    expect(historyOf(b, 5)?.segments).toEqual([1, 5])
    expect(historyOf(b, 99)).toBe(null)
  })
  it("gives up on thinned data", () => expect(forest({ ...curves, decimated: true })).toBe(null))
})

describe("the family tree", () => {
  const s = (id: number, member: number, parent: number | null, from: number, to: number, alive = false): Stretch => ({
    id,
    member,
    root: 0,
    parent,
    from,
    to,
    t0: from,
    t1: to,
    first: id,
    last: id,
    score: 0,
    action: "copy",
    winning: false,
    alive,
  })
  it("never lets two stretches overlap in a row", () => {
    const list = [
      s(0, 0, null, 0, 100),
      ...Array.from({ length: 60 }, (_, i) => s(i + 1, i % 7, Math.floor(i / 3), i, i + 25 + (i % 5))),
    ]
    const { placed, rows } = asTree(list)
    expect(placed.length).toBe(list.length)
    for (const a of placed)
      for (const b of placed) if (a !== b && a.row === b.row) expect(a.s.to <= b.s.from || b.s.to <= a.s.from).toBe(true)
    expect(rows).toBeLessThanOrEqual(list.length)
  })
  it("keeps stretches whose parent was left out", () => expect(asTree([s(5, 1, 3, 0, 9)]).placed.length).toBe(1))
  it("counts who lives on", () => {
    expect(
      shares([
        { ...s(0, 0, null, 0, 1), root: 3 },
        { ...s(1, 1, null, 0, 1, true), root: 4 },
      ]),
    ).toEqual([
      { root: 4, alive: 1 },
      { root: 3, alive: 0 },
    ])
    expect(byMember([s(0, 4, null, 0, 1), s(1, 2, null, 0, 1)]).names).toEqual([2, 4])
  })
})

describe("the table", () => {
  const m = (id: number, score: Member["score"], state: Member["state"] = "running"): Member =>
    ({
      id,
      score,
      state,
      rank: id + 1,
      step: id * 10,
      spent: 0,
      hypers: { lr: 0.1 * id, opt: "adam" },
      segment: 0,
      record: 0,
      slot: "gpu1",
      leased_at: 0,
      progress: 0,
      failures: 0,
      lost: 0,
      last_failure: "",
      root: 0,
      last_decision: null,
      spark: [],
    }) as Member
  const list = [m(0, 0.5), m(1, "NaN"), m(2, 0.9, "done"), m(10, "+Inf")]
  it("puts scores that are not numbers last, both ways", () => {
    expect(sortMembers(list, "score", true).map(x => x.id)).toEqual([10, 2, 0, 1])
    expect(sortMembers(list, "score", false).map(x => x.id)).toEqual([0, 2, 10, 1])
    expect(sortMembers(list, "h:lr", true).map(x => x.id)).toEqual([10, 2, 1, 0])
  })
  it("filters by number, state, words", () => {
    expect(filterMembers(list, "1", "", []).map(x => x.id)).toEqual([1])
    expect(filterMembers(list, "m10", "", []).map(x => x.id)).toEqual([10])
    expect(filterMembers(list, "", "done", []).map(x => x.id)).toEqual([2])
    expect(filterMembers(list, "gpu adam", "", [{ ...LR, name: "opt" }]).length).toBe(4)
  })
})

describe("what is taken away", () => {
  it("writes CSV that no spreadsheet runs", () => {
    expect(
      csv(
        ["a", "b"],
        [
          ["=1+1", 'say "x", y'],
          [-3, null],
          ["-1+cmd|x", "-1.5e-3"],
        ],
      ),
    ).toBe(`a,b\r\n'=1+1,"say ""x"", y"\r\n-3,\r\n'-1+cmd|x,-1.5e-3\r\n`)
  })
  const stages = [stage(1, 0, 0, 10, 0.1), stage(2, 1, 10, 20, 0.1), stage(3, 1, 20, 30, 0.02)]
  it("joins stages", () =>
    expect(joinStages(stages).map(s => [s.from, s.to])).toEqual([
      [0, 20],
      [20, 30],
    ]))
  it("writes the schedule as YAML and Python", () => {
    expect(scheduleYaml(stages, "t\nx: evil")).toBe(
      '# t x: evil\nschedule:\n  - {from: 0, to: 20, hypers: {"lr": 0.1}}\n  - {from: 20, to: 30, hypers: {"lr": 0.02}}\n',
    )
    const py = schedulePython([{ ...stages[0]!, hypers: { 'a"b': 'x"y\\', on: true } }], "t")
    expect(py).toContain('(0, {"a\\"b": "x\\"y\\\\", "on": True}),')
  })
})

describe("runs side by side", () => {
  const c = (index: number, best: number[], goal = "maximize") => ({
    run: { goal } as never,
    index,
    x: best.map((_, i) => (i + 1) * 10),
    best,
    median: best,
  })
  it("compares where the shorter ends", () => {
    const list = [c(0, [0.1, 0.4]), c(1, [0.2, 0.3, 0.9])]
    expect(equalBudget(list)).toBe(20)
    expect(standings(list, 20).map(r => [r.c.index, r.at])).toEqual([
      [0, 0.4],
      [1, 0.3],
    ])
    expect(standings([c(0, [5, 4], "minimize"), c(1, [3, 9], "minimize")], 20)[0]!.c.index).toBe(1)
    expect(equalBudget([])).toBe(0)
  })
})
