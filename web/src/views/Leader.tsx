// Beside the first figure: the path that the leader's weights have taken, and the schedule that they have seen.
import { useCallback, useMemo } from "preact/hooks"
import type { HyperDef, Stage, Value } from "../api/types"
import { corners } from "../data/curves"
import { formatValue, thousands } from "../data/format"
import { changesOf, passages } from "../data/story"
import { extent, linear, log, pad } from "../draw/scale"
import { hue, type Theme } from "../draw/theme"
import { leadRoot, stages, stagesError } from "../state/leader"
import { members, run } from "../state/live"
import { theme } from "../state/prefs"
import { hrefOf, openSegment } from "../state/route"
import { Card, Waiting } from "../ui/bits"
import { Chart, type Figure } from "../ui/Chart"

const MOST_MINIS = 6
const MOST_STILL = 8

export function Leader() {
  const r = run.value
  const list = stages.value
  const color = hue(theme.value, leadRoot.value)
  if (!r) return null
  const free = r.hypers.filter(h => h.kind !== "constant" && list.some(s => s.hypers[h.name] !== undefined))
  const moved = free.filter(h => changesOf(h.name, list).length > 1).slice(0, MOST_MINIS)
  const still = free.filter(h => changesOf(h.name, list).length === 1).slice(0, MOST_STILL)
  return (
    <Card
      title="The leader's schedule"
      class="side"
      sub={r.best ? `What member ${r.best.member}'s weights have seen since step 0.` : "Appears with the first score."}
    >
      {!list.length ? (
        <Waiting error={stagesError.value} loading={!!r.best} empty="No member has a score yet." />
      ) : (
        <>
          {r.random_search.says && <p class="note">{r.random_search.says}.</p>}
          <Ribbon stages={list} color={color} />
          {moved.map(h => (
            <Mini key={h.name} def={h} stages={list} color={color} />
          ))}
          {still.length > 0 && (
            <dl class="still">
              {still.map(h => (
                <div key={h.name}>
                  <dt class="mini-name" title={h.name}>
                    {h.name}
                  </dt>
                  <dd class="mini-val" title="the same from the first step on">
                    {formatValue(list[0]!.hypers[h.name] ?? list.at(-1)!.hypers[h.name])}
                  </dd>
                </div>
              ))}
            </dl>
          )}
          <p class="more">
            <a href={hrefOf("hypers")}>All members' hyperparameters</a>
          </p>
        </>
      )}
    </Card>
  )
}

/** whose training the weights went through, to scale */
function Ribbon({ stages, color }: { stages: readonly Stage[]; color: string }) {
  const all = passages(stages)
  const total = Math.max(1, stages.at(-1)?.to ?? 1)
  const known = new Set(members.value.map(m => m.id))
  return (
    <div class="ribbon-box">
      <div class="ribbon">
        {all.map(p => {
          const share = (p.to - p.from) / total
          if (p.run !== undefined)
            return (
              <span
                key={`${p.run}/${p.first}`}
                class="before"
                style={{ flexGrow: Math.max(1, p.to - p.from) }}
                title={`run ${p.run}: member ${p.member}, steps ${thousands(p.from)} to ${thousands(p.to)}`}
              />
            )
          return (
            <button
              key={p.first}
              type="button"
              style={{ flexGrow: Math.max(1, p.to - p.from), background: color }}
              title={`member ${p.member}, steps ${thousands(p.from)} to ${thousands(p.to)}`}
              aria-label={`m${p.member}: member ${p.member}, steps ${thousands(p.from)} to ${thousands(p.to)}${known.has(p.member) ? "" : ", retired"}`}
              onClick={() => openSegment(p.first)}
            >
              {share > 0.03 * `m${p.member}`.length ? `m${p.member}` : ""}
            </button>
          )
        })}
      </div>
      <p class="ribbon-axis">
        <span>0</span>
        <span>{thousands(total)} steps</span>
      </p>
    </div>
  )
}

function Mini({ def, stages, color }: { def: HyperDef; stages: readonly Stage[]; color: string }) {
  const changes = useMemo(() => changesOf(def.name, stages), [def.name, stages])
  const first = changes[0]?.value
  const last = changes.at(-1)?.value
  const make = useCallback(
    (w: number, h: number, t: Theme): Figure<never> => miniFigure(def, stages, color, w, h, t),
    [def, stages, color],
  )
  return (
    <div class="mini">
      <p class="mini-head">
        <span class="mini-name" title={def.name}>
          {def.name}
        </span>
        <span class="mini-val">
          {changes.length < 2 ? (
            formatValue(last)
          ) : (
            <>
              {formatValue(first)} <span aria-label="to">→</span> <b>{formatValue(last)}</b>
            </>
          )}
        </span>
      </p>
      <Chart<never>
        make={make}
        height={44}
        label={`${def.name} along the leader's ancestry: ${changes
          .map(c => formatValue(c.value))
          .slice(0, 40)
          .join(", ")}`}
      />
    </div>
  )
}

function miniFigure(def: HyperDef, stages: readonly Stage[], color: string, w: number, h: number, t: Theme): Figure<never> {
  const index = (v: Value | undefined) =>
    typeof v === "number" && !def.values ? v : def.values && v !== undefined ? def.values.indexOf(v) : Number.NaN
  const xs = [...stages.map(s => s.from), stages.at(-1)!.to]
  const ys = [...stages.map(s => index(s.hypers[def.name])), index(stages.at(-1)!.hypers[def.name])]
  const e = extent(ys)
  return {
    draw: pen => {
      pen.line([0, w], [h - 0.5, h - 0.5], { color: t.grid, width: 1 })
      if (!e) return
      const x = linear([0, Math.max(1, xs.at(-1)!)], [2, w - 5])
      const y = def.log && e[0] > 0 ? log([e[0] / 1.1, e[1] * 1.1], [h - 5, 5]) : linear(pad(e, 0.08), [h - 5, 5])
      const c = corners(Float64Array.from(xs, x), Float64Array.from(ys, y))
      pen.line(c.x, c.y, { color, width: 2 })
      pen.circle(c.x.at(-1)!, c.y.at(-1)!, 3, color)
    },
  }
}
