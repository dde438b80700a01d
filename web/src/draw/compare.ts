// The best so far of several runs.
import type { Num } from "../api/types"
import type { Compared } from "../data/compare"
import { corners, floats, nearest, runningBest, valueAt, wantsLog } from "../data/curves"
import { formatScore } from "../data/format"
import { type Box, FOOT, inner, xAxis, yAxis } from "./axes"
import type { Pen } from "./pen"
import { elapsed, extent, linear, type Scale, scored } from "./scale"
import { hueAt, type Theme } from "./theme"

export type Axis = "total" | "step" | "time"

interface Line {
  c: Compared
  running: Num[]
  best: { x: Float64Array; y: Float64Array }
  median: { x: Float64Array; y: Float64Array }
}

export interface ComparePlot {
  box: Box
  x: Scale
  y: Scale
  t: Theme
  lines: Line[]
  budget: number
  axis: Axis
  wide: boolean
}

export function plot(list: readonly Compared[], budget: number, axis: Axis, w: number, h: number, t: Theme): ComparePlot | null {
  const xs = extent(list.flatMap(c => c.x))
  const ys = extent(list.flatMap(c => [...c.best, ...c.median.slice(Math.floor(c.median.length * 0.04))]))
  if (!xs || !ys) return null
  const wide = w > 560
  const box: Box = { left: 50, top: 16, right: w - (wide ? 70 : 14), bottom: h - FOOT }
  const ticks = Math.max(3, Math.floor(inner(box).w / 110))
  const x = axis === "time" ? seconds(xs[1], box, ticks) : linear([0, xs[1]], [box.left, box.right], ticks)
  const y = scored(
    ys,
    wantsLog(ys, list[0]?.run.goal ?? "maximize"),
    [box.bottom, box.top],
    Math.max(3, Math.floor(inner(box).h / 58)),
  )
  const lines = list.map(c => {
    const running = runningBest(c.x, c.best, c.run.goal)
    const px = Float64Array.from(c.x, x)
    return { c, running, best: corners(px, floats(running).map(y)), median: { x: px, y: floats(c.median).map(y) } }
  })
  return { box, x, y, t, lines, budget, axis, wide }
}

function seconds(end: number, box: Box, ticks: number): Scale {
  const s = elapsed([0, end * 1000], [box.left, box.right], 0, ticks)
  return Object.assign((v: number) => s(v * 1000), {
    invert: (p: number) => s.invert(p) / 1000,
    ticks: s.ticks.map(v => v / 1000),
    format: (v: number) => s.format(v * 1000),
    domain: s.domain,
  })
}

export function draw(pen: Pen, p: ComparePlot): void {
  const { t, box } = p
  yAxis(pen, t, box, p.y)
  xAxis(pen, t, box, p.x, p.axis === "total" ? "steps of all members" : p.axis)
  const bx = Math.round(p.x(p.budget)) + 0.5
  if (p.lines.length > 1) pen.line([bx, bx], [box.top, box.bottom], { color: t.muted, width: 1, dash: [4, 4] })
  pen.clip(box.left, box.top - 6, inner(box).w + 2, inner(box).h + 12, () => {
    for (const l of p.lines.toReversed())
      pen.line(l.median.x, l.median.y, { color: hueAt(t, l.c.index), width: 1.4, dash: [1, 4], alpha: 0.9 })
    for (const l of p.lines.toReversed()) {
      // the run on the page comes last, on top
      pen.line(l.best.x, l.best.y, { color: t.bg, width: 5, alpha: 0.8 })
      pen.line(l.best.x, l.best.y, { color: hueAt(t, l.c.index), width: 2.4 })
    }
  })
  if (p.wide) ends(pen, p)
}

function ends(pen: Pen, p: ComparePlot): void {
  const labels = p.lines.flatMap(l =>
    l.best.y.length ? [{ y: l.best.y.at(-1)!, text: formatScore(l.running.at(-1) ?? null), color: hueAt(p.t, l.c.index) }] : [],
  )
  labels.sort((a, b) => a.y - b.y)
  for (let i = 1; i < labels.length; i++) labels[i]!.y = Math.max(labels[i]!.y, labels[i - 1]!.y + 15)
  for (const l of labels) pen.text(p.box.right + 10, l.y, l.text, { color: l.color, size: 11.5, weight: 600, base: "middle" })
}

export interface CompareHit {
  at: number
  px: number
}

export function hit(p: ComparePlot, mx: number): CompareHit | null {
  if (mx < p.box.left || mx > p.box.right + 8) return null
  return { at: p.x.invert(mx), px: mx }
}

export const valuesAt = (p: ComparePlot, at: number) =>
  p.lines.map(l => ({ c: l.c, best: at > (l.c.x.at(-1) ?? 0) * 1.001 ? null : valueAt(l.c.x, l.running, at) }))

export function over(pen: Pen, p: ComparePlot, h: CompareHit): void {
  pen.line([h.px, h.px], [p.box.top, p.box.bottom], { color: p.t.faint, width: 1, dash: [2, 3] })
  for (const v of valuesAt(p, h.at)) if (v.best !== null) pen.circle(h.px, p.y(v.best), 4.5, hueAt(p.t, v.c.index), p.t.bg, 2)
}

export function move(p: ComparePlot, at: CompareHit | null, key: string): CompareHit | null {
  const xs = p.lines[0]?.c.x ?? []
  const k = at ? nearest(xs, at.at) : xs.length - 1
  const to = key === "ArrowLeft" ? k - 1 : key === "ArrowRight" ? k + 1 : key === "Home" ? 0 : key === "End" ? xs.length - 1 : k
  const v = xs[Math.min(xs.length - 1, Math.max(0, to))]
  return v === undefined ? null : { at: v, px: p.x(v) }
}
