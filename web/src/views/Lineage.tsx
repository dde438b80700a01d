import { useCallback, useMemo, useRef } from "preact/hooks"
import { api, runPath } from "../api/client"
import type { Segment, Stretch } from "../api/types"
import { csv } from "../data/export"
import { formatScore, plural, thousands } from "../data/format"
import { shares } from "../data/tree"
import * as tree from "../draw/lineage"
import { hue, type Theme } from "../draw/theme"
import { run } from "../state/live"
import { theme } from "../state/prefs"
import { useResource } from "../state/resource"
import { openSegment, param, runId, setParams } from "../state/route"
import { Card, Downloads, MemberTag, Segmented, Waiting } from "../ui/bits"
import { Chart, type ChartHandle, type Figure } from "../ui/Chart"

export function LineageView() {
  const id = runId.value
  const layout = param("layout") === "tree" ? "tree" : "members"
  const x = param("x") === "step" || (layout === "tree" && param("x") !== "time") ? "step" : "time"
  const { data, error, loading } = useResource(`${id}/lineage`, s => api.lineage(id, s), true, 500)
  const handle = useRef<ChartHandle>(null)
  const list = data?.stretches ?? []
  const alive = useMemo(() => shares(list), [list])
  const survivors = alive.filter(a => a.alive > 0).length
  const tools = (
    <>
      <Segmented
        label="Layout"
        value={layout}
        options={[
          ["members", "Members"],
          ["tree", "Family tree"],
        ]}
        onChange={v => setParams({ layout: v === "members" ? "" : v, x: "" })}
      />
      <Segmented
        label="Horizontal axis"
        value={x}
        options={[
          ["step", "Step"],
          ["time", "Time"],
        ]}
        onChange={v => setParams({ x: v })}
      />
      <Downloads name="lineage" chart={handle} csv={() => lineageCsv(list)} json={() => list} />
    </>
  )
  return (
    <Card
      title="Lineage"
      sub={
        list.length
          ? `${survivors === 1 ? `One of ${plural(alive.length, "family", "families")} lives on in the whole population` : `${survivors} of ${plural(alive.length, "family", "families")} live on`}. A bar is one member's training between two copies; it has the colour of the initial member that its weights descend from.`
          : "Whose weights came from where."
      }
      tools={tools}
    >
      {list.length ? (
        <>
          <Roots alive={alive} />
          <Tree list={list} layout={layout} x={x} handle={handle} />
          <p class="legend">
            <span class="key ancestry">the winning ancestry</span>
            <span class="key wire">copy: weights and hyperparameters go to another member</span>
            <span>Hover for an ancestry, click for a segment.</span>
            {data?.decimated && <span>Of the dead branches, the server shows a sample.</span>}
          </p>
        </>
      ) : (
        <Waiting error={error} loading={loading} empty="No member has begun yet." />
      )}
    </Card>
  )
}

/** how the initial members share the population now */
function Roots({ alive }: { alive: { root: number; alive: number }[] }) {
  const only = param("root")
  const total = Math.max(
    1,
    alive.reduce((n, a) => n + a.alive, 0),
  )
  const living = alive.filter(a => a.alive)
  return (
    <div class="roots" role="group" aria-label="Show one family">
      {living.slice(0, 12).map(a => (
        <button
          key={a.root}
          type="button"
          class="chip"
          aria-pressed={only === String(a.root)}
          onClick={() => setParams({ root: only === String(a.root) ? "" : String(a.root) })}
        >
          <MemberTag id={a.root} root={a.root} />
          <span>{Math.round((100 * a.alive) / total)} %</span>
        </button>
      ))}
      <div class="share" aria-hidden="true">
        {living.map(a => (
          <i key={a.root} style={{ flexGrow: a.alive, background: hue(theme.value, a.root) }} />
        ))}
      </div>
    </div>
  )
}

function Tree({
  list,
  layout,
  x,
  handle,
}: {
  list: Stretch[]
  layout: "members" | "tree"
  x: "step" | "time"
  handle: { current: ChartHandle | null }
}) {
  const started = run.value?.started_at ?? 0
  const rootText = param("root")
  const bestSegment = run.value?.best?.segment ?? 0
  const bestStep = run.value?.best?.step ?? 0
  const options = useMemo<tree.Options>(
    () => ({
      stretches: list,
      layout,
      x,
      started,
      root: rootText === "" ? null : Number(rootText),
      best: bestSegment ? { segment: bestSegment, step: bestStep } : null,
    }),
    [list, layout, x, started, rootText, bestSegment, bestStep],
  )
  const rows = useMemo(() => tree.rowsOf(options), [options])
  const make = useCallback(
    (w: number, h: number, t: Theme): Figure<tree.TreeHit> => {
      const p = tree.plot(options, w, h, t)
      if (!p) return { draw: () => undefined }
      return {
        draw: pen => tree.draw(pen, p),
        hit: (px, py) => tree.hit(p, px, py),
        over: (pen, at) => tree.over(pen, p, at),
        anchor: at => ({ x: Math.min(p.box.right, Math.max(p.box.left, p.x(at.at))), y: Math.min(h - 100, at.bar.y + 10) }),
        move: (at, key) => tree.move(p, at, key),
        again: at => {
          const bar = p.of.get(at.bar.s.id)
          return bar ? { bar, at: at.at } : null
        },
        tip: at => <StretchTip s={at.bar.s} />,
      }
    },
    [options],
  )
  const pitch = rows > 400 ? 1 : rows > 120 ? 5 : rows > 40 ? 11 : layout === "tree" ? 15 : 24
  const height = Math.min(1400, Math.max(220, rows * pitch + 44))
  return (
    <Chart<tree.TreeHit>
      make={make}
      height={height}
      label={`Family tree of ${plural(list.length, "stretch", "stretches")} of training in ${rows} rows. Arrow keys walk, Enter opens a segment.`}
      handle={handle}
      onPick={at => void pickSegment(at, x)}
    />
  )
}

function StretchTip({ s }: { s: Stretch }) {
  return (
    <>
      <p class="tip-head">
        <MemberTag id={s.member} root={s.root} />
        <b>{formatScore(s.score)}</b>
        <span>{s.winning ? "in the winning ancestry" : s.alive ? "alive" : "given up"}</span>
      </p>
      <p class="tip-say">
        {s.action === "copy"
          ? "Began with a copy"
          : s.action === "start"
            ? "Began with fresh weights"
            : `Began with: ${s.action}`}
        , steps {thousands(s.from)} to {thousands(s.to)}.
      </p>
      <p class="tip-foot">
        {s.first === s.last ? `segment ${s.first}` : `segments ${s.first} … ${s.last}`}, descends from m{s.root}
      </p>
    </>
  )
}

/** the segment of the stretch that is under the pointer */
async function pickSegment(at: tree.TreeHit, x: "step" | "time"): Promise<void> {
  const { s } = at.bar
  if (s.first === s.last) return openSegment(s.first)
  const res = await fetch(runPath(runId.value, `/segments?member=${s.member}&after=${s.first - 1}&limit=500`)).catch(() => null)
  const list = res?.ok ? ((await res.json()) as { segments: Segment[] }).segments.filter(g => g.id <= s.last) : []
  const found = list.find(g => (x === "step" ? at.at <= g.from + g.steps : at.at <= (g.finished_at ?? Number.POSITIVE_INFINITY)))
  openSegment(found?.id ?? s.last)
}

function lineageCsv(list: Stretch[]): string {
  return csv(
    ["stretch", "member", "root", "parent", "from", "to", "first_segment", "last_segment", "score", "action", "winning", "alive"],
    list.map(s => [s.id, s.member, s.root, s.parent, s.from, s.to, s.first, s.last, s.score, s.action, s.winning, s.alive]),
  )
}
