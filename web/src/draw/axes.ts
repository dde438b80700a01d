import type { Pen } from "./pen"
import type { Scale } from "./scale"
import type { Theme } from "./theme"

export interface Box {
  left: number
  top: number
  right: number
  bottom: number
}

/** what an axis with its name takes up below a figure */
export const FOOT = 40

export const inner = (b: Box) => ({ w: Math.max(1, b.right - b.left), h: Math.max(1, b.bottom - b.top) })

/** horizontal rules and labels at the left: no box, no tick marks */
export function yAxis(pen: Pen, t: Theme, b: Box, y: Scale, title?: string): void {
  for (const v of y.ticks) {
    const p = Math.round(y(v)) + 0.5
    if (p < b.top - 1 || p > b.bottom + 1) continue
    pen.line([b.left, b.right], [p, p], { color: t.grid, width: 1 })
    pen.text(b.left - 8, p, y.format(v), { color: t.muted, size: 11, align: "end", base: "middle" })
  }
  if (title) pen.text(b.left - 8 < 30 ? 0 : 2, b.top - 12, title, { color: t.muted, size: 11, base: "middle" })
}

export function xAxis(pen: Pen, t: Theme, b: Box, x: Scale, title?: string): void {
  const y = Math.round(b.bottom) + 0.5
  pen.line([b.left, b.right], [y, y], { color: t.faint, width: 1, alpha: 0.6 })
  for (const v of x.ticks) {
    const p = Math.round(x(v)) + 0.5
    if (p < b.left - 1 || p > b.right + 1) continue
    pen.line([p, p], [y, y + 4], { color: t.faint, width: 1, alpha: 0.6 })
    const label = x.format(v)
    pen.text(p, y + 8, label, { color: t.muted, size: 11, align: p - label.length * 3 < 0 ? "start" : "middle", base: "top" })
  }
  if (title) pen.text(b.right, y + 23, `${title} →`, { color: t.muted, size: 11, align: "end", base: "top" })
}

export function arrow(
  pen: Pen,
  x0: number,
  y0: number,
  x1: number,
  y1: number,
  bend: number,
  s: { color: string; alpha: number; width: number },
): void {
  const mx = Math.max(x0, x1) + bend
  pen.path(
    [
      ["M", x0, y0],
      ["C", mx, y0 + (y1 - y0) * 0.15, mx, y1 - (y1 - y0) * 0.15, x1, y1],
    ],
    s,
  )
}
