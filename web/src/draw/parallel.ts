// Parallel coordinates: one axis per hyperparameter, one line per segment, coloured by score; ranges can be brushed.
import type { HyperDef, ParallelRow } from "../api/types"
import { wantsLog } from "../data/curves"
import { formatValue } from "../data/format"
import type { Cmd, Pen } from "./pen"
import { extent, linear, log, type Scale } from "./scale"
import { ramp, type Theme } from "./theme"

export interface Axis {
  name: string
  x: number
  y: Scale
  value: (r: ParallelRow) => number
  label: (v: number) => string
}

export type Brushes = Readonly<Record<string, readonly [number, number]>> // in values; a choice's are indices

export interface ParallelPlot {
  axes: Axis[]
  rows: ParallelRow[]
  shown: boolean[]
  color: (r: ParallelRow) => number
  brushes: Brushes
  t: Theme
  w: number
  top: number
  bottom: number
}

const SCORE = "score"
export const finite = (r: ParallelRow): number => (typeof r.score === "number" ? r.score : Number.NaN)

/** the score's place among all scores, 0 (worst) to 1 (best); ranks spread the colours where scores crowd */
export function places(rows: readonly ParallelRow[], goal: "maximize" | "minimize"): Map<number, number> {
  const order = rows
    .filter(r => Number.isFinite(finite(r)))
    .sort((a, b) => (goal === "maximize" ? finite(a) - finite(b) : finite(b) - finite(a)))
  return new Map(order.map((r, i) => [r.segment, order.length > 1 ? i / (order.length - 1) : 1]))
}

export function passes(r: ParallelRow, axes: readonly Axis[], brushes: Brushes): boolean {
  return axes.every(a => {
    const b = brushes[a.name]
    if (!b) return true
    const v = a.value(r)
    return v >= b[0] && v <= b[1]
  })
}

export function plot(
  rows: ParallelRow[],
  hypers: readonly HyperDef[],
  goal: "maximize" | "minimize",
  brushes: Brushes,
  w: number,
  h: number,
  t: Theme,
): ParallelPlot | null {
  if (!rows.length) return null
  const top = 34
  const bottom = h - 26
  const left = 46
  const right = w - 60
  const n = hypers.length + 1
  const axes = hypers.map((d, i) => hyperAxis(d, rows, left + ((right - left) * i) / Math.max(1, n - 1), top, bottom))
  const e = extent(rows.map(finite)) ?? [0, 1]
  const y = (wantsLog(e, goal) ? log : linear)(e, goal === "minimize" ? [top, bottom] : [bottom, top], 5) // the best on top
  axes.push({ name: SCORE, x: right, y, value: finite, label: v => y.format(v) })
  const place = places(rows, goal)
  const color = (r: ParallelRow) => place.get(r.segment) ?? 0
  const sorted = [...rows].sort((a, b) => Number(a.winning) - Number(b.winning) || color(a) - color(b))
  return { axes, rows: sorted, shown: sorted.map(r => passes(r, axes, brushes)), color, brushes, t, w, top, bottom }
}

function hyperAxis(d: HyperDef, rows: readonly ParallelRow[], x: number, top: number, bottom: number): Axis {
  const values = d.values
  if (values) {
    const y = linear([-0.3, values.length - 0.7], [bottom, top], values.length)
    return { name: d.name, x, y, value: r => values.indexOf(r.hypers[d.name]!), label: v => formatValue(values[Math.round(v)]) }
  }
  const num = (r: ParallelRow) => (typeof r.hypers[d.name] === "number" ? (r.hypers[d.name] as number) : Number.NaN)
  const e = extent(rows.map(num)) ?? d.bounds ?? [0, 1]
  const y = (d.log ? log : linear)(e, [bottom, top], 5)
  if (d.kind === "int") y.ticks = y.ticks.filter(Number.isInteger)
  return { name: d.name, x, y, value: num, label: v => y.format(v) }
}

/** a soft curve from axis to axis */
function curve(p: ParallelPlot, r: ParallelRow): Cmd[] {
  const out: Cmd[] = []
  let px = 0
  let py = Number.NaN
  for (const a of p.axes) {
    const y = a.y(a.value(r))
    if (Number.isNaN(y)) {
      py = Number.NaN
      continue
    }
    if (Number.isNaN(py)) out.push(["M", a.x, y])
    else {
      const d = (a.x - px) * 0.42
      out.push(["C", px + d, py, a.x - d, y, a.x, y])
    }
    px = a.x
    py = y
  }
  return out
}

export function draw(pen: Pen, p: ParallelPlot): void {
  const { t } = p
  const many = p.rows.length > 200
  p.rows.forEach((r, i) => {
    if (!p.shown[i]) pen.path(curve(p, r), { color: t.grid, width: 1, alpha: 0.6 })
  })
  p.rows.forEach((r, i) => {
    if (p.shown[i] && !r.winning)
      pen.path(curve(p, r), { color: ramp(t, p.color(r)), width: many ? 1 : 1.4, alpha: many ? 0.5 : 0.75 })
  })
  p.rows.forEach((r, i) => {
    if (p.shown[i] && r.winning) pen.path(curve(p, r), { color: ramp(t, p.color(r)), width: 2.2, alpha: 0.95 })
  })
  for (const a of p.axes) drawAxis(pen, p, a)
}

function drawAxis(pen: Pen, p: ParallelPlot, a: Axis): void {
  const { t } = p
  pen.line([a.x, a.x], [p.top, p.bottom], { color: t.muted, width: 1 })
  const last = a === p.axes.at(-1)
  const first = a === p.axes[0]
  const room = p.w / p.axes.length / 7
  const name = a.name.length > room ? `${a.name.slice(0, Math.max(3, room - 1))}…` : a.name
  pen.text(a.x, 12, name, { color: t.ink, size: 12, weight: 600, align: first ? "middle" : "middle", base: "middle" })
  for (const v of a.y.ticks) {
    const y = a.y(v)
    if (y < p.top - 2 || y > p.bottom + 2) continue
    pen.line([a.x - 3, a.x + 3], [y, y], { color: t.muted, width: 1 })
    const text = a.label(v)
    pen.text(last ? a.x + 8 : a.x - 8, y, text.length > 9 ? `${text.slice(0, 8)}…` : text, {
      color: t.muted,
      size: 11,
      align: last ? "start" : "end",
      base: "middle",
      halo: t.bg,
    })
  }
  const b = p.brushes[a.name]
  if (b) {
    const y0 = a.y(b[1])
    const y1 = a.y(b[0])
    pen.rect(a.x - 7, Math.min(y0, y1), 14, Math.max(3, Math.abs(y1 - y0)), t.accent, 0.3, 3)
  }
}

export function axisAt(p: ParallelPlot, x: number): Axis | null {
  let best: Axis | null = null
  for (const a of p.axes) if (!best || Math.abs(a.x - x) < Math.abs(best.x - x)) best = a
  return best
}

export function hit(p: ParallelPlot, mx: number, my: number): ParallelRow | null {
  let k = 0
  while (k < p.axes.length - 2 && p.axes[k + 1]!.x < mx) k++
  const a = p.axes[k]
  const b = p.axes[k + 1]
  if (!a || !b || my < p.top - 8 || my > p.bottom + 8) return null
  const f = Math.min(1, Math.max(0, (mx - a.x) / (b.x - a.x)))
  const ease = f * f * (3 - 2 * f)
  let best: ParallelRow | null = null
  let least = 10
  p.rows.forEach((r, i) => {
    if (!p.shown[i]) return
    const y0 = a.y(a.value(r))
    const d = Math.abs(y0 + (b.y(b.value(r)) - y0) * ease - my)
    if (d < least || (d === least && r.winning)) {
      least = d
      best = r
    }
  })
  return best
}

export function over(pen: Pen, p: ParallelPlot, r: ParallelRow): void {
  pen.path(curve(p, r), { color: p.t.bg, width: 6, alpha: 0.7 })
  pen.path(curve(p, r), { color: p.t.ink, width: 2.4 })
  for (const a of p.axes) {
    const y = a.y(a.value(r))
    if (!Number.isNaN(y)) pen.circle(a.x, y, 3.5, p.t.ink, p.t.bg, 1.5)
  }
}
