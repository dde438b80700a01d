import { useEffect, useMemo, useState } from "preact/hooks"
import { api } from "../api/client"
import type { Event, Level } from "../api/types"
import { csv } from "../data/export"
import { formatClock, formatDate, visible } from "../data/format"
import { mergeEvents } from "../state/apply"
import { events, members } from "../state/live"
import { openSegment, param, runId, setParams } from "../state/route"
import { Card, Downloads, MemberTag, Waiting } from "../ui/bits"

const LEVELS: Level[] = ["quiet", "info", "decision", "good", "warn", "error"]
const NAMES: Record<Level, string> = {
  quiet: "routine",
  info: "information",
  decision: "decision",
  good: "new best",
  warn: "warning",
  error: "error",
}
const PAGE = 150

interface Filter {
  levels: readonly string[]
  kind: string
  member: string
}

/** everything but routine, unless asked for more */
export function passesFilter(e: Event, f: Filter): boolean {
  if (f.kind && e.kind !== f.kind) return false
  if (f.member !== "" && e.member !== Number(f.member)) return false
  return f.levels.length ? f.levels.includes(e.level) : e.level !== "quiet" || f.kind !== ""
}

export function EventsView() {
  const id = runId.value
  const levels = param("level").split(",").filter(Boolean)
  const filter: Filter = { levels, kind: param("kind"), member: param("member") }
  const [older, setOlder] = useState<Event[]>([])
  const [busy, setBusy] = useState(false)
  const [shown, setShown] = useState(PAGE)
  useEffect(() => setOlder([]), [id, filter.kind, filter.member])
  const all = useMemo(() => mergeEvents(older, events.value, 20_000), [older, events.value])
  const list = useMemo(
    () => all.filter(e => passesFilter(e, filter)).reverse(),
    [all, filter.kind, filter.member, param("level")],
  )
  const kinds = useMemo(() => [...new Set(all.map(e => e.kind))].sort(), [all])
  const first = all[0]?.seq ?? 0
  const more = async () => {
    if (shown < list.length) return setShown(shown + PAGE)
    setBusy(true)
    let before = first
    let got: Event[] = []
    // routine events are many: look a few pages back until something is left of them
    for (let i = 0; i < 5 && before > 1 && got.filter(e => passesFilter(e, filter)).length < 20; i++) {
      const page = await api.events(id, { before, limit: 1000, kind: filter.kind, member: filter.member }).catch(() => null)
      if (!page?.events.length) break
      got = [...page.events, ...got]
      before = page.events[0]!.seq
    }
    setOlder(o => mergeEvents(got, o, 20_000))
    setShown(shown + PAGE)
    setBusy(false)
  }
  return (
    <Card
      title="Events"
      sub="What was decided and what went wrong, newest first."
      tools={<Tools filter={filter} kinds={kinds} list={list} />}
    >
      {list.length ? (
        <ol class="feed" aria-label="Events, newest first">
          {list.slice(0, shown).map(e => (
            <Item key={e.seq} e={e} />
          ))}
        </ol>
      ) : (
        <Waiting empty={all.length ? "Nothing passes this filter." : "Nothing has happened yet."} />
      )}
      {(shown < list.length || first > 1) && (
        <p class="more">
          <button type="button" class="quiet" disabled={busy} onClick={() => void more()}>
            {busy ? "Looking …" : "Older events"}
          </button>
        </p>
      )}
    </Card>
  )
}

function Tools({ filter, kinds, list }: { filter: Filter; kinds: string[]; list: Event[] }) {
  const on = filter.levels.length ? filter.levels : LEVELS.filter(l => l !== "quiet")
  const flip = (l: Level) => {
    const next = on.includes(l) ? on.filter(x => x !== l) : [...on, l]
    setParams({ level: next.length === LEVELS.length - 1 && !next.includes("quiet") ? "" : next.join(",") })
  }
  return (
    <>
      <fieldset class="levels">
        <legend class="sr">Levels</legend>
        {LEVELS.map(l => (
          <button key={l} type="button" class={`chip lv-${l}`} aria-pressed={on.includes(l)} onClick={() => flip(l)}>
            <i class="dot" />
            {NAMES[l]}
          </button>
        ))}
      </fieldset>
      <select aria-label="Kind" value={filter.kind} onChange={e => setParams({ kind: e.currentTarget.value })}>
        <option value="">all kinds</option>
        {[...new Set([...kinds, ...(filter.kind ? [filter.kind] : [])])].map(k => (
          <option key={k}>{k}</option>
        ))}
      </select>
      <select aria-label="Member" value={filter.member} onChange={e => setParams({ member: e.currentTarget.value })}>
        <option value="">all members</option>
        {members.value.slice(0, 2000).map(m => (
          <option key={m.id} value={String(m.id)}>{`m${m.id}`}</option>
        ))}
      </select>
      <Downloads
        name="events"
        csv={() =>
          csv(
            ["seq", "at", "kind", "level", "member", "segment", "say"],
            list.map(e => [e.seq, formatDate(e.at), e.kind, e.level, e.member, e.segment, e.say]),
          )
        }
        json={() => list}
      />
    </>
  )
}

function Item({ e }: { e: Event }) {
  const m = e.member === null ? undefined : members.value.find(x => x.id === e.member)
  return (
    <li class={`ev lv-${e.level}`} data-seq={e.seq}>
      <i class="dot" aria-hidden="true" />
      <time dateTime={new Date(e.at).toISOString()} title={formatDate(e.at)}>
        {formatClock(e.at)}
      </time>
      <span class="ev-who">{e.member !== null && <MemberTag id={e.member} root={m?.root} />}</span>
      <span class="ev-say">
        <span class="sr">{NAMES[e.level]}: </span>
        {visible(sayWithoutMember(e))}
      </span>
      <span class="ev-seg">
        {e.segment ? (
          <button type="button" class="link" onClick={() => openSegment(e.segment)}>
            segment {e.segment}
          </button>
        ) : (
          <span class="none">{e.kind}</span>
        )}
      </span>
    </li>
  )
}

/** the member stands beside the sentence already */
function sayWithoutMember(e: Event): string {
  const prefix = `member ${e.member}: `
  return e.say.startsWith(prefix) ? e.say.slice(prefix.length) : e.say
}
