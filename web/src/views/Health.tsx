import type { ComponentChildren } from "preact"
import { useCallback, useMemo, useRef } from "preact/hooks"
import { api } from "../api/client"
import type { Health, Slots } from "../api/types"
import { csv } from "../data/export"
import {
  formatBytes,
  formatClock,
  formatDate,
  formatDuration,
  formatNumber,
  percent,
  plural,
  thousands,
  visible,
} from "../data/format"
import * as gantt from "../draw/gantt"
import type { Theme } from "../draw/theme"
import { members, run } from "../state/live"
import { useResource } from "../state/resource"
import { openSegment, param, runId, setParams } from "../state/route"
import { Card, Downloads, MemberTag, Segmented, Waiting } from "../ui/bits"
import { Chart, type ChartHandle, type Figure } from "../ui/Chart"

const WINDOWS = { all: 0, hour: 3600, ten: 600, two: 120 } as const
type Window = keyof typeof WINDOWS

// Slots that get no segment for a while, because everything failed on them.
const backingOff = (d: Slots) =>
  d.slots
    .filter(s => s.waits_until)
    .map(s => ` ${visible(s.name)} waits until ${formatClock(s.waits_until ?? 0)} because segments fail on it.`)
    .join("")

export function HealthView() {
  const id = runId.value
  const { data, error, loading } = useResource(`${id}/health`, s => api.health(id, s), true, 1000)
  if (!data) return <Waiting error={error} loading={loading} />
  return (
    <>
      <Tiles h={data} />
      <SlotsCard />
      <Split h={data} />
    </>
  )
}

function Tile({
  name,
  value,
  note,
  warn = false,
}: {
  name: string
  value: ComponentChildren
  note?: ComponentChildren
  warn?: boolean
}) {
  return (
    <div class={`tile ${warn ? "warned" : ""}`}>
      <dt>{name}</dt>
      <dd>{value}</dd>
      {note && <dd class="note">{note}</dd>}
    </div>
  )
}

function Tiles({ h }: { h: Health }) {
  const r = run.value
  const c = r?.counts
  const low =
    h.disk.free_bytes > 0 && h.disk.free_bytes < 10 * Math.max(1, h.disk.checkpoint_bytes / Math.max(1, h.disk.checkpoints))
  return (
    <dl class="tiles">
      <Tile name="Slots in use" value={percent(h.slot_use)} note={`of ${plural(r?.slots ?? 0, "slot")}, since the start`} />
      <Tile
        name="Throughput"
        value={`${formatNumber(h.steps_per_s, 3)} steps/s`}
        note={`${formatNumber(h.segments_per_min, 3)} segments a minute`}
      />
      {r?.phase === "finished" ? (
        <Tile name="Time worked" value={formatDuration(r.worked_s)} note="stops left out" />
      ) : (
        <Tile name="Time left" value={formatDuration(h.eta_s)} note={`${formatDuration(r?.worked_s ?? 0)} worked`} />
      )}
      <Tile
        name="Segments"
        value={thousands(c?.finished ?? 0)}
        note={`${plural(c?.copies ?? 0, "copy", "copies")}, ${plural(c?.repairs ?? 0, "repair")}`}
      />
      <Tile
        name="Retries"
        value={thousands(h.retries)}
        note={`${thousands(h.lost)} lost, ${thousands(h.rolled_back)} rolled back`}
        warn={h.retries > 0 && h.retries > 0.1 * (c?.finished ?? 0)}
      />
      <Tile
        name="Checkpoints"
        value={formatBytes(h.disk.checkpoint_bytes)}
        note={`${thousands(h.disk.checkpoints)} kept, journal ${formatBytes(h.disk.journal_bytes)}`}
      />
      <Tile
        name="Free disk"
        value={formatBytes(h.disk.free_bytes)}
        note={low ? "fewer than ten checkpoints fit" : visible([r?.host, r?.machine].filter(Boolean).join(": "))}
        warn={low}
      />
    </dl>
  )
}

const inOrder = (s: Slots): Slots => ({
  ...s,
  slots: s.slots.toSorted((a, b) => a.name.localeCompare(b.name, "en", { numeric: true })),
})

function SlotsCard() {
  const id = runId.value
  const r = run.value
  const span = (Object.keys(WINDOWS) as Window[]).find(w => w === param("span")) ?? "all"
  const { data, error, loading } = useResource(
    `${id}/slots/${span}`,
    s => {
      const end = r?.live ? Date.now() : (r?.updated_at ?? Date.now())
      const range = WINDOWS[span]
        ? { from: Math.round(Math.max(r?.started_at ?? 0, end - WINDOWS[span] * 1000)), to: Math.round(end) }
        : {}
      return api.slots(id, { points: 600, ...range }, s).then(inOrder)
    },
    true,
    1000,
  )
  const handle = useRef<ChartHandle>(null)
  const rows = (data?.slots ?? []).flatMap(s =>
    s.spans.map(p => [s.name, formatDate(p.t0), formatDate(p.t1), p.member, p.segment, p.ok, p.merged]),
  )
  return (
    <Card
      title="Slots over time"
      sub={
        data
          ? `${percent(data.use)} of this time a slot was training. Gaps are waiting.${backingOff(data)}`
          : "What each slot trained."
      }
      tools={
        <>
          <Segmented<Window>
            label="Time span"
            value={span}
            options={[
              ["all", "All"],
              ["hour", "1 h"],
              ["ten", "10 min"],
              ["two", "2 min"],
            ]}
            onChange={v => setParams({ span: v === "all" ? "" : v })}
          />
          <Downloads
            name="slots"
            chart={handle}
            csv={() => csv(["slot", "from", "to", "member", "segment", "ok", "merged"], rows)}
            json={() => data}
          />
        </>
      }
    >
      {data?.slots.some(s => s.spans.length) ? (
        <SlotsChart data={data} handle={handle} />
      ) : (
        <Waiting error={error} loading={loading} empty="No slot has trained anything in this time." />
      )}
      <p class="legend">
        <span class="key seg">a segment</span>
        <span class="key now">at work now</span>
        <span class="key fail">a failed attempt</span>
      </p>
    </Card>
  )
}

function SlotsChart({ data, handle }: { data: Slots; handle: { current: ChartHandle | null } }) {
  const list = members.value
  const roots = useMemo(() => new Map(list.map(m => [m.id, m.root])), [list.map(m => m.root).join()])
  const started = run.value?.started_at ?? 0
  const make = useCallback(
    (w: number, h: number, t: Theme): Figure<gantt.GanttHit> => {
      const g = gantt.plot(data, started, w, h, t)
      if (!g) return { draw: () => undefined }
      return {
        draw: pen => gantt.draw(pen, g),
        hit: (x, y) => gantt.hit(g, x, y),
        over: (pen, at) => gantt.over(pen, g, at),
        anchor: at => ({ x: at.x, y: Math.min(h - 70, at.y + 6) }),
        tip: at => (
          <>
            <p class="tip-head">
              <MemberTag id={at.span.member} root={roots.get(at.span.member)} />
              <b>{at.span.merged > 1 ? `${at.span.merged} short segments` : `segment ${at.span.segment}`}</b>
            </p>
            <p class="tip-foot">
              {visible(at.slot)}, {formatClock(at.span.t0)} to {formatClock(at.span.t1)},{" "}
              {formatDuration((at.span.t1 - at.span.t0) / 1000)}
              {at.span.ok === false ? ", failed" : at.span.ok === null ? ", at work" : ""}
            </p>
          </>
        ),
      }
    },
    [data, started, roots],
  )
  const n = data.slots.length
  return (
    <Chart<gantt.GanttHit>
      make={make}
      height={Math.max(120, Math.min(720, n * (n > 32 ? 11 : 30) + 50))}
      label={`What ${plural(n, "slot")} trained over time`}
      handle={handle}
      onPick={at => openSegment(at.span.segment)}
    />
  )
}

const PARTS = [
  ["train_s", "train", "segments training"],
  ["eval_s", "evaluate", "scoring the weights"],
  ["save_s", "save", "writing checkpoints"],
  ["load_s", "load", "reading checkpoints"],
  ["start_s", "start", "starting processes"],
  ["publish_s", "publish", "making checkpoints durable"],
  ["wait_s", "wait", "slots with nothing to do"],
] as const

function Split({ h }: { h: Health }) {
  const total = PARTS.reduce((n, [k]) => n + (h.split[k] ?? 0), 0)
  return (
    <Card
      title="Where the time went"
      sub={`${formatDuration(total)} of all slots together.`}
      tools={
        <Downloads
          name="time-split"
          csv={() =>
            csv(
              ["part", "seconds"],
              PARTS.map(([k, name]) => [name, h.split[k]]),
            )
          }
          json={() => h.split}
        />
      }
    >
      <div
        class="split"
        role="img"
        aria-label={PARTS.map(([k, name]) => `${name} ${percent(total ? h.split[k] / total : 0)}`).join(", ")}
      >
        {PARTS.map(([k]) => (h.split[k] > 0 ? <i key={k} class={`part ${k}`} style={{ flexGrow: h.split[k] }} /> : null))}
      </div>
      <dl class="parts">
        {PARTS.map(([k, name, what]) => (
          <div key={k}>
            <dt>
              <i class={`part ${k}`} />
              {name}
            </dt>
            <dd>
              <b>{percent(total ? h.split[k] / total : 0)}</b> {formatDuration(h.split[k])}
            </dd>
            <dd class="note">{what}</dd>
          </div>
        ))}
      </dl>
    </Card>
  )
}
