import { useCallback, useMemo, useRef } from "preact/hooks"
import { api } from "../api/client"
import type { Curves, Run } from "../api/types"
import { type Compared, equalBudget, standings } from "../data/compare"
import { csv } from "../data/export"
import { formatDuration, formatScore, formatValue, thousands } from "../data/format"
import * as cmp from "../draw/compare"
import { hueAt, type Theme } from "../draw/theme"
import { nameOf, run, runs } from "../state/live"
import { theme } from "../state/prefs"
import { useResource } from "../state/resource"
import { hrefOf, param, runId, setParams } from "../state/route"
import { Card, Downloads, Segmented, Waiting } from "../ui/bits"
import { Chart, type ChartHandle, type Figure } from "../ui/Chart"

const MOST = 6

/** a budget is what all members together have trained; a step is the age of the weights, and behind a copy both differ */
const AXES: readonly cmp.Axis[] = ["total", "step", "time"]

const placeOn = (x: cmp.Axis, at: number): string =>
  x === "time" ? formatDuration(at) : x === "step" ? `step ${thousands(at)}` : `${thousands(at)} steps in all`

function chosen(all: readonly Run[]): string[] {
  const ids = param("compare").split(",").filter(Boolean)
  const valid = [runId.value, ...ids].filter((id, i, list) => list.indexOf(id) === i && all.some(r => r.id === id))
  if (ids.length || valid.length > 1) return valid.slice(0, MOST)
  // nothing chosen: whatever can be compared, nearest in time
  const me = all.find(r => r.id === runId.value)
  const like = all.filter(
    r => r.id !== me?.id && me && r.metric === me.metric && r.goal === me.goal && r.best && r.segment_steps === me.segment_steps,
  )
  return [...valid, ...like.slice(0, 2).map(r => r.id)]
}

export function CompareView() {
  const all = runs.value
  const ids = chosen(all)
  const x = AXES.find(a => a === param("x")) ?? "total"
  const handle = useRef<ChartHandle>(null)
  const { data, error, loading } = useResource(
    `${ids.join()}/${x}`,
    s => Promise.all(ids.map(async id => ({ id, curves: await api.curves(id, { by: "lineage", x, points: 160 }, s) }))),
    true,
    2000,
  )
  const list = useMemo(() => toCompared(data ?? [], all, x), [data, all, x])
  const budget = equalBudget(list)
  const set = (next: string[]) => setParams({ compare: next.filter(i => i !== runId.value).join(",") || "-" })
  const rows = standings(list, budget)
  const mixed = new Set(list.map(c => `${c.run.metric}/${c.run.goal}`)).size > 1
  return (
    <Card
      title="Compare runs"
      sub={
        x === "total"
          ? "The best score so far, and the population's median dotted, against the steps of all members together. The rule stands where the shortest run ends: an equal budget."
          : "The best score so far, and the population's median dotted. The rule stands where the shortest run ends."
      }
      tools={
        <>
          <Segmented
            label="Horizontal axis"
            value={x}
            options={[
              ["total", "Budget"],
              ["step", "Step"],
              ["time", "Time"],
            ]}
            onChange={v => setParams({ x: v === "total" ? "" : v })}
          />
          <Downloads
            name="compare"
            chart={handle}
            csv={() =>
              csv(
                ["run", x, "best", "median"],
                list.flatMap(c => c.x.map((v, i) => [c.run.id, v, c.best[i] ?? "", c.median[i] ?? ""])),
              )
            }
            json={() => rows}
          />
        </>
      }
    >
      <Picker all={all} ids={ids} set={set} />
      {mixed && (
        <p class="state warned" role="alert">
          These runs measure different things: the curves cannot be compared.
        </p>
      )}
      {list.some(c => c.x.length) ? (
        <CompareChart list={list} budget={budget} x={x} handle={handle} />
      ) : (
        <Waiting error={error} loading={loading && ids.length > 0} empty="Choose runs that have scores." />
      )}
      {rows.length > 0 && <Standings rows={rows} at={placeOn(x, budget)} />}
    </Card>
  )
}

function Standings({ rows, at: where }: { rows: ReturnType<typeof standings>; at: string }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a scrolling region must be reachable by keyboard
    <div class="scroll" tabIndex={0} role="region" aria-label="Standings, scrolls sideways">
      <table class="standings">
        <thead>
          <tr>
            <th scope="col">Run</th>
            <th scope="col" class="r">
              Best at {where}
            </th>
            <th scope="col" class="r">
              Behind the first
            </th>
            <th scope="col" class="r">
              Best of all
            </th>
            <th scope="col" class="r">
              Members × steps
            </th>
            <th scope="col">Exploit</th>
            <th scope="col">Best hyperparameters</th>
          </tr>
        </thead>
        <tbody>
          {rows.map(({ c, at, behind }) => (
            <tr key={c.run.id}>
              <th scope="row">
                <i class="swatch" style={{ background: hueAt(theme.value, c.index) }} />
                {nameOf(c.run)}
              </th>
              <td class="r num strong">{formatScore(at)}</td>
              <td class="r num">
                {behind === null ? "–" : behind === 0 ? "first" : `${behind > 0 ? "+" : "−"}${Math.abs(behind).toPrecision(2)}`}
              </td>
              <td class="r num">{formatScore(c.run.best?.score ?? null)}</td>
              <td class="r num">
                {c.run.population} × {thousands(c.run.population ? c.run.spent / c.run.population : 0)}
              </td>
              <td class="say wrap">{c.run.exploit}</td>
              <td class="say wrap">
                {Object.entries(c.run.best?.hypers ?? {})
                  .map(([k, v]) => `${k} ${formatValue(v)}`)
                  .join(", ") || "–"}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}

function toCompared(data: { id: string; curves: Curves }[], all: readonly Run[], x: cmp.Axis): Compared[] {
  return data.flatMap(({ id, curves }, index) => {
    const r = id === runId.value ? (run.value ?? all.find(v => v.id === id)) : all.find(v => v.id === id)
    if (!r) return []
    const b = curves.band
    return [{ run: r, index, x: x === "time" ? b.x.map(v => (v - r.started_at) / 1000) : b.x, best: b.best, median: b.median }]
  })
}

function Picker({ all, ids, set }: { all: readonly Run[]; ids: string[]; set: (ids: string[]) => void }) {
  return (
    <fieldset class="picker">
      <legend class="sr">Runs to compare</legend>
      {all.map(r => {
        const on = ids.includes(r.id)
        const i = ids.indexOf(r.id)
        return (
          <label key={r.id} class={`chip ${on ? "on" : ""}`}>
            <input
              type="checkbox"
              checked={on}
              disabled={r.id === runId.value || (!on && ids.length >= MOST)}
              onChange={() => set(on ? ids.filter(v => v !== r.id) : [...ids, r.id])}
            />
            {on && <i class="swatch" style={{ background: hueAt(theme.value, i) }} />}
            <span class="clip" title={nameOf(r)}>
              {nameOf(r)}
            </span>
          </label>
        )
      })}
      {all.length < 2 && (
        <span class="none">
          This server shows one run only. <a href={hrefOf("population")}>pbt serve DIR …</a> shows more.
        </span>
      )}
    </fieldset>
  )
}

function CompareChart({
  list,
  budget,
  x,
  handle,
}: {
  list: Compared[]
  budget: number
  x: cmp.Axis
  handle: { current: ChartHandle | null }
}) {
  const make = useCallback(
    (w: number, h: number, t: Theme): Figure<cmp.CompareHit> => {
      const p = cmp.plot(list, budget, x, w, h, t)
      if (!p) return { draw: () => undefined }
      return {
        draw: pen => cmp.draw(pen, p),
        hit: mx => cmp.hit(p, mx),
        over: (pen, at) => cmp.over(pen, p, at),
        anchor: at => ({ x: at.px, y: 30 }),
        move: (at, key) => cmp.move(p, at, key),
        again: at => ({ at: at.at, px: p.x(at.at) }),
        tip: at => (
          <>
            <p class="tip-head">
              <span>{placeOn(x, at.at)}</span>
            </p>
            {cmp.valuesAt(p, at.at).map(v => (
              <p class="tip-row" key={v.c.run.id}>
                <i class="swatch" style={{ background: hueAt(t, v.c.index) }} />
                <span class="clip">{nameOf(v.c.run)}</span>
                <b>{formatScore(v.best)}</b>
              </p>
            ))}
          </>
        ),
      }
    },
    [list, budget, x],
  )
  return (
    <Chart<cmp.CompareHit>
      make={make}
      height={innerWidth < 640 ? 280 : 400}
      label={`Best score so far of ${list.length} runs against ${x === "total" ? "the steps of all members together" : x}. Arrow keys walk.`}
      handle={handle}
    />
  )
}
