// The members' table: columns, order, filter.
import type { HyperDef, Member, Score, Value } from "../api/types"

export type Key = string // a column's name; hypers are "h:name"

export function sortValue(m: Member, key: Key): number | string {
  if (key.startsWith("h:")) return valueOrder(m.hypers[key.slice(2)])
  switch (key) {
    case "rank":
      return m.rank || Number.POSITIVE_INFINITY
    case "member":
      return m.id
    case "score":
      return scoreOrder(m.score)
    case "step":
      return m.step
    case "spent":
      return m.spent
    case "state":
      return m.state
    case "slot":
      return m.slot
    case "root":
      return m.root
    case "decision":
      return m.last_decision?.action ?? ""
    case "age":
      return -(m.last_decision?.at ?? 0)
    case "failures":
      return m.failures + m.lost
    default:
      return 0
  }
}

const valueOrder = (v: Value | undefined): number | string => (v === undefined ? "" : typeof v === "boolean" ? Number(v) : v)

/** scores that are not numbers come after all others */
function scoreOrder(s: Score): number {
  if (typeof s === "number") return s
  return s === "+Inf" ? Number.MAX_VALUE : s === "-Inf" ? -Number.MAX_VALUE : Number.NaN
}

export function sortMembers(list: readonly Member[], key: Key, down: boolean): Member[] {
  const sign = down ? -1 : 1
  return list.toSorted((a, b) => {
    const x = sortValue(a, key)
    const y = sortValue(b, key)
    if (typeof x === "number" && typeof y === "number") {
      const nx = Number.isNaN(x)
      const ny = Number.isNaN(y)
      if (nx || ny) return nx && ny ? a.id - b.id : nx ? 1 : -1
      return x === y ? a.id - b.id : (x < y ? -1 : 1) * sign
    }
    return (String(x).localeCompare(String(y), "en", { numeric: true }) || a.id - b.id) * sign
  })
}

/** every word must be somewhere: a member ("m7" or "7"), a state, a slot, a decision, a value */
export function filterMembers(list: readonly Member[], text: string, state: string, hypers: readonly HyperDef[]): Member[] {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean)
  return list.filter(m => {
    if (state && m.state !== state) return false
    if (!words.length) return true
    const hay = [
      `m${m.id}`,
      m.state,
      m.slot,
      m.last_decision?.action,
      m.last_decision?.say,
      m.last_failure,
      ...hypers.map(h => `${h.name}=${String(m.hypers[h.name])}`),
    ]
      .join(" ")
      .toLowerCase()
    return words.every(w => (/^\d+$/.test(w) ? m.id === Number(w) : /^m\d+$/.test(w) ? `m${m.id}` === w : hay.includes(w)))
  })
}
