import type { ComponentChildren } from "preact"
import { useCallback, useEffect, useMemo, useRef, useState } from "preact/hooks"
import { api } from "../api/client"
import type { Curves, Num, SegmentDetail } from "../api/types"
import { wantsLog, yExtent } from "../data/curves"
import { csv } from "../data/export"
import { type Branch, forest } from "../data/forest"
import { formatScore, plural, thousands } from "../data/format"
import * as pop from "../draw/population"
import type { Theme } from "../draw/theme"
import { run } from "../state/live"
import { useResource } from "../state/resource"
import { openSegment, param, runId, setParams } from "../state/route"
import { Card, Downloads, MemberTag, Segmented, Toggle, Waiting } from "../ui/bits"
import { Chart, type ChartHandle, type Figure } from "../ui/Chart"
import { Leader } from "./Leader"

export function Population() {
  const id = runId.value
  const by = param("by") === "member" ? "member" : "lineage"
  const x = param("x") === "time" ? "time" : "step"
  const small = (run.value?.population ?? 0) <= SMALL
  const { data: both, error, loading } = useResource(`${id}/${by}/${x}`, s => curvesAndBranches(id, by, x, small, s))
  const data = both?.curves ?? null
  const handle = useRef<ChartHandle>(null)
  return (
    <div class="first">
      <Card
        title="Population"
        class="main"
        sub={
          by === "lineage"
            ? "A line follows weights from where they were copied to where they were given up."
            : "A line follows a member, and jumps where it copied another's weights."
        }
        tools={
          <Tools by={by} x={x} scores={data && (both?.branches ?? data.series)}>
            <Downloads name={`scores-by-${by}`} chart={handle} csv={() => curvesCsv(data)} json={() => data} />
          </Tools>
        }
      >
        {data?.series.some(s => s.x.length) ? (
          <Scores curves={data} branches={both?.branches ?? null} handle={handle} />
        ) : (
          <Waiting error={error} loading={loading} empty="No segment has finished yet. The first scores appear here." />
        )}
        {data?.series.some(s => s.x.length) && <Legend curves={data} branches={both?.branches ?? null} />}
      </Card>
      <Leader />
    </div>
  )
}

interface ToolsProps {
  by: "lineage" | "member"
  x: "step" | "time"
  scores: readonly { x: number[]; y: Num[] }[] | null
  children: ComponentChildren
}

function Tools({ by, x, scores, children }: ToolsProps) {
  const off = (name: string) => param(name) === "off"
  const goal = run.value?.goal ?? "maximize"
  const range = scores && yExtent(scores, Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY, goal, false)
  return (
    <>
      <Segmented
        label="One line per"
        value={by}
        options={[
          ["lineage", "Lineages"],
          ["member", "Members"],
        ]}
        onChange={v => setParams({ by: v === "lineage" ? "" : v })}
      />
      <Segmented
        label="Horizontal axis"
        value={x}
        options={[
          ["step", "Step"],
          ["time", "Time"],
        ]}
        onChange={v => setParams({ x: v === "step" ? "" : v, zoom: "" })}
      />
      <Toggle label="Spread" on={!off("band")} onChange={on => setParams({ band: on ? "" : "off" })} />
      <Toggle label="Copies" on={!off("copies")} onChange={on => setParams({ copies: on ? "" : "off" })} />
      <Toggle
        label="Log"
        on={logOf(param("log")) ?? wantsLog(range, goal)}
        onChange={on => setParams({ log: on ? "on" : "off" })}
      />
      <Toggle label="Top only" on={param("top") === "on"} onChange={on => setParams({ top: on ? "on" : "" })} />
      {param("zoom") && (
        <button type="button" class="quiet" onClick={() => setParams({ zoom: "" })}>
          Whole range
        </button>
      )}
      {children}
    </>
  )
}

const SMALL = 64 // members; of more, the branches that were given up are not drawn

async function curvesAndBranches(
  id: string,
  by: "lineage" | "member",
  x: "step" | "time",
  small: boolean,
  s: AbortSignal,
): Promise<{ curves: Curves; branches: Branch[] | null }> {
  const own = small || by === "member" ? api.curves(id, { by: "member", x, points: POINTS }, s) : null
  const [curves, members] = await Promise.all([by === "member" ? own! : api.curves(id, { by, x, points: POINTS }, s), own])
  return { curves, branches: members && small ? forest(members) : null }
}

const POINTS = 400

/** the reader's choice of a logarithmic axis; null: none */
const logOf = (s: string): boolean | null => (s === "on" ? true : s === "off" ? false : null)

function Scores({
  curves,
  branches,
  handle,
}: {
  curves: Curves
  branches: Branch[] | null
  handle: { current: ChartHandle | null }
}) {
  const r = run.value
  const zoomText = param("zoom")
  const focus = param("top") === "on"
  const log = logOf(param("log"))
  const band = param("band") !== "off"
  const copies = param("copies") !== "off"
  const goal = r?.goal ?? "maximize"
  const metric = r?.metric ?? "score"
  const started = r?.started_at ?? 0
  const bestSegment = r?.best?.segment ?? 0
  const bestMember = r?.best?.member ?? 0
  const make = useCallback(
    (w: number, h: number, t: Theme): Figure<pop.Point> => {
      const z = zoomText.split("_").map(Number)
      const zoom = z.length === 2 && z.every(Number.isFinite) && z[0]! < z[1]! ? ([z[0]!, z[1]!] as [number, number]) : null
      const p = pop.plot(
        {
          curves,
          goal,
          metric,
          started,
          zoom,
          focus,
          log,
          band,
          copies,
          branches,
          best: bestSegment ? { segment: bestSegment, member: bestMember } : null,
        },
        w,
        h,
        t,
      )
      if (!p) return { draw: () => undefined }
      return {
        draw: pen => pop.draw(pen, p),
        hit: (px, py) => pop.hit(p, px, py),
        over: (pen, at) => pop.over(pen, p, at),
        anchor: at => ({
          x: p.x(at.series.x[at.i]!),
          y: Math.min(h - 120, Math.max(8, p.y(at.series.y[at.i] ?? p.y.domain[0]) - 40)),
        }),
        tip: at => <PointTip at={at} x={curves.x} />,
        move: (at, key) => pop.move(p, at, key),
        again: at => pop.again(p, at),
        drag: (x0, _y0, x1, _y1, done) => {
          const a = p.x.invert(Math.max(p.box.left, Math.min(x0, x1)))
          const b = p.x.invert(Math.min(p.box.right, Math.max(x0, x1)))
          if (done && b > a) setParams({ zoom: `${Math.round(a)}_${Math.round(b)}` })
        },
        dragOver: (pen, x0, _y0, x1) =>
          pen.rect(Math.min(x0, x1), p.box.top, Math.abs(x1 - x0), p.box.bottom - p.box.top, t.accent, 0.14),
      }
    },
    [curves, branches, bestSegment, bestMember, goal, metric, started, zoomText, focus, log, band, copies],
  )
  const best = r?.best
  const label = `Scores of ${plural(curves.series.length, curves.by === "lineage" ? "lineage" : "member")} against ${curves.x}; ${plural(curves.copies.length, "copy", "copies")}. ${best ? `Best ${formatScore(best.score)} by member ${best.member}.` : ""} Arrow keys walk through the points, Enter opens a segment.`
  const height = innerWidth < 640 ? 300 : 440
  return (
    <Chart<pop.Point>
      make={make}
      height={height}
      label={label}
      handle={handle}
      onPick={at => openSegment(at.series.segments[at.i] ?? null)}
      onReset={() => setParams({ zoom: "" })}
    />
  )
}

const cache = new Map<string, SegmentDetail>()

/** the decision that a point began with, asked for when the pointer rests on it */
function PointTip({ at, x }: { at: pop.Point; x: string }) {
  const segment = at.series.segments[at.i] ?? 0
  const key = `${runId.value}/${segment}`
  const [known, setKnown] = useState<SegmentDetail | null>(cache.get(key) ?? null)
  useEffect(() => {
    setKnown(cache.get(key) ?? null)
    if (cache.has(key) || !segment) return
    const abort = new AbortController()
    const timer = setTimeout(async () => {
      const s = await api.segment(runId.value, segment, abort.signal).catch(() => null)
      if (!s || abort.signal.aborted) return
      if (cache.size > 300) cache.clear()
      if (s.state === "finished") cache.set(key, s)
      setKnown(s)
    }, 90)
    return () => {
      clearTimeout(timer)
      abort.abort()
    }
  }, [key, segment])
  return (
    <>
      <p class="tip-head">
        <MemberTag id={known?.member ?? at.series.member} root={at.series.root} />
        <b>{formatScore(at.series.y[at.i] ?? null)}</b>
        <span>
          {x === "step" ? `step ${thousands(at.series.x[at.i]!)}` : known ? `step ${thousands(known.from + known.steps)}` : ""}
        </span>
      </p>
      <p class="tip-say">{known ? known.say : " "}</p>
      <p class="tip-foot">segment {segment}</p>
    </>
  )
}

function Legend({ curves, branches }: { curves: Curves; branches: Branch[] | null }) {
  const roots = useMemo(() => new Set((branches ?? curves.series).map(s => s.root)).size, [curves, branches])
  return (
    <p class="legend">
      <span class="key win">winning lineage</span>
      <span class="key line">{curves.by === "lineage" ? "other lineages" : "other members"}</span>
      {param("copies") !== "off" && <span class="key arc">copy: from the score given up to the donor's</span>}
      {param("band") !== "off" && <span class="key band">10–90 % and 25–75 % of the population, median dotted</span>}
      <span>
        {roots === 1
          ? "One colour: all weights descend from one initial member."
          : "A colour is the initial member that the weights descend from."}{" "}
        Drag to zoom, click for a segment.
      </span>
      {curves.decimated && <span>Lines are thinned out by the server.</span>}
    </p>
  )
}

function curvesCsv(c: Curves | null): string {
  const rows = (c?.series ?? []).flatMap(s =>
    s.x.map((x, i) => [s.member, s.root, s.winning, s.segments[i] ?? "", x, s.y[i] ?? ""]),
  )
  return csv(["member", "root", "winning", "segment", c?.x ?? "step", "score"], rows)
}
