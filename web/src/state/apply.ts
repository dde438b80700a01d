// What an event does to the members on the page, at once; the server's own answer follows a moment later and has the last word.
import type { Event, Hypers, Member, Score } from "../api/types"

const SPARK = 40

const text = (x: unknown): string => (typeof x === "string" ? x : "")
const whole = (x: unknown, otherwise: number): number => (typeof x === "number" ? x : otherwise)
const isScore = (x: unknown): x is Score => x === null || typeof x === "number" || x === "NaN" || x === "+Inf" || x === "-Inf"

function applyOne(m: Member, e: Event): Member {
  const d = e.data ?? {}
  switch (e.kind) {
    case "decided": {
      const hypers = typeof d.hypers === "object" && d.hypers !== null ? (d.hypers as Hypers) : m.hypers
      const last_decision = { segment: e.segment ?? m.segment, action: text(d.action), why: text(d.why), say: e.say, at: e.at }
      return { ...m, state: "waiting", segment: e.segment ?? m.segment, hypers, slot: "", progress: 0, last_decision }
    }
    case "leased":
      return { ...m, state: "running", slot: text(d.worker), leased_at: e.at, progress: 0 }
    case "finished": {
      const score = isScore(d.score) ? d.score : m.score
      const spark = [...m.spark, typeof score === "number" ? score : null].slice(-SPARK)
      return {
        ...m,
        state: "deciding",
        score,
        step: whole(d.step, m.step),
        spent: whole(d.spent, m.spent),
        record: e.segment ?? m.record,
        slot: "",
        progress: 1,
        spark,
      }
    }
    case "failed": {
      const lost = d.kind === "lost"
      return {
        ...m,
        state: "waiting",
        slot: "",
        progress: 0,
        last_failure: text(d.error),
        lost: m.lost + (lost ? 1 : 0),
        failures: m.failures + (lost ? 0 : 1),
      }
    }
    case "member_done":
      return { ...m, state: d.reason === "failed" ? "failed" : "done", slot: "" }
    default:
      return m
  }
}

/** a new list if anything changed, else the same */
export function applyEvents(members: Member[], events: readonly Event[]): Member[] {
  const at = new Map<number, Member>()
  for (const e of events) {
    if (e.member === null) continue
    const m = at.get(e.member) ?? members.find(x => x.id === e.member)
    if (!m) continue
    const next = applyOne(m, e)
    if (next !== m) at.set(e.member, next)
  }
  return at.size ? members.map(m => at.get(m.id) ?? m) : members
}

/** the newest `most`, in order, each seq once */
export function mergeEvents(old: readonly Event[], more: readonly Event[], most: number): Event[] {
  if (!more.length) return old as Event[]
  const last = old.at(-1)?.seq ?? 0
  const inOrder = more[0]!.seq > last
  const all = inOrder
    ? [...old, ...more]
    : [...new Map([...old, ...more].map(e => [e.seq, e])).values()].sort((a, b) => a.seq - b.seq)
  return all.length > most ? all.slice(all.length - most) : all
}
