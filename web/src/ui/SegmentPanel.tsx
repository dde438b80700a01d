// One segment: its record, the decision in words, and the way to its ancestors and children.
import { useEffect, useRef, useState } from "preact/hooks"
import { api } from "../api/client"
import type { SegmentDetail, Value } from "../api/types"
import { formatBytes, formatDate, formatDuration, formatScore, formatValue, plural, thousands, visible } from "../data/format"
import { members, run, steerable } from "../state/live"
import { useResource } from "../state/resource"
import { openSegment, param, runId } from "../state/route"
import { Icon, MemberTag, Waiting } from "./bits"
import { ask } from "./Steer"

export function SegmentPanel() {
  const n = Number(param("seg"))
  const id = runId.value
  const box = useRef<HTMLElement>(null)
  const { data, error, loading } = useResource(`${id}/segment/${n}`, s => api.segment(id, n, s), true, 2000)
  useEffect(() => {
    const before = document.activeElement as HTMLElement | null
    box.current?.focus()
    return () => before?.focus?.()
  }, [])
  return (
    <aside
      ref={box}
      class="panel"
      tabIndex={-1}
      aria-label={`Segment ${n}`}
      onKeyDown={e => e.key === "Escape" && openSegment(null)}
    >
      <header class="panel-head">
        <h2>Segment {n}</h2>
        {data && <span class={`pill ${data.state}`}>{data.state}</span>}
        <span class="push" />
        {data?.checkpoint?.kept && steerable.value && (
          <button type="button" class="quiet" onClick={() => ask(data.checkpoint?.pinned ? "unpin" : "pin", { segment: n })}>
            {data.checkpoint.pinned ? "Unpin" : "Pin"}
          </button>
        )}
        {data?.checkpoint?.kept && steerable.value && (
          <button type="button" class="quiet" onClick={() => ask("branch", { segment: n })}>
            Branch
          </button>
        )}
        <button type="button" class="icon" aria-label="Close the panel" title="Close (Esc)" onClick={() => openSegment(null)}>
          <Icon name="close" />
        </button>
      </header>
      {data ? <Body s={data} /> : <Waiting error={error} loading={loading} />}
    </aside>
  )
}

function Body({ s }: { s: SegmentDetail }) {
  const root = members.value.find(m => m.id === s.member)?.root
  return (
    <div class="panel-body">
      <p class="big">
        <MemberTag id={s.member} root={root} />
        <b>{formatScore(s.score)}</b>
        <span>{run.value?.metric}</span>
      </p>
      <p class="sub">
        Steps {thousands(s.from)} to {thousands(s.from + s.steps)}, the member's turn {s.turn + 1}.
      </p>
      <section>
        <h3>
          Decision <b class={`act ${s.action}`}>{s.action}</b>
        </h3>
        <p class="sentence">{visible(s.say)}</p>
        {s.donor && (
          <p class="sub">
            Donor: <MemberTag id={s.donor.member} />, <SegLink n={s.donor.segment} />, score {formatScore(s.donor.score)}
          </p>
        )}
      </section>
      <HyperTable s={s} />
      <Outcome s={s} />
      <Family s={s} />
      <Failures s={s} />
      <Log n={s.id} live={s.state === "running"} />
    </div>
  )
}

const SegLink = ({ n }: { n: number }) => (
  <button type="button" class="link" onClick={() => openSegment(n)}>
    segment {n}
  </button>
)

function HyperTable({ s }: { s: SegmentDetail }) {
  const changed = new Map(s.changes.map(c => [c.name, c]))
  const names = Object.keys(s.hypers)
  if (!names.length) return null
  return (
    <section>
      <h3>Hyperparameters</h3>
      <table class="kv">
        <tbody>
          {names.map(name => {
            const c = changed.get(name)
            return (
              <tr key={name} class={c ? "changed" : ""}>
                <th scope="row">
                  <span class="clip" title={name}>
                    {name}
                  </span>
                </th>
                <td class="num" title={String(s.hypers[name])}>
                  {formatValue(s.hypers[name])}
                </td>
                <td class="note">{c ? `${was(c.from)}${visible(c.op)}` : ""}</td>
              </tr>
            )
          })}
        </tbody>
      </table>
    </section>
  )
}

const was = (v: Value | null) => (v === null ? "" : `was ${formatValue(v)}, `)

function Outcome({ s }: { s: SegmentDetail }) {
  const rows: [string, string][] = Object.entries(s.metrics).map(([k, v]) => [k, formatScore(v)])
  const t = s.times
  return (
    <section>
      <h3>Outcome</h3>
      <table class="kv">
        <tbody>
          {rows.map(([k, v]) => (
            <tr key={k}>
              <th scope="row">
                <span class="clip" title={k}>
                  {k}
                </span>
              </th>
              <td class="num" colSpan={2}>
                {v}
              </td>
            </tr>
          ))}
          {s.worker && (
            <tr>
              <th scope="row">slot</th>
              <td colSpan={2}>
                {visible(s.worker)}
                {s.tries > 1 ? `, try ${s.tries}` : ""}
              </td>
            </tr>
          )}
          {s.finished_at && (
            <tr>
              <th scope="row">finished</th>
              <td colSpan={2}>{formatDate(s.finished_at)}</td>
            </tr>
          )}
          {!s.finished_at && s.leased_at && (
            <tr>
              <th scope="row">began</th>
              <td colSpan={2}>{formatDate(s.leased_at)}</td>
            </tr>
          )}
          {t && (
            <tr>
              <th scope="row">took</th>
              <td colSpan={2}>
                train {formatDuration(t.train_s)}, evaluate {formatDuration(t.eval_s)}, save{" "}
                {formatDuration(t.save_s + t.publish_s)}, load {formatDuration(t.load_s)}
              </td>
            </tr>
          )}
          <tr>
            <th scope="row">checkpoint</th>
            <td colSpan={2}>
              {s.checkpoint ? (
                <>
                  {formatBytes(s.checkpoint.bytes)},{" "}
                  {s.checkpoint.pinned ? "pinned" : s.checkpoint.kept ? "kept" : "no longer kept"}
                  <code class="path">{visible(s.checkpoint.path || s.checkpoint.id)}</code>
                </>
              ) : (
                "none yet"
              )}
            </td>
          </tr>
        </tbody>
      </table>
    </section>
  )
}

function Family({ s }: { s: SegmentDetail }) {
  const [all, setAll] = useState(false)
  const shown = all ? s.ancestors.slice(0, 400) : s.ancestors.slice(0, 8)
  return (
    <section>
      <h3>Family</h3>
      <p class="chain">
        {s.ancestors.length ? "From " : "Fresh weights: no ancestors."}
        {shown.map(n => (
          <button key={n} type="button" class="chip" onClick={() => openSegment(n)} aria-label={`segment ${n}`}>
            {n}
          </button>
        ))}
        {!all && s.ancestors.length > 8 && (
          <button type="button" class="link" onClick={() => setAll(true)}>
            and {plural(s.ancestors.length - 8, "more", "more")}
          </button>
        )}
      </p>
      <p class="chain">
        {s.children.length ? "Trained on by " : "Nothing has been trained from it."}
        {s.children.slice(0, 40).map(n => (
          <button key={n} type="button" class="chip" onClick={() => openSegment(n)} aria-label={`segment ${n}`}>
            {n}
          </button>
        ))}
        {s.children.length > 40 && ` and ${s.children.length - 40} more`}
      </p>
    </section>
  )
}

function Failures({ s }: { s: SegmentDetail }) {
  if (!s.failures.length) return null
  return (
    <section>
      <h3>Failed attempts</h3>
      <ul class="failures">
        {s.failures.map(f => (
          <li key={f.at}>
            <b>{f.kind}</b> at {formatDate(f.at)}
            {f.final ? ", the last try" : ""}
            <pre>{visible(f.error)}</pre>
          </li>
        ))}
      </ul>
    </section>
  )
}

const MOST_LINES = 2000

function Log({ n, live }: { n: number; live: boolean }) {
  const id = runId.value
  const { data, error, loading } = useResource(`${id}/log/${n}`, s => api.log(id, n, s), live, 2000)
  const lines = data?.lines.slice(-MOST_LINES) ?? []
  return (
    <section>
      <h3>Log {data?.slot && <span class="note">of {visible(data.slot)}</span>}</h3>
      {lines.length ? (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: a scrolling region must be reachable by keyboard
        <pre class="log" tabIndex={0} role="region" aria-label={`Log of segment ${n}`}>
          {data?.cut || lines.length < (data?.lines.length ?? 0) ? "…\n" : ""}
          {lines.map(visible).join("\n")}
        </pre>
      ) : (
        <Waiting error={error} loading={loading} empty="It wrote nothing." />
      )}
    </section>
  )
}
