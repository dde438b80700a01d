// The family tree (the paper's figure 6): the colours of the initial members flow to their descendants.
import type { Stretch } from "../api/types"
import { asTree, byMember, type Placed } from "../data/tree"
import { type Box, FOOT, inner, xAxis } from "./axes"
import type { Pen } from "./pen"
import { elapsed, linear, type Scale } from "./scale"
import { hue, type Theme } from "./theme"

export interface Options {
  stretches: Stretch[]
  layout: "members" | "tree"
  x: "step" | "time"
  started: number
  root: number | null // only this family in colour
  best: { segment: number; step: number } | null // where the winning ancestry ends
}

export interface Bar {
  s: Stretch
  x0: number
  x1: number
  y: number
}

export interface TreePlot {
  box: Box
  x: Scale
  t: Theme
  o: Options
  bars: Bar[]
  of: Map<number, Bar>
  thick: number
  names: number[]
}

export const rowsOf = (o: Options): number =>
  o.layout === "members" ? new Set(o.stretches.map(s => s.member)).size : asTree(o.stretches).rows

export function plot(o: Options, w: number, h: number, t: Theme): TreePlot | null {
  if (!o.stretches.length) return null
  const layout = o.layout === "members" ? byMember(o.stretches) : { ...asTree(o.stretches), names: [] }
  const start = (s: Stretch) => (o.x === "time" ? s.t0 : s.from)
  const end = (s: Stretch) => (o.x === "time" ? s.t1 : s.to)
  const lo = Math.min(...o.stretches.slice(0, 50000).map(start))
  const hi = o.stretches.reduce((m, s) => Math.max(m, end(s)), lo + 1)
  const box: Box = { left: layout.names.length ? 44 : 14, top: 10, right: w - 16, bottom: h - FOOT }
  const ticks = Math.max(3, Math.floor(inner(box).w / 110))
  const x =
    o.x === "time" ? elapsed([lo, hi], [box.left, box.right], o.started, ticks) : linear([lo, hi], [box.left, box.right], ticks)
  const pitch = inner(box).h / Math.max(1, layout.rows)
  const bars = layout.placed.map(({ s, row }: Placed) => ({
    s,
    x0: x(start(s)),
    x1: Math.max(x(end(s)), x(start(s)) + 1.5),
    y: box.top + (row + 0.5) * pitch,
  }))
  return {
    box,
    x,
    t,
    o,
    bars,
    of: new Map(bars.map(b => [b.s.id, b])),
    thick: Math.min(11, Math.max(1, pitch * 0.52)),
    names: layout.names,
  }
}

const lit = (p: TreePlot, s: Stretch) => p.o.root === null || p.o.root === s.root

export function draw(pen: Pen, p: TreePlot): void {
  xAxis(pen, p.t, p.box, p.x, p.o.x)
  if (p.thick >= 4)
    p.names.forEach((m, i) => {
      const y = p.box.top + ((i + 0.5) * inner(p.box).h) / p.names.length
      pen.text(p.box.left - 10, y, `m${m}`, { color: p.t.muted, size: 11, align: "end", base: "middle" })
    })
  const n = p.bars.length
  for (const b of p.bars) link(pen, p, b, n > 1500 ? 0.12 : n > 400 ? 0.3 : 0.55)
  for (const b of p.bars) bar(pen, p, b)
  for (const b of p.bars) if (b.s.winning) winner(pen, p, b)
}

function curveTo(b: Bar, from: Bar): [number, number, number, number] {
  return [Math.min(b.x0, Math.max(from.x0, from.x1)), from.y, b.x0, b.y]
}

function link(pen: Pen, p: TreePlot, b: Bar, alpha: number): void {
  const from = b.s.parent === null ? undefined : p.of.get(b.s.parent)
  if (!from || b.s.winning || p.thick < 2) return // a thousand rows have no room for wires; pointing shows an ancestry
  const color = lit(p, b.s) ? hue(p.t, b.s.root) : p.t.faint
  wire(pen, p, b, from, { color, width: 1.1, alpha: lit(p, b.s) ? alpha : alpha * 0.4 })
}

/** from the donor's place at that moment to where the copy begins */
function wire(pen: Pen, p: TreePlot, b: Bar, from: Bar, s: { color: string; width: number; alpha?: number }): void {
  const [, y0, x1, y1] = curveTo(b, from)
  const reach = Math.min(14, 4 + Math.abs(y1 - y0) * 0.06)
  const x0 = p.o.layout === "tree" ? x1 - 2 : x1 - reach
  if (p.o.layout === "tree")
    pen.path(
      [
        ["M", x0, y0],
        ["C", x0, y0 + (y1 - y0) * 0.6, x0, y1, x1 + 3, y1],
      ],
      s,
    )
  else
    pen.path(
      [
        ["M", Math.max(from.x0, x0 - reach), y0],
        ["C", x0 + reach * 0.6, y0, x0 - reach * 0.2, y1, x1, y1],
      ],
      s,
    )
}

function bar(pen: Pen, p: TreePlot, b: Bar): void {
  const on = lit(p, b.s)
  const color = on ? hue(p.t, b.s.root) : p.t.faint
  const gap = b.x1 - b.x0 > 6 && p.thick > 3 ? 1 : 0
  pen.rect(
    b.x0,
    b.y - p.thick / 2,
    Math.max(1, b.x1 - b.x0 - gap),
    p.thick,
    color,
    on ? (b.s.winning ? 1 : b.s.alive ? 0.75 : 0.5) : 0.22,
    Math.min(3, p.thick / 2),
  )
}

function winner(pen: Pen, p: TreePlot, b: Bar): void {
  const from = b.s.parent === null ? undefined : p.of.get(b.s.parent)
  const ink = p.t.ink
  if (from) wire(pen, p, b, from, { color: ink, width: 2 })
  const children = p.bars.filter(c => c.s.winning && c.s.parent === b.s.id)
  const trim = p.o.layout === "tree" ? 2 : 14
  const end = children.length ? Math.max(b.x0, Math.min(b.x1, Math.max(...children.map(c => c.x0)) - trim)) : bestEnd(p, b)
  pen.line([b.x0, end], [b.y, b.y], { color: ink, width: Math.max(1.6, Math.min(2.4, p.thick * 0.3)) })
  if (!children.length) pen.circle(end, b.y, Math.max(3.5, p.thick * 0.45), ink, p.t.bg, 2)
}

/** where on its stretch the best outcome stands: it may have trained on since */
function bestEnd(p: TreePlot, b: Bar): number {
  const { best } = p.o
  const { s } = b
  if (!best || best.segment < s.first || best.segment > s.last || s.to <= s.from) return b.x1
  return b.x0 + ((b.x1 - b.x0) * Math.min(s.to - s.from, Math.max(0, best.step - s.from))) / (s.to - s.from)
}

export interface TreeHit {
  bar: Bar
  at: number // step or time under the pointer
}

export function hit(p: TreePlot, mx: number, my: number): TreeHit | null {
  let best: Bar | null = null
  let least = Math.max(6, p.thick) ** 2
  for (const b of p.bars) {
    const dx = mx < b.x0 ? b.x0 - mx : mx > b.x1 ? mx - b.x1 : 0
    const d = dx * dx + (b.y - my) ** 2
    if (d < least) {
      least = d
      best = b
    }
  }
  return best ? { bar: best, at: p.x.invert(Math.min(best.x1, Math.max(best.x0, mx))) } : null
}

export function over(pen: Pen, p: TreePlot, h: TreeHit): void {
  const family: Bar[] = []
  for (let b: Bar | undefined = h.bar; b; b = b.s.parent === null ? undefined : p.of.get(b.s.parent)) family.push(b)
  family.forEach((b, i) => {
    const from = family[i + 1]
    const child = family[i - 1]
    if (from) wire(pen, p, b, from, { color: p.t.accent, width: 2.5 })
    pen.line([b.x0, child ? Math.min(b.x1, child.x0) : b.x1], [b.y, b.y], { color: p.t.accent, width: 3 })
  })
  pen.rect(h.bar.x0 - 2, h.bar.y - p.thick / 2 - 2, h.bar.x1 - h.bar.x0 + 4, p.thick + 4, p.t.accent, 0.25, 4)
}

/** the arrow keys: along a member's stretches, and to the rows above and below */
export function move(p: TreePlot, at: TreeHit | null, key: string): TreeHit | null {
  const pick = (b: Bar | undefined) => (b ? { bar: b, at: p.x.invert((b.x0 + b.x1) / 2) } : at)
  if (!at) return pick(p.bars.findLast(b => b.s.winning) ?? p.bars[0])
  const { bar: now } = at
  const row = p.bars.filter(b => b.y === now.y).sort((a, b) => a.x0 - b.x0)
  const i = row.indexOf(now)
  if (key === "ArrowLeft") return pick(row[Math.max(0, i - 1)])
  if (key === "ArrowRight") return pick(row[Math.min(row.length - 1, i + 1)])
  if (key === "Home") return pick(row[0])
  if (key === "End") return pick(row.at(-1))
  const up = key === "ArrowUp"
  const others = p.bars.filter(b => (up ? b.y < now.y : b.y > now.y))
  if (!others.length) return at
  const y = up ? Math.max(...others.map(b => b.y)) : Math.min(...others.map(b => b.y))
  const mid = (now.x0 + now.x1) / 2
  return pick(
    others.filter(b => b.y === y).sort((a, b) => Math.abs((a.x0 + a.x1) / 2 - mid) - Math.abs((b.x0 + b.x1) / 2 - mid))[0],
  )
}
