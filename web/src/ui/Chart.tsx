// A figure on the page: two canvases (the figure, and what the pointer adds), a tip, keys, and the same figure as SVG or PNG.
import type { ComponentChildren, RefObject } from "preact"
import { useImperativeHandle, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks"
import { CanvasPen, type Pen, SvgPen } from "../draw/pen"
import type { Theme } from "../draw/theme"
import { theme as themeSignal } from "../state/prefs"

export interface Figure<H> {
  draw(pen: Pen): void
  hit?(x: number, y: number): H | null
  over?(pen: Pen, h: H): void
  anchor?(h: H): { x: number; y: number }
  tip?(h: H): ComponentChildren
  move?(h: H | null, key: string): H | null // the arrow keys
  again?(h: H): H | null // the same place after the data have changed
  drag?(x0: number, y0: number, x1: number, y1: number, done: boolean): void
  dragOver?(pen: Pen, x0: number, y0: number, x1: number, y1: number): void
}

export type MakeFigure<H> = (w: number, h: number, t: Theme) => Figure<H>

export interface ChartHandle {
  svg(): string
  png(): Promise<Blob | null>
}

interface Props<H> {
  make: MakeFigure<H>
  height: number
  label: string
  onPick?: (h: H) => void
  onHover?: (h: H | null) => void
  onReset?: () => void
  handle?: RefObject<ChartHandle | null>
  live?: boolean
}

function fit(canvas: HTMLCanvasElement | null, w: number, h: number): CanvasRenderingContext2D | null {
  if (!canvas) return null
  const r = Math.min(3, devicePixelRatio || 1)
  const pw = Math.round(w * r)
  const ph = Math.round(h * r)
  if (canvas.width !== pw || canvas.height !== ph) {
    canvas.width = pw
    canvas.height = ph
  }
  const c = canvas.getContext("2d")
  if (!c) return null
  c.setTransform(r, 0, 0, r, 0, 0)
  c.clearRect(0, 0, w, h)
  return c
}

function useWidth(ref: RefObject<HTMLDivElement | null>): number {
  const [w, setW] = useState(0)
  useLayoutEffect(() => {
    const el = ref.current
    if (!el) return
    setW(el.clientWidth)
    const o = new ResizeObserver(() => setW(el.clientWidth))
    o.observe(el)
    return () => o.disconnect()
  }, [ref])
  return w
}

const KEYS = ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End"]

interface Drag {
  x0: number
  y0: number
  x1: number
  y1: number
}

interface Gestures<H> {
  figure: Figure<H> | null
  box: RefObject<HTMLDivElement | null>
  hit: H | null
  drag: Drag | null
  setDrag: (d: Drag | null) => void
  pointer: { current: [number, number] | null }
  show: (h: H | null) => void
  onPick: ((h: H) => void) | undefined
}

/** pointing, dragging, clicking, and the arrow keys */
function useGestures<H>({ figure, box, hit, drag, setDrag, pointer, show, onPick }: Gestures<H>) {
  const dragged = useRef(false)
  const at = (e: PointerEvent): [number, number] => {
    const r = box.current!.getBoundingClientRect()
    return [e.clientX - r.left, e.clientY - r.top]
  }
  const move = (e: PointerEvent) => {
    const [x, y] = at(e)
    if (drag) {
      setDrag({ ...drag, x1: x, y1: y })
      figure?.drag?.(drag.x0, drag.y0, x, y, false)
    } else {
      pointer.current = [x, y]
      show(figure?.hit?.(x, y) ?? null)
    }
  }
  const down = (e: PointerEvent) => {
    dragged.current = false
    if (!figure?.drag || e.button !== 0 || e.pointerType === "touch") return
    const [x, y] = at(e)
    ;(e.currentTarget as Element).setPointerCapture(e.pointerId)
    setDrag({ x0: x, y0: y, x1: x, y1: y })
  }
  const up = (e: PointerEvent) => {
    if (!drag) return
    const [x, y] = at(e)
    setDrag(null)
    dragged.current = Math.hypot(x - drag.x0, y - drag.y0) > 6
    if (dragged.current) figure?.drag?.(drag.x0, drag.y0, x, y, true)
  }
  const click = (e: MouseEvent) => {
    if (dragged.current) return
    const [x, y] = at(e as PointerEvent)
    const h = figure?.hit?.(x, y) ?? null
    if (h !== null) onPick?.(h)
  }
  const key = (e: KeyboardEvent) => {
    if (KEYS.includes(e.key) && figure?.move) {
      e.preventDefault()
      pointer.current = null
      show(figure.move(hit, e.key))
    } else if (e.key === "Enter" && hit !== null) onPick?.(hit)
    else if (e.key === "Escape" && hit !== null) {
      e.stopPropagation()
      show(null)
    }
  }
  const leave = () => {
    pointer.current = null
    if (!drag) show(null)
  }
  return { move, down, up, click, key, leave }
}

export function Chart<H>({ make, height, label, onPick, onHover, onReset, handle, live = true }: Props<H>) {
  const box = useRef<HTMLDivElement>(null)
  const base = useRef<HTMLCanvasElement>(null)
  const over = useRef<HTMLCanvasElement>(null)
  const [hit, setHit] = useState<H | null>(null)
  const [drag, setDrag] = useState<Drag | null>(null)
  const width = useWidth(box)
  const t = themeSignal.value
  const figure = useMemo(() => (width > 0 ? make(width, height, t) : null), [make, width, height, t])
  const pointer = useRef<[number, number] | null>(null)

  useLayoutEffect(() => {
    // new data: what was pointed at is looked for again
    if (hit === null) return
    const p = pointer.current
    setHit(p ? (figure?.hit?.(...p) ?? null) : (figure?.again?.(hit) ?? null))
  }, [figure])

  useLayoutEffect(() => {
    const c = fit(base.current, width, height)
    if (c && figure) figure.draw(new CanvasPen(c))
  }, [figure, width, height])

  useLayoutEffect(() => {
    const c = fit(over.current, width, height)
    if (!c || !figure) return
    const pen = new CanvasPen(c)
    if (drag && figure.dragOver) figure.dragOver(pen, drag.x0, drag.y0, drag.x1, drag.y1)
    else if (hit !== null) figure.over?.(pen, hit)
  }, [figure, hit, drag, width, height])

  useImperativeHandle(handle ?? { current: null }, () => ({
    svg: () => {
      const pen = new SvgPen()
      figure?.draw(pen)
      return pen.toString(width, height, t.bg, label)
    },
    png: () => pngOf(figure, width, height, t),
  }))

  const show = (h: H | null) => {
    setHit(h)
    onHover?.(h)
  }
  const on = useGestures({ figure, box, hit, drag, setDrag, pointer, show, onPick })
  return (
    <div
      ref={box}
      class="chart"
      style={{ height: `${height}px` }}
      role="group"
      aria-label={label}
      aria-roledescription="figure"
      tabIndex={figure?.move ? 0 : undefined}
      onPointerMove={on.move}
      onPointerDown={on.down}
      onPointerUp={on.up}
      onPointerLeave={on.leave}
      onClick={on.click}
      onDblClick={() => onReset?.()}
      onKeyDown={on.key}
    >
      <canvas ref={base} aria-hidden="true" />
      <canvas ref={over} aria-hidden="true" />
      {hit !== null && !drag && figure?.tip && (
        <Tip at={figure.anchor?.(hit) ?? { x: 0, y: 0 }} width={width} live={live}>
          {figure.tip(hit)}
        </Tip>
      )}
    </div>
  )
}

function Tip({
  at,
  width,
  live,
  children,
}: {
  at: { x: number; y: number }
  width: number
  live: boolean
  children: ComponentChildren
}) {
  const left = at.x > width * 0.6
  const style = left
    ? { right: `${Math.round(width - at.x + 14)}px`, top: `${Math.round(at.y)}px` }
    : { left: `${Math.round(at.x + 14)}px`, top: `${Math.round(at.y)}px` }
  return (
    <div class="tip" style={style} aria-live={live ? "polite" : undefined}>
      {children}
    </div>
  )
}

async function pngOf<H>(figure: Figure<H> | null, w: number, h: number, t: Theme): Promise<Blob | null> {
  const canvas = document.createElement("canvas")
  canvas.width = w * 2
  canvas.height = h * 2
  const c = canvas.getContext("2d")
  if (!c || !figure) return null
  c.scale(2, 2)
  c.fillStyle = t.bg
  c.fillRect(0, 0, w, h)
  figure.draw(new CanvasPen(c))
  return new Promise(done => canvas.toBlob(done, "image/png"))
}
