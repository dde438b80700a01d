import { useCallback, useMemo, useRef } from "preact/hooks"
import { api } from "../api/client"
import type { ParallelRow } from "../api/types"
import { csv } from "../data/export"
import { formatScore, formatValue, plural, thousands } from "../data/format"
import * as par from "../draw/parallel"
import { ramp, type Theme } from "../draw/theme"
import { run } from "../state/live"
import { theme } from "../state/prefs"
import { useResource } from "../state/resource"
import { openSegment, param, runId, setParams } from "../state/route"
import { Card, Downloads, Waiting } from "../ui/bits"
import { Chart, type ChartHandle, type Figure } from "../ui/Chart"

/** brushes live in the address: name~from~to, several with a comma between */
export function parseBrushes(text: string): par.Brushes {
  const out: Record<string, readonly [number, number]> = {}
  for (const part of text.split(",")) {
    const [name, lo, hi] = part.split("~")
    const a = Number(lo)
    const b = Number(hi)
    if (name && lo && hi && Number.isFinite(a) && Number.isFinite(b)) out[safeDecode(name)] = [Math.min(a, b), Math.max(a, b)]
  }
  return out
}

function safeDecode(s: string): string {
  try {
    return decodeURIComponent(s)
  } catch {
    return s
  }
}

export const formatBrushes = (b: par.Brushes): string =>
  Object.entries(b)
    .map(
      ([k, [lo, hi]]) =>
        `${encodeURIComponent(k).replace(/~/g, "%7E")}~${Number(lo.toPrecision(5))}~${Number(hi.toPrecision(5))}`,
    )
    .join(",")

export function ParallelCard() {
  const id = runId.value
  const r = run.value
  const { data, error, loading } = useResource(`${id}/parallel`, s => api.parallel(id, 400, s), true, 1500)
  const handle = useRef<ChartHandle>(null)
  const brushText = param("brush")
  const brushes = useMemo(() => parseBrushes(brushText), [brushText])
  const rows = data?.rows ?? []
  const hypers = (r?.hypers ?? []).filter(h => h.kind !== "constant").slice(0, 10)
  const set = (b: par.Brushes) => setParams({ brush: formatBrushes(b) })
  const without = (name: string) => set(Object.fromEntries(Object.entries(brushes).filter(([k]) => k !== name)))
  return (
    <Card
      title="Which values score well"
      sub={`Each line is a segment: its hyperparameters and the score it ended with, ${plural(rows.length, "segment")} shown. Drag along an axis to keep a range; click a line to open it.`}
      tools={
        <Downloads
          name="parallel"
          chart={handle}
          csv={() =>
            csv(
              ["segment", "member", "step", "score", "winning", ...hypers.map(h => h.name)],
              rows.map(x => [x.segment, x.member, x.step, x.score, x.winning, ...hypers.map(h => x.hypers[h.name])]),
            )
          }
          json={() => rows}
        />
      }
    >
      {rows.length ? (
        <ParallelChart rows={rows} brushes={brushes} set={set} handle={handle} />
      ) : (
        <Waiting error={error} loading={loading} empty="No segment has finished yet." />
      )}
      <div class="legend">
        <Ramp goal={r?.goal ?? "maximize"} />
        {Object.entries(brushes).map(([name, [lo, hi]]) => (
          <span class="chip" key={name}>
            {name}: {rangeText(name, lo, hi)}
            <button type="button" aria-label={`Remove the range of ${name}`} onClick={() => without(name)}>
              ×
            </button>
          </span>
        ))}
      </div>
      <RangeForm brushes={brushes} set={set} />
    </Card>
  )
}

function rangeText(name: string, lo: number, hi: number): string {
  const values = run.value?.hypers.find(h => h.name === name)?.values
  if (!values) return `${formatValue(lo)} to ${formatValue(hi)}`
  return (
    values
      .filter((_, i) => i >= lo && i <= hi)
      .map(formatValue)
      .join(", ") || "none"
  )
}

function Ramp({ goal }: { goal: string }) {
  return (
    <span class="ramp">
      worst
      <i>
        {[0, 0.25, 0.5, 0.75, 1].map(f => (
          <b key={f} style={{ background: ramp(theme.value, f) }} />
        ))}
      </i>
      best score{goal === "minimize" ? " (lowest)" : ""}
    </span>
  )
}

/** the same as dragging, for the keyboard */
function RangeForm({ brushes, set }: { brushes: par.Brushes; set: (b: par.Brushes) => void }) {
  const name = useRef<HTMLSelectElement>(null)
  const lo = useRef<HTMLInputElement>(null)
  const hi = useRef<HTMLInputElement>(null)
  const names = ["score", ...(run.value?.hypers ?? []).filter(h => h.kind !== "constant" && !h.values).map(h => h.name)]
  const submit = (e: Event) => {
    e.preventDefault()
    const a = Number(lo.current?.value || Number.NEGATIVE_INFINITY)
    const b = Number(hi.current?.value || 1e300)
    if (name.current && !Number.isNaN(a) && !Number.isNaN(b)) set({ ...brushes, [name.current.value]: [Math.max(-1e300, a), b] })
  }
  return (
    <details class="range">
      <summary>Keep a range by numbers</summary>
      <form onSubmit={submit}>
        <label>
          Axis
          <select ref={name}>
            {names.map(n => (
              <option key={n}>{n}</option>
            ))}
          </select>
        </label>
        <label>
          from
          <input ref={lo} inputMode="decimal" size={8} />
        </label>
        <label>
          to
          <input ref={hi} inputMode="decimal" size={8} />
        </label>
        <button type="submit" class="quiet">
          Keep
        </button>
      </form>
    </details>
  )
}

function ParallelChart({
  rows,
  brushes,
  set,
  handle,
}: {
  rows: ParallelRow[]
  brushes: par.Brushes
  set: (b: par.Brushes) => void
  handle: { current: ChartHandle | null }
}) {
  const r = run.value
  const hypers = useMemo(() => (r?.hypers ?? []).filter(h => h.kind !== "constant").slice(0, 10), [r?.id])
  const goal = r?.goal ?? "maximize"
  const make = useCallback(
    (w: number, h: number, t: Theme): Figure<ParallelRow> => {
      const p = par.plot(rows, hypers, goal, brushes, w, h, t)
      if (!p) return { draw: () => undefined }
      const shown = p.rows.filter((_, i) => p.shown[i])
      return {
        draw: pen => par.draw(pen, p),
        hit: (x, y) => par.hit(p, x, y),
        over: (pen, row) => par.over(pen, p, row),
        anchor: () => ({ x: w * 0.62, y: 40 }),
        move: (row, key) => {
          const i = row ? shown.findIndex(s => s.segment === row.segment) : shown.length - 1
          const step = key === "ArrowUp" || key === "ArrowRight" ? 1 : key === "ArrowDown" || key === "ArrowLeft" ? -1 : 0
          return (
            shown[Math.min(shown.length - 1, Math.max(0, key === "Home" ? 0 : key === "End" ? shown.length - 1 : i + step))] ??
            null
          )
        },
        again: row => p.rows.find(v => v.segment === row.segment) ?? null,
        tip: row => (
          <>
            <p class="tip-head">
              <b>{formatScore(row.score)}</b>
              <span>
                m{row.member}, step {thousands(row.step)}
              </span>
            </p>
            <p class="tip-foot">{hypers.map(d => `${d.name} ${formatValue(row.hypers[d.name])}`).join(" · ")}</p>
          </>
        ),
        drag: (x0, y0, _x1, y1, done) => {
          const a = par.axisAt(p, x0)
          if (!a || !done || Math.abs(a.x - x0) > 40) return
          const inside = (y: number) => a.y.invert(Math.min(p.bottom, Math.max(p.top, y)))
          set({ ...brushes, [a.name]: [Math.min(inside(y0), inside(y1)), Math.max(inside(y0), inside(y1))] })
        },
        dragOver: (pen, x0, y0, _x1, y1) => {
          const a = par.axisAt(p, x0)
          if (a && Math.abs(a.x - x0) <= 40) pen.rect(a.x - 8, Math.min(y0, y1), 16, Math.abs(y1 - y0), t.accent, 0.3, 3)
        },
      }
    },
    [rows, hypers, goal, brushes],
  )
  return (
    <Chart<ParallelRow>
      make={make}
      height={340}
      label={`Parallel coordinates of ${rows.length} segments, coloured by score. Arrow keys walk from worst to best.`}
      handle={handle}
      onPick={row => openSegment(row.segment)}
      onReset={() => set({})}
    />
  )
}
