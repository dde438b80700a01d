import { useSignal } from "@preact/signals"
import { useEffect, useMemo, useRef, useState } from "preact/hooks"
import type { HyperDef, Member } from "../api/types"
import { floats } from "../data/curves"
import { csv } from "../data/export"
import {
  formatAge,
  formatAligned,
  formatClock,
  formatScoreAligned,
  formatValue,
  plural,
  thousands,
  visible,
} from "../data/format"
import { filterMembers, sortMembers } from "../data/table"
import { extent, linear } from "../draw/scale"
import { hue } from "../draw/theme"
import { members, progress, run, steerable } from "../state/live"
import { theme } from "../state/prefs"
import { openSegment, param, setParams } from "../state/route"
import { Card, Downloads, MemberTag, Waiting } from "../ui/bits"
import { MemberMenu } from "../ui/Steer"

const ROW = 44 // px; the rows are all this high, so that a thousand need not be drawn
const STATES = ["running", "waiting", "deciding", "done", "failed", "retired"]

interface Column {
  key: string
  label: string
  right?: boolean
}

function columns(hypers: readonly HyperDef[]): Column[] {
  return [
    { key: "rank", label: "Rank", right: true },
    { key: "member", label: "Member" },
    { key: "score", label: "Score", right: true },
    { key: "", label: "Trend" },
    { key: "step", label: "Step", right: true },
    { key: "state", label: "State" },
    ...hypers.map(h => ({ key: `h:${h.name}`, label: h.name, right: !h.values })),
    { key: "decision", label: "Last decision" },
    { key: "age", label: run.value?.live ? "Age" : "Decided", right: true },
    { key: "failures", label: "Failures", right: true },
  ]
}

export function MembersView() {
  const r = run.value
  const hypers = useMemo(() => (r?.hypers ?? []).filter(h => h.kind !== "constant").slice(0, 12), [r?.id])
  const sort = param("sort", "rank")
  const key = sort.replace(/^-/, "")
  const text = param("q")
  const state = param("state")
  const all = members.value
  const list = useMemo(
    () => sortMembers(filterMembers(all, text, state, hypers), key, sort.startsWith("-")),
    [all, text, state, hypers, key, sort],
  )
  const cols = columns(hypers)
  const tools = (
    <>
      <input
        class="search"
        type="search"
        placeholder="Filter: m7, running, copy …"
        aria-label="Filter members"
        value={text}
        onInput={e => setParams({ q: e.currentTarget.value })}
      />
      <select aria-label="State" value={state} onChange={e => setParams({ state: e.currentTarget.value })}>
        <option value="">all states</option>
        {STATES.map(s => (
          <option key={s}>{s}</option>
        ))}
      </select>
      <Downloads name="members" csv={() => membersCsv(list, hypers)} json={() => list} />
    </>
  )
  return (
    <Card
      title="Members"
      sub={
        all.length
          ? `${plural(list.length, "member")}${list.length < all.length ? ` of ${all.length}` : ""}. Rank 1 is the best score now.`
          : "The population as it is now."
      }
      tools={tools}
    >
      {!all.length ? (
        <Waiting loading={!r} empty="No members yet." />
      ) : list.length ? (
        <Table list={list} cols={cols} hypers={hypers} sort={sort} />
      ) : (
        <Waiting empty="No member passes this filter." />
      )}
    </Card>
  )
}

/** which rows are near the window */
function useWindow(count: number) {
  const body = useRef<HTMLTableSectionElement>(null)
  const [at, setAt] = useState({ first: 0, last: Math.min(count, 40) })
  useEffect(() => {
    if (count <= 80) return
    let frame = 0
    const look = () => {
      frame = 0
      const top = body.current?.getBoundingClientRect().top ?? 0
      const first = Math.max(0, Math.floor(-top / ROW) - 10)
      setAt(a => (a.first === first ? a : { first, last: first + Math.ceil(innerHeight / ROW) + 20 }))
    }
    const soon = () => {
      frame ||= requestAnimationFrame(look)
    }
    look()
    addEventListener("scroll", soon, { passive: true })
    addEventListener("resize", soon)
    return () => {
      removeEventListener("scroll", soon)
      removeEventListener("resize", soon)
      cancelAnimationFrame(frame)
    }
  }, [count])
  return { body, first: count <= 80 ? 0 : Math.min(at.first, count), last: count <= 80 ? count : Math.min(count, at.last) }
}

function Table({ list, cols, hypers, sort }: { list: Member[]; cols: Column[]; hypers: readonly HyperDef[]; sort: string }) {
  const { body, first, last } = useWindow(list.length)
  const now = useSignal(Date.now())
  useEffect(() => {
    const timer = setInterval(() => {
      now.value = Date.now()
    }, 1000)
    return () => clearInterval(timer)
  }, [now])
  const key = sort.replace(/^-/, "")
  const clickSort = (k: string) =>
    setParams({ sort: k === key ? (sort.startsWith("-") ? k : `-${k}`) : k === "score" || k === "step" ? `-${k}` : k })
  const range = useMemo(() => extent(list.flatMap(m => m.spark)), [list])
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a scrolling region must be reachable by keyboard
    <div class="scroll" tabIndex={0} role="region" aria-label="Members, scrolls sideways">
      <table class="members" aria-rowcount={list.length + 1}>
        <thead>
          <tr>
            {cols.map(c => (
              <th
                key={c.label}
                scope="col"
                class={c.right ? "r" : ""}
                aria-sort={c.key && c.key === key ? (sort.startsWith("-") ? "descending" : "ascending") : undefined}
              >
                {c.key ? (
                  <button type="button" onClick={() => clickSort(c.key)} title={c.label}>
                    {c.label}
                  </button>
                ) : (
                  c.label
                )}
              </th>
            ))}
            {steerable.value && (
              <th scope="col">
                <span class="sr">Steer</span>
              </th>
            )}
          </tr>
        </thead>
        <tbody ref={body}>
          {first > 0 && (
            <tr class="gap" aria-hidden="true" style={{ height: `${first * ROW}px` }}>
              <td colSpan={cols.length + 1} />
            </tr>
          )}
          {list.slice(first, last).map((m, i) => (
            <Row key={m.id} m={m} index={first + i} hypers={hypers} now={now.value} range={range} />
          ))}
          {last < list.length && (
            <tr class="gap" aria-hidden="true" style={{ height: `${(list.length - last) * ROW}px` }}>
              <td colSpan={cols.length + 1} />
            </tr>
          )}
        </tbody>
      </table>
    </div>
  )
}

function Row({
  m,
  index,
  hypers,
  now,
  range,
}: {
  m: Member
  index: number
  hypers: readonly HyperDef[]
  now: number
  range: [number, number] | null
}) {
  const p = progress.value.get(m.id)
  const done =
    p && p.segment === m.segment && p.steps ? Math.min(1, p.steps / Math.max(1, run.value?.segment_steps ?? 1)) : m.progress
  const leads = run.value?.best?.member === m.id
  const d = m.last_decision
  return (
    <tr aria-rowindex={index + 2} data-member={m.id} class={leads ? "leads" : ""}>
      <td class="r num">{m.rank || "–"}</td>
      <td>
        <button
          type="button"
          class="link"
          onClick={() => openSegment(m.segment || m.record)}
          aria-label={`m${m.id}: open its segment ${m.segment}`}
        >
          <MemberTag id={m.id} root={m.root} />
        </button>
      </td>
      <td class="r num strong">{formatScoreAligned(m.score)}</td>
      <td>
        <Spark values={m.spark} range={range} color={hue(theme.value, m.root)} />
      </td>
      <td class="r num">{thousands(m.step)}</td>
      <td>
        <span class={`pill ${m.state}`}>{m.state}</span>
        {m.state === "running" && (
          <span class="slot">
            <span class="slot-name">{visible(m.slot)}</span>
            <i class="bar">
              <i style={{ width: `${Math.round(100 * done)}%` }} />
            </i>
          </span>
        )}
      </td>
      {hypers.map(h => (
        <td key={h.name} class={`num ${h.values ? "" : "r"}`}>
          <span class="clip">{h.values ? formatValue(m.hypers[h.name]) : formatAligned(m.hypers[h.name])}</span>
        </td>
      ))}
      <td class="say">
        {d ? (
          <button type="button" class="link" title={visible(d.say)} onClick={() => openSegment(d.segment)}>
            <b class={`act ${d.action}`}>{d.action}</b> {visible(d.say)}
          </button>
        ) : (
          "–"
        )}
      </td>
      <td class="r num">{!d ? "–" : run.value?.live ? formatAge(d.at, now) : formatClock(d.at)}</td>
      <td class={`r num ${m.failures + m.lost ? "warned" : "none"}`} title={visible(m.last_failure)}>
        {m.failures + m.lost || "–"}
      </td>
      {steerable.value && (
        <td>
          <MemberMenu m={m} />
        </td>
      )}
    </tr>
  )
}

export function Spark({
  values,
  range,
  color,
  width = 84,
}: {
  values: readonly (number | null)[]
  range: [number, number] | null
  color: string
  width?: number
}) {
  const h = 22
  if (values.length < 2 || !range) return <span class="none">–</span>
  const x = linear([0, values.length - 1], [2, width - 3])
  const y = linear(range, [h - 3, 3])
  let d = ""
  let pen = false
  const ys = floats(values)
  ys.forEach((v, i) => {
    if (Number.isNaN(v)) pen = false
    else {
      d += `${pen ? "L" : "M"}${x(i).toFixed(1)} ${y(v).toFixed(1)}`
      pen = true
    }
  })
  return (
    <svg class="spark" width={width} height={h} viewBox={`0 0 ${width} ${h}`} aria-hidden="true" focusable="false">
      <path d={d} fill="none" stroke={color} stroke-width="1.5" stroke-linejoin="round" />
    </svg>
  )
}

function membersCsv(list: readonly Member[], hypers: readonly HyperDef[]): string {
  return csv(
    [
      "rank",
      "member",
      "score",
      "step",
      "spent",
      "state",
      "slot",
      "segment",
      "root",
      ...hypers.map(h => h.name),
      "last_decision",
      "failures",
      "lost",
    ],
    list.map(m => [
      m.rank,
      m.id,
      m.score,
      m.step,
      m.spent,
      m.state,
      m.slot,
      m.segment,
      m.root,
      ...hypers.map(h => m.hypers[h.name]),
      m.last_decision?.say,
      m.failures,
      m.lost,
    ]),
  )
}
