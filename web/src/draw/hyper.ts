// One hyperparameter against step: everybody's values faint, the winning lineage's as the discovered schedule.
import type { HyperCurves, Value } from "../api/types"
import { corners, floats, nearest, upper } from "../data/curves"
import { formatValue } from "../data/format"
import { type Box, FOOT, inner, xAxis, yAxis } from "./axes"
import type { Pen } from "./pen"
import { extent, linear, log, pad, type Scale } from "./scale"
import { hue, type Theme } from "./theme"

export interface HyperPlot {
  box: Box
  x: Scale
  y: Scale
  t: Theme
  data: HyperCurves
  lines: { member: number; root: number; winning: boolean; x: Float64Array; y: Float64Array }[]
  schedule: { x: Float64Array; y: Float64Array }
  color: string
}

export function plot(
  data: HyperCurves,
  bounds: [number, number] | null,
  xMax: number,
  w: number,
  h: number,
  t: Theme,
): HyperPlot | null {
  const ys = extent([...data.series.flatMap(s => s.y), ...data.schedule.y])
  if (!ys || !(xMax > 0)) return null
  const cats = data.values
  const box: Box = { left: cats ? 64 : 52, top: 14, right: w - 16, bottom: h - FOOT }
  const x = linear([0, xMax], [box.left, box.right], Math.max(2, Math.floor(inner(box).w / 100)))
  const y = yScale(data, bounds, ys, box)
  const line = (xs: number[], v: (number | null)[]) => corners(Float64Array.from(xs, x), floats(v).map(y))
  const lines = data.series.map((s, i) => {
    const l = cats ? plateaus(line(s.x, s.y), lane(i, data.series.length, inner(box).h / cats.length)) : line(s.x, s.y)
    return { member: s.member, root: s.root, winning: s.winning, ...l }
  })
  const root = data.series.find(s => s.winning)?.root ?? 0
  return { box, x, y, t, data, lines, schedule: line(data.schedule.x, data.schedule.y), color: hue(t, root) }
}

/** of values without numbers, each member has a lane of its own beside its value: how many chose it can be seen */
const lane = (i: number, n: number, pitch: number): number => (n > 1 ? (i / (n - 1) - 0.5) * Math.min(pitch * 0.7, 3 * n) : 0)

/** without the risers, which would be a lattice, and moved to a lane */
function plateaus(l: { x: Float64Array; y: Float64Array }, by: number): { x: Float64Array; y: Float64Array } {
  const x: number[] = []
  const y: number[] = []
  l.y.forEach((v, i) => {
    if (i > 0 && v !== l.y[i - 1]) {
      x.push(l.x[i]!)
      y.push(Number.NaN)
    }
    x.push(l.x[i]!)
    y.push(v + by)
  })
  return { x: Float64Array.from(x), y: Float64Array.from(y) }
}

function yScale(data: HyperCurves, bounds: [number, number] | null, ys: [number, number], box: Box): Scale {
  const count = Math.max(3, Math.floor(inner(box).h / 40))
  if (data.values) return categories(data.values, box)
  if (!data.log) return linear(pad(bounds ?? ys, 0.04), [box.bottom, box.top], count)
  const [lo, hi] = ys
  return log([lo / 1.15, hi * 1.15], [box.bottom, box.top], count)
}

function categories(values: Value[], box: Box): Scale {
  const s = linear([-0.5, values.length - 0.5], [box.bottom, box.top], values.length)
  const short = (v: number) => {
    const text = formatValue(values[v])
    return text.length > 9 ? `${text.slice(0, 8)}…` : text
  }
  return Object.assign((v: number) => s(v), { invert: s.invert, ticks: values.map((_, i) => i), format: short, domain: s.domain })
}

export function draw(pen: Pen, p: HyperPlot): void {
  const { t, box } = p
  yAxis(pen, t, box, p.y)
  xAxis(pen, t, box, p.x, "step")
  const n = p.lines.length
  const alpha = n > 300 ? 0.1 : n > 60 ? 0.2 : 0.5
  pen.clip(box.left, box.top - 6, inner(box).w + 2, inner(box).h + 12, () => {
    for (const l of p.lines) pen.line(l.x, l.y, { color: t.band, width: 1, alpha })
    pen.line(p.schedule.x, p.schedule.y, { color: t.bg, width: 6, alpha: 0.85 })
    pen.line(p.schedule.x, p.schedule.y, { color: p.color, width: 2.75 })
  })
  const end = p.schedule.x.length - 1
  if (end >= 0) pen.circle(p.schedule.x[end]!, p.schedule.y[end]!, 4, p.color, t.bg, 2)
}

export interface HyperHit {
  step: number
  px: number
}

export function hit(p: HyperPlot, mx: number): HyperHit | null {
  if (mx < p.box.left - 8 || mx > p.box.right + 12) return null
  const step = Math.max(0, Math.round(p.x.invert(mx)))
  return { step, px: p.x(step) }
}

export function scheduleAt(d: HyperCurves, step: number): string {
  const i = upper(d.schedule.x, step) - 1
  const v = d.schedule.y[Math.min(i, d.schedule.y.length - 1)]
  if (i < 0 || v === null || v === undefined) return "–"
  return formatValue(d.values ? d.values[v] : v)
}

export function rangeAt(d: HyperCurves, step: number): string {
  if (d.values) return ""
  const now = d.series.map(s =>
    s.x.length && step >= s.x[0]! && step <= s.x.at(-1)! ? (s.y[Math.max(0, upper(s.x, step) - 1)] ?? null) : null,
  )
  const e = extent(now)
  return e ? `${formatValue(e[0])} … ${formatValue(e[1])}` : ""
}

export function over(pen: Pen, p: HyperPlot, at: HyperHit): void {
  pen.line([at.px, at.px], [p.box.top, p.box.bottom], { color: p.t.faint, width: 1, dash: [2, 3] })
  const i = nearest(p.schedule.x, at.px)
  if (i < 0) return
  const k = Math.max(0, upper(p.schedule.x, at.px) - 1)
  pen.circle(at.px, p.schedule.y[Math.min(k, p.schedule.y.length - 1)]!, 5, p.color, p.t.bg, 2)
}

export function move(p: HyperPlot, at: HyperHit | null, key: string): HyperHit | null {
  const xs = [...new Set([...p.data.schedule.x])]
  const k = at ? nearest(xs, at.step) : xs.length - 1
  const to = key === "ArrowLeft" ? k - 1 : key === "ArrowRight" ? k + 1 : key === "Home" ? 0 : key === "End" ? xs.length - 1 : k
  const step = xs[Math.min(xs.length - 1, Math.max(0, to))]
  return step === undefined ? null : { step, px: p.x(step) }
}
