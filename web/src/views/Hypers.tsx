import { useCallback, useRef } from "preact/hooks"
import { api } from "../api/client"
import type { HyperCurves, HyperDef } from "../api/types"
import { csv, save, schedulePython, scheduleYaml } from "../data/export"
import { formatValue, thousands } from "../data/format"
import * as hyp from "../draw/hyper"
import type { Theme } from "../draw/theme"
import { stages } from "../state/leader"
import { run } from "../state/live"
import { useResource } from "../state/resource"
import { param, runId, setParams } from "../state/route"
import { Card, Downloads, Segmented, Waiting } from "../ui/bits"
import { Chart, type ChartHandle, type Figure } from "../ui/Chart"
import { ParallelCard } from "./Parallel"

const MOST = 24

export function HypersView() {
  const r = run.value
  const by = param("by") === "lineage" ? "lineage" : "member"
  const list = stages.value
  if (!r) return <Waiting loading />
  const free = r.hypers.filter(h => h.kind !== "constant")
  const title = `the schedule of ${r.name}, member ${r.best?.member ?? "–"}, score ${String(r.best?.score ?? "–")}`
  const text = [
    {
      label: "Python function",
      run: () => save(`${r.id}-schedule.py`, "text/x-python", schedulePython(list, title)),
      disabled: !list.length,
    },
    {
      label: "YAML",
      run: () => save(`${r.id}-schedule.yaml`, "application/yaml", scheduleYaml(list, title)),
      disabled: !list.length,
    },
  ]
  return (
    <>
      <div class="view-head">
        <div>
          <h2>Hyperparameters over training</h2>
          <p class="sub">
            The thick line is the discovered schedule: what the weights of the best outcome were trained with, step by step. Thin
            lines are what everybody tried.
          </p>
        </div>
        <div class="tools">
          <Segmented
            label="One line per"
            value={by}
            options={[
              ["member", "Members"],
              ["lineage", "Lineages"],
            ]}
            onChange={v => setParams({ by: v === "member" ? "" : v })}
          />
          <Downloads
            name="schedule"
            csv={() =>
              csv(
                ["segment", "member", "from", "to", ...free.map(h => h.name)],
                list.map(s => [s.segment, s.member, s.from, s.to, ...free.map(h => s.hypers[h.name])]),
              )
            }
            json={() => list}
            more={text}
          />
        </div>
      </div>
      {free.length === 0 && <Waiting empty="This run has no hyperparameters to vary." />}
      <div class={`grid-2 ${free.length === 2 || free.length === 4 ? "even" : ""}`}>
        {free.slice(0, MOST).map(h => (
          <HyperCard key={h.name} def={h} by={by} />
        ))}
      </div>
      {free.length > 0 && <ParallelCard />}
    </>
  )
}

function describe(h: HyperDef): string {
  if (h.values) return `${h.kind}: ${h.values.slice(0, 6).map(formatValue).join(", ")}${h.values.length > 6 ? ", …" : ""}`
  const range = h.bounds ? `${formatValue(h.bounds[0])} to ${formatValue(h.bounds[1])}` : "unbounded"
  return `${h.log ? "logarithmic, " : ""}${range}`
}

function HyperCard({ def, by }: { def: HyperDef; by: "lineage" | "member" }) {
  const id = runId.value
  const { data, error, loading } = useResource(
    `${id}/${def.name}/${by}`,
    s => api.hyper(id, def.name, { by, points: 240 }, s),
    true,
    500,
  )
  const handle = useRef<ChartHandle>(null)
  return (
    <Card
      title={def.name}
      sub={describe(def)}
      class="hyper"
      tools={<Downloads name={`hyper-${def.name}`} chart={handle} csv={() => hyperCsv(data)} json={() => data} />}
    >
      {data?.series.some(s => s.x.length) ? (
        <HyperChart data={data} def={def} handle={handle} />
      ) : (
        <Waiting error={error} loading={loading} empty="No segment has begun yet." />
      )}
    </Card>
  )
}

function HyperChart({ data, def, handle }: { data: HyperCurves; def: HyperDef; handle: { current: ChartHandle | null } }) {
  const xMax = Math.max(1, ...data.series.map(s => s.x.at(-1) ?? 0))
  const make = useCallback(
    (w: number, h: number, t: Theme): Figure<hyp.HyperHit> => {
      const p = hyp.plot(data, def.bounds, xMax, w, h, t)
      if (!p) return { draw: () => undefined }
      return {
        draw: pen => hyp.draw(pen, p),
        hit: mx => hyp.hit(p, mx),
        over: (pen, at) => hyp.over(pen, p, at),
        anchor: at => ({ x: at.px, y: 12 }),
        move: (at, key) => hyp.move(p, at, key),
        again: at => ({ step: at.step, px: p.x(at.step) }),
        tip: at => (
          <>
            <p class="tip-head">
              <b>{hyp.scheduleAt(data, at.step)}</b>
              <span>step {thousands(at.step)}</span>
            </p>
            {hyp.rangeAt(data, at.step) && <p class="tip-foot">population {hyp.rangeAt(data, at.step)}</p>}
          </>
        ),
      }
    },
    [data, def, xMax],
  )
  return (
    <Chart<hyp.HyperHit>
      make={make}
      height={226}
      label={`${def.name} against step for ${data.series.length} members; the discovered schedule ends at ${hyp.scheduleAt(data, xMax)}. Arrow keys walk along it.`}
      handle={handle}
    />
  )
}

function hyperCsv(d: HyperCurves | null): string {
  const value = (v: number | null | undefined) => (v === null || v === undefined ? "" : d?.values ? d.values[v] : v)
  const rows = (d?.series ?? []).flatMap(s => s.x.map((x, i) => [s.member, s.winning, x, value(s.y[i])]))
  const schedule = (d?.schedule.x ?? []).map((x, i) => ["schedule", true, x, value(d?.schedule.y[i])])
  return csv(["member", "winning", "step", d?.name ?? "value"], [...schedule, ...rows])
}
