// Slots against time: what each trained, and where it failed or waited.
import type { Slots, Span } from "../api/types"
import { type Box, FOOT, inner, xAxis } from "./axes"
import type { Pen } from "./pen"
import { elapsed, type Scale } from "./scale"
import type { Theme } from "./theme"

export interface Gantt {
  box: Box
  x: Scale
  t: Theme
  pitch: number
  data: Slots
}

export interface GanttHit {
  span: Span
  slot: string
  x: number
  y: number
}

export function plot(data: Slots, started: number, w: number, h: number, t: Theme): Gantt | null {
  if (!data.slots.length || !(data.to > data.from)) return null
  const box: Box = { left: 62, top: 8, right: w - 16, bottom: h - FOOT }
  const x = elapsed([data.from, data.to], [box.left, box.right], started, Math.max(3, Math.floor(inner(box).w / 110)))
  return { box, x, t, pitch: inner(box).h / data.slots.length, data }
}

export function draw(pen: Pen, g: Gantt): void {
  const { t, box, pitch } = g
  xAxis(pen, t, box, g.x, "time")
  const thick = Math.max(1.5, Math.min(20, pitch * 0.68))
  g.data.slots.forEach((s, i) => {
    const y = box.top + (i + 0.5) * pitch
    pen.rect(box.left, y - thick / 2, inner(box).w, thick, t.grid, t.dark ? 0.55 : 0.7, 3)
    if (pitch >= 11)
      pen.text(box.left - 10, y, s.name.length > 8 ? `${s.name.slice(0, 7)}…` : s.name, {
        color: t.muted,
        size: 11,
        align: "end",
        base: "middle",
      })
    for (const p of s.spans) span(pen, g, p, y, thick)
  })
}

function span(pen: Pen, g: Gantt, p: Span, y: number, thick: number): void {
  const x0 = Math.max(g.box.left, g.x(p.t0))
  const x1 = Math.min(g.box.right, g.x(p.t1))
  if (x1 < x0) return
  const w = Math.max(1, x1 - x0 - (x1 - x0 > 4 ? 1 : 0))
  const color = p.ok === false ? g.t.bad : g.t.accent
  pen.rect(
    x0,
    y - thick / 2,
    w,
    thick,
    color,
    p.ok === null ? 0.4 : p.ok ? (p.segment % 2 ? 0.72 : 0.85) : 1,
    Math.min(2.5, thick / 3),
  )
  if (w > 26 && thick > 12 && p.merged <= 1)
    pen.text(x0 + w / 2, y + 0.5, `m${p.member}`, {
      color: g.t.dark ? "#0b0e12" : "#ffffff",
      size: 10,
      align: "middle",
      base: "middle",
      weight: 600,
    })
}

export function hit(g: Gantt, mx: number, my: number): GanttHit | null {
  const i = Math.floor((my - g.box.top) / g.pitch)
  const s = g.data.slots[i]
  if (!s || mx < g.box.left) return null
  const at = g.x.invert(mx)
  const slack = g.x.invert(mx + 2) - at
  const p = s.spans.findLast(v => at >= v.t0 - slack && at <= v.t1 + slack)
  return p ? { span: p, slot: s.name, x: mx, y: g.box.top + (i + 0.5) * g.pitch } : null
}

export function over(pen: Pen, g: Gantt, h: GanttHit): void {
  const thick = Math.max(4, Math.min(22, g.pitch * 0.8))
  const x0 = Math.max(g.box.left, g.x(h.span.t0))
  pen.rect(x0, h.y - thick / 2, Math.max(3, g.x(h.span.t1) - x0), thick, g.t.ink, 0.35, 3)
}
