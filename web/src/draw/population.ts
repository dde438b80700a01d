// Score against step: one line per lineage, copies as arcs, the population's spread behind them.
import type { CurveSeries, Curves } from "../api/types"
import { floats, nearest, wantsLog, xExtent, yExtent } from "../data/curves"
import { type Branch, historyOf, stitch } from "../data/forest"
import { formatScore } from "../data/format"
import { arrow, type Box, FOOT, inner, xAxis, yAxis } from "./axes"
import type { Pen } from "./pen"
import { elapsed, linear, type Scale, scored } from "./scale"
import { hue, type Theme } from "./theme"

export interface Options {
  curves: Curves
  goal: "maximize" | "minimize"
  metric: string
  started: number
  zoom: [number, number] | null
  focus: boolean
  log: boolean | null // null: as the scores want it
  band: boolean
  copies: boolean
  best: { segment: number; member: number } | null
  branches: readonly Branch[] | null // all of the tree, where it is small enough
}

export interface Point {
  series: CurveSeries
  i: number
}

export interface Line {
  s: CurveSeries
  x: Float64Array
  y: Float64Array
  branch: number // -1: a line of the server's own
  dim: boolean // given up
}

export interface Plot {
  box: Box
  x: Scale
  y: Scale
  t: Theme
  o: Options
  wide: boolean // room for labels at the right
  lines: Line[]
}

export function plot(o: Options, w: number, h: number, t: Theme): Plot | null {
  const xs = o.zoom ?? xExtent(o.curves.series, o.curves.band)
  if (!xs) return null
  const from = o.curves.x === "step" && !o.zoom ? Math.min(0, xs[0]) : xs[0]
  const ys = yExtent(o.branches ?? o.curves.series, from, xs[1], o.goal, o.focus)
  if (!ys) return null
  const box: Box = { left: 50, top: 28, right: w - (w > 560 ? 92 : 18), bottom: h - FOOT }
  const time = o.curves.x === "time"
  const ticks = Math.max(3, Math.floor(inner(box).w / 110))
  const x = time
    ? elapsed([from, xs[1]], [box.left, box.right], o.started, ticks)
    : linear([from, xs[1]], [box.left, box.right], ticks)
  const y = scored(ys, o.log ?? wantsLog(ys, o.goal), [box.bottom, box.top], Math.max(3, Math.floor(inner(box).h / 58)))
  const line = (s: CurveSeries, branch = -1, dim = false): Line => ({
    s,
    x: Float64Array.from(s.x, x),
    y: floats(s.y).map(y),
    branch,
    dim,
  })
  const lines = o.branches
    ? [...o.branches.map((b, i) => line({ ...b, winning: false, done: false }, i, !b.alive)), ...winner(o).map(s => line(s))]
    : o.curves.series.map(s => line(s))
  return { box, x, y, t, o, wide: w > 560, lines }
}

/** of lineages: the history of the best outcome's weights, which may be no member's any more */
function winner(o: Options): CurveSeries[] {
  const own = o.curves.series.filter(s => s.winning)
  const h = o.curves.by === "lineage" && o.best && o.branches ? historyOf(o.branches, o.best.segment) : null
  return h && o.best ? [{ ...h, member: o.best.member, winning: true, done: false }] : own
}

export function draw(pen: Pen, p: Plot): void {
  const { t, box, o } = p
  yAxis(pen, t, box, p.y)
  pen.text(2, 9, o.metric.length > 40 ? `${o.metric.slice(0, 39)}…` : o.metric, { color: t.muted, size: 11, base: "middle" })
  xAxis(pen, t, box, p.x, o.curves.x === "time" ? "time" : "step")
  const { w, h } = inner(box)
  pen.clip(box.left, box.top - 6, w + 2, h + 12, () => {
    if (o.band) drawBand(pen, p)
    drawLines(pen, p)
    if (o.copies) drawCopies(pen, p)
    drawWinner(pen, p)
  })
  endLabels(pen, p)
}

function drawBand(pen: Pen, { o, x, y, t }: Plot): void {
  const b = o.curves.band
  if (b.x.length < 2) return
  const region = (lo: (number | null)[], hi: (number | null)[], alpha: number) => {
    const at = b.x.map((v, i) => [x(v), lo[i] ?? null, hi[i] ?? null] as const).filter(v => v[1] !== null && v[2] !== null)
    if (at.length < 2) return
    const up = at.map((v, i) => [i ? "L" : "M", v[0], y(v[2]!)] as const)
    const down = at.toReversed().map(v => ["L", v[0], y(v[1]!)] as const)
    pen.path([...up, ...down, ["Z"]], { fill: t.band, fillAlpha: alpha })
  }
  region(b.q10, b.q90, t.dark ? 0.13 : 0.12)
  region(b.q25, b.q75, t.dark ? 0.15 : 0.14)
}

function drawLines(pen: Pen, p: Plot): void {
  const n = p.o.curves.series.length
  const alpha = n > 300 ? 0.12 : n > 60 ? 0.3 : 0.6
  for (const l of p.lines)
    if (!l.s.winning)
      pen.line(l.x, l.y, { color: hue(p.t, l.s.root), width: n > 60 ? 1 : 1.25, alpha: l.dim ? alpha * 0.75 : alpha })
}

function drawCopies(pen: Pen, p: Plot): void {
  const { o, x, y, t } = p
  const roots = new Map(o.curves.series.map(s => [s.member, s.root]))
  const grown = new Map((o.branches ?? []).filter(b => b.donor >= 0).map(b => [`${b.member}/${b.segments[0]}`, b.root]))
  const all = o.curves.copies
  const shown = all.length > 600 ? all.slice(-600) : all
  const alpha = shown.length > 200 ? 0.14 : shown.length > 80 ? 0.28 : 0.4
  for (const c of shown) {
    if (c.from === null || c.to === null) continue
    const px = x(c.x)
    const y0 = y(c.from)
    const y1 = y(c.to)
    const color = hue(t, grown.get(`${c.member}/${c.donor_segment}`) ?? roots.get(c.donor) ?? 0)
    arrow(pen, px, y0, px, y1, Math.min(26, 5 + Math.abs(y1 - y0) * 0.12), { color, alpha, width: 1 })
    if (shown.length <= 200) pen.circle(px, y0, 1.6, color)
  }
}

function drawWinner(pen: Pen, p: Plot): void {
  const { o, x, y, t } = p
  const b = o.curves.band
  if (o.band && b.x.length > 1) pen.line(b.x.map(x), floats(b.median).map(y), { color: t.muted, width: 1.5, dash: [1, 4] })
  for (const l of p.lines) {
    if (!l.s.winning) continue
    pen.line(l.x, l.y, { color: t.bg, width: 5, alpha: 0.8 })
    pen.line(l.x, l.y, { color: hue(t, l.s.root), width: 2.5 })
  }
}

const LABEL = 90 // px, what the leader's label takes up

function endLabels(pen: Pen, p: Plot): void {
  const { box, t, o } = p
  const labels: { y: number; text: string; color: string; weight: number }[] = []
  const win = p.lines.find(l => l.s.winning)
  if (win?.y.length) {
    const i = win.y.length - 1
    const v = win.s.y[i]
    const px = win.x[i]!
    const label = { text: `m${win.s.member}  ${formatScore(v ?? null)}`, color: hue(t, win.s.root), weight: 600 }
    // at its point where that is not at the right, else at the end of the line
    if (box.right - px > LABEL) {
      const y = Math.min(box.bottom - 9, clampTo(win.y[i]!, box))
      pen.text(px + 11, y, label.text, { ...label, size: 11.5, base: "middle", halo: t.bg })
    } else labels.push({ y: clampTo(win.y[i]!, box), ...label })
    if (px <= box.right + 1 && win.y[i]! >= box.top - 4 && win.y[i]! <= box.bottom + 4)
      pen.circle(px, win.y[i]!, 4, hue(t, win.s.root), t.bg, 2)
  }
  const b = o.curves.band
  const median = b.median.at(-1)
  if (o.band && median !== null && median !== undefined)
    labels.push({ y: clampTo(p.y(median), box), text: "median", color: t.muted, weight: 400 })
  if (!p.wide) return
  labels.sort((a, c) => a.y - c.y)
  for (let i = 1; i < labels.length; i++) if (labels[i]!.y - labels[i - 1]!.y < 15) labels[i]!.y = labels[i - 1]!.y + 15
  for (const l of labels) pen.text(box.right + 10, l.y, l.text, { color: l.color, size: 11.5, base: "middle", weight: l.weight })
}

const clampTo = (v: number, b: Box) => Math.min(b.bottom, Math.max(b.top, Number.isNaN(v) ? b.bottom : v))

/** the point nearest to the pointer, within reach */
export function hit(p: Plot, mx: number, my: number): Point | null {
  if (mx < p.box.left - 12 || mx > p.box.right + 24) return null
  let best: Point | null = null
  let least = 32 ** 2
  for (const l of p.lines) {
    const near = nearest(l.x, mx)
    for (let i = Math.max(0, near - 1); i <= Math.min(l.x.length - 1, near + 1); i++) {
      const d = (l.x[i]! - mx) ** 2 + (l.y[i]! - my) ** 2 - (l.s.winning ? 60 : 0)
      if (d < least) {
        least = d
        best = { series: l.s, i }
      }
    }
  }
  return best
}

export function over(pen: Pen, p: Plot, at: Point): void {
  const l = p.lines.find(v => v.s === at.series)
  if (!l) return
  const whole = l.branch >= 0 && p.o.curves.by === "lineage" && p.o.branches ? stitch(p.o.branches, l.branch) : null
  const xs = whole ? Float64Array.from(whole.x, p.x) : l.x
  const ys = whole ? floats(whole.y).map(p.y) : l.y
  const color = hue(p.t, l.s.root)
  const { w, h } = inner(p.box)
  pen.clip(p.box.left, p.box.top - 6, w + 2, h + 12, () => {
    pen.line(xs, ys, { color: p.t.bg, width: 5, alpha: 0.7 })
    pen.line(xs, ys, { color, width: 2.25 })
  })
  pen.line([l.x[at.i]!, l.x[at.i]!], [p.box.top, p.box.bottom], { color: p.t.faint, width: 1, dash: [2, 3] })
  pen.circle(l.x[at.i]!, l.y[at.i]!, 5, color, p.t.bg, 2)
}

/** the arrow keys: along a line, and from line to line by rank at that place */
export function move(p: Plot, at: Point | null, key: string): Point | null {
  const start = p.lines.find(l => l.s.winning) ?? p.lines[0]
  if (!start) return null
  if (!at) return { series: start.s, i: Math.max(0, start.x.length - 1) }
  const n = at.series.x.length
  if (key === "ArrowLeft") return { ...at, i: Math.max(0, at.i - 1) }
  if (key === "ArrowRight") return { ...at, i: Math.min(n - 1, at.i + 1) }
  if (key === "Home") return { ...at, i: 0 }
  if (key === "End") return { ...at, i: n - 1 }
  const px = at.series.x[at.i]!
  const here = p.lines
    .map(l => ({ l, i: nearest(l.s.x, px) }))
    .filter(v => v.i >= 0 && !Number.isNaN(v.l.y[v.i]!))
    .sort((a, b) => a.l.y[a.i]! - b.l.y[b.i]!)
  const k = here.findIndex(v => v.l.s === at.series)
  const next = here[key === "ArrowUp" ? Math.max(0, k - 1) : Math.min(here.length - 1, k + 1)]
  return next ? { series: next.l.s, i: next.i } : at
}

export function again(p: Plot, at: Point): Point | null {
  const segment = at.series.segments[at.i]
  const same = (l: Line) => l.s.member === at.series.member && l.s.winning === at.series.winning
  for (const l of [...p.lines.filter(same), ...p.lines]) {
    const i = l.s.segments.indexOf(segment ?? -1)
    if (i >= 0) return { series: l.s, i }
  }
  return null
}
