import { describe, expect, it } from "vitest"
import { SvgPen } from "../src/draw/pen"
import { elapsed, extent, linear, linearTicks, log, logTicks, tickFormat } from "../src/draw/scale"
import { DARK, hue, LIGHT, ramp } from "../src/draw/theme"

describe("scales", () => {
  it("have round ticks, and few", () => {
    expect(linearTicks(0, 1, 5)).toEqual([0, 0.2, 0.4, 0.6, 0.8, 1])
    expect(linearTicks(0.3, 0.97, 6)).toEqual([0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9])
    expect(logTicks(0.0003, 0.2, 4)).toEqual([0.001, 0.01, 0.1])
    expect(logTicks(0.01, 0.05, 4).length).toBeGreaterThan(2)
  })
  it("map there and back", () => {
    for (const s of [linear([2, 8], [10, 110]), log([0.001, 10], [0, 300]), elapsed([1000, 61_000], [0, 100], 1000)])
      for (const v of s.domain) expect(s.invert(s(v))).toBeCloseTo(v, 6)
    expect(log([0.1, 1], [0, 1])(-1)).toBeNaN()
    expect(linear([5, 5], [0, 10])(5)).toBe(5)
  })
  it("format ticks so that neighbours differ", () => {
    const ticks = [0.95, 0.955, 0.96]
    expect(ticks.map(tickFormat(ticks))).toEqual(["0.950", "0.955", "0.960"])
    const big = [0, 5000, 10000, 15000]
    expect(big.map(tickFormat(big))).toEqual(["0", "5k", "10k", "15k"])
    const s = elapsed([0, 3_600_000], [0, 100], 0, 6)
    expect(s.ticks.map(s.format)).toEqual(["0", "10 min", "20 min", "30 min", "40 min", "50 min", "1:00 h"])
  })
  it("know when there is nothing", () => expect(extent([null, Number.NaN])).toBe(null))
})

describe("colours", () => {
  it("give the leader's family the first, and nobody else", () => {
    const t = { ...LIGHT, lead: 7 }
    expect(hue(t, 7)).toBe(LIGHT.hues[0])
    for (const r of [0, 3, 9, 10, 540]) expect(hue(t, r)).not.toBe(LIGHT.hues[0])
    expect(new Set([0, 1, 2, 3, 4, 5, 6, 7, 8].map(r => hue(t, r))).size).toBe(9)
    expect(hue(LIGHT, 3)).toBe(hue(t, 3)) // a family keeps its colour when another one leads
  })
  it("stay on the ramp", () => expect([ramp(DARK, -1), ramp(DARK, 2)]).toEqual(["rgb(46,54,64)", "rgb(250,226,120)"]))
})

describe("SVG", () => {
  it("keeps text text", () => {
    const pen = new SvgPen()
    pen.text(0, 0, '<script>"&\u0000', { color: "red" })
    pen.line([0, 1, Number.NaN, 3], [0, 1, 2, 3], { color: '"><x' })
    const svg = pen.toString(10, 10, "#fff", "<t>")
    expect(svg).not.toMatch(/<script|<x|\u0000/)
    expect(svg).toContain("M0 0L1 1M3 3")
  })
})
