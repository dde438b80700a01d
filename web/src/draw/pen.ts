// What a figure is drawn with. A figure is written once and comes out on a canvas (fast, on the page, PNG) or as SVG (to download).

export interface Stroke {
  color: string
  width?: number
  alpha?: number
  dash?: number[]
}

export interface TextStyle {
  color: string
  size?: number
  align?: "start" | "middle" | "end"
  base?: "top" | "middle" | "alphabetic"
  weight?: number
  halo?: string
}

export type Cmd =
  | readonly ["M" | "L", number, number]
  | readonly ["C", number, number, number, number, number, number]
  | readonly ["Z"]

export interface Pen {
  line(xs: ArrayLike<number>, ys: ArrayLike<number>, s: Stroke): void // NaN lifts the pen
  path(cmds: readonly Cmd[], s: Partial<Stroke> & { fill?: string; fillAlpha?: number }): void
  rect(x: number, y: number, w: number, h: number, fill: string, alpha?: number, radius?: number): void
  circle(x: number, y: number, r: number, fill: string, stroke?: string, width?: number): void
  text(x: number, y: number, text: string, s: TextStyle): void
  clip(x: number, y: number, w: number, h: number, inside: () => void): void
}

export const FONT = 'Inter, ui-sans-serif, system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif'

export class CanvasPen implements Pen {
  constructor(private readonly c: CanvasRenderingContext2D) {
    c.lineJoin = "round"
    c.lineCap = "round"
  }

  private stroke(s: Partial<Stroke>): void {
    this.c.globalAlpha = s.alpha ?? 1
    this.c.strokeStyle = s.color ?? "#000"
    this.c.lineWidth = s.width ?? 1
    this.c.setLineDash(s.dash ?? [])
    this.c.stroke()
    this.c.globalAlpha = 1
  }

  line(xs: ArrayLike<number>, ys: ArrayLike<number>, s: Stroke): void {
    const c = this.c
    c.beginPath()
    let down = false
    for (let i = 0; i < xs.length; i++) {
      const x = xs[i]!
      const y = ys[i]!
      if (x !== x || y !== y) down = false
      else if (down) c.lineTo(x, y)
      else {
        c.moveTo(x, y)
        down = true
      }
    }
    this.stroke(s)
  }

  path(cmds: readonly Cmd[], s: Partial<Stroke> & { fill?: string; fillAlpha?: number }): void {
    const c = this.c
    c.beginPath()
    for (const k of cmds) {
      if (k[0] === "M") c.moveTo(k[1], k[2])
      else if (k[0] === "L") c.lineTo(k[1], k[2])
      else if (k[0] === "C") c.bezierCurveTo(k[1], k[2], k[3], k[4], k[5], k[6])
      else c.closePath()
    }
    if (s.fill) {
      c.globalAlpha = s.fillAlpha ?? 1
      c.fillStyle = s.fill
      c.fill()
      c.globalAlpha = 1
    }
    if (s.color) this.stroke(s)
  }

  rect(x: number, y: number, w: number, h: number, fill: string, alpha = 1, radius = 0): void {
    const c = this.c
    c.globalAlpha = alpha
    c.fillStyle = fill
    if (radius > 0) {
      c.beginPath()
      c.roundRect(x, y, w, h, Math.min(radius, w / 2, h / 2))
      c.fill()
    } else c.fillRect(x, y, w, h)
    c.globalAlpha = 1
  }

  circle(x: number, y: number, r: number, fill: string, stroke?: string, width = 1): void {
    const c = this.c
    c.beginPath()
    c.arc(x, y, r, 0, 2 * Math.PI)
    c.fillStyle = fill
    c.fill()
    if (stroke) this.stroke({ color: stroke, width })
  }

  text(x: number, y: number, text: string, s: TextStyle): void {
    const c = this.c
    c.font = `${s.weight ?? 400} ${s.size ?? 12}px ${FONT}`
    c.textAlign = s.align === "middle" ? "center" : (s.align ?? "start")
    c.textBaseline = s.base ?? "alphabetic"
    if (s.halo) {
      c.lineWidth = 4
      c.setLineDash([])
      c.strokeStyle = s.halo
      c.strokeText(text, x, y)
    }
    c.fillStyle = s.color
    c.fillText(text, x, y)
  }

  clip(x: number, y: number, w: number, h: number, inside: () => void): void {
    this.c.save()
    this.c.beginPath()
    this.c.rect(x, y, w, h)
    this.c.clip()
    inside()
    this.c.restore()
  }
}

const r2 = (x: number) => String(Math.round(x * 100) / 100)
const esc = (s: string) => s.replace(/[&<>"']/g, c => `&#${c.charCodeAt(0)};`).replace(/[\u0000-\u0008\u000b-\u001f]/g, "\ufffd")

export class SvgPen implements Pen {
  private readonly out: string[] = []
  private clips = 0

  private strokeAttrs(s: Partial<Stroke>): string {
    const a = s.alpha !== undefined && s.alpha !== 1 ? ` stroke-opacity="${r2(s.alpha)}"` : ""
    const d = s.dash?.length ? ` stroke-dasharray="${s.dash.map(r2).join(" ")}"` : ""
    return ` stroke="${esc(s.color ?? "none")}" stroke-width="${r2(s.width ?? 1)}"${a}${d} stroke-linejoin="round" stroke-linecap="round"`
  }

  line(xs: ArrayLike<number>, ys: ArrayLike<number>, s: Stroke): void {
    let d = ""
    let down = false
    for (let i = 0; i < xs.length; i++) {
      const x = xs[i]!
      const y = ys[i]!
      if (x !== x || y !== y) {
        down = false
        continue
      }
      d += `${down ? "L" : "M"}${r2(x)} ${r2(y)}`
      down = true
    }
    if (d) this.out.push(`<path d="${d}" fill="none"${this.strokeAttrs(s)}/>`)
  }

  path(cmds: readonly Cmd[], s: Partial<Stroke> & { fill?: string; fillAlpha?: number }): void {
    const d = cmds.map(k => k[0] + (k.slice(1) as number[]).map(r2).join(" ")).join("")
    const fill = s.fill ? `fill="${esc(s.fill)}" fill-opacity="${r2(s.fillAlpha ?? 1)}"` : 'fill="none"'
    this.out.push(`<path d="${d}" ${fill}${s.color ? this.strokeAttrs(s) : ""}/>`)
  }

  rect(x: number, y: number, w: number, h: number, fill: string, alpha = 1, radius = 0): void {
    const rx = radius ? ` rx="${r2(radius)}"` : ""
    this.out.push(
      `<rect x="${r2(x)}" y="${r2(y)}" width="${r2(Math.max(0, w))}" height="${r2(Math.max(0, h))}" fill="${esc(fill)}" fill-opacity="${r2(alpha)}"${rx}/>`,
    )
  }

  circle(x: number, y: number, r: number, fill: string, stroke?: string, width = 1): void {
    this.out.push(
      `<circle cx="${r2(x)}" cy="${r2(y)}" r="${r2(r)}" fill="${esc(fill)}"${stroke ? this.strokeAttrs({ color: stroke, width }) : ""}/>`,
    )
  }

  text(x: number, y: number, text: string, s: TextStyle): void {
    const base = s.base === "top" ? "hanging" : s.base === "middle" ? "central" : "alphabetic"
    const halo = s.halo ? ` paint-order="stroke" stroke="${esc(s.halo)}" stroke-width="4"` : ""
    this.out.push(
      `<text x="${r2(x)}" y="${r2(y)}" fill="${esc(s.color)}" font-size="${s.size ?? 12}" font-weight="${s.weight ?? 400}" text-anchor="${s.align ?? "start"}" dominant-baseline="${base}"${halo}>${esc(text)}</text>`,
    )
  }

  clip(x: number, y: number, w: number, h: number, inside: () => void): void {
    const id = `c${++this.clips}`
    this.out.push(
      `<clipPath id="${id}"><rect x="${r2(x)}" y="${r2(y)}" width="${r2(w)}" height="${r2(h)}"/></clipPath><g clip-path="url(#${id})">`,
    )
    inside()
    this.out.push("</g>")
  }

  toString(w: number, h: number, background: string, title: string): string {
    const head = `<svg xmlns="http://www.w3.org/2000/svg" width="${w}" height="${h}" viewBox="0 0 ${w} ${h}" font-family="${esc(FONT)}">`
    return `${head}<title>${esc(title)}</title><rect width="${w}" height="${h}" fill="${background}"/>${this.out.join("")}</svg>\n`
  }
}
