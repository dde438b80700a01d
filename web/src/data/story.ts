// The run in a few sentences: who leads, where its weights came from, how its hyperparameters changed.
import type { Best, HyperDef, Run, Stage, Value } from "../api/types"
import { formatScore, formatValue, thousands } from "./format"

export interface Passage {
  member: number
  from: number
  to: number
  first: number // segments
  last: number
  run?: string | undefined // another run
}

/** the stretches of an ancestry: who trained the weights, from step to step */
export function passages(stages: readonly Stage[]): Passage[] {
  const out: Passage[] = []
  for (const s of stages) {
    const last = out.at(-1)
    if (last && last.member === s.member && last.run === s.run) {
      last.to = s.to
      last.last = s.segment
    } else out.push({ member: s.member, from: s.from, to: s.to, first: s.segment, last: s.segment, run: s.run })
  }
  return out
}

export function leadSentence(run: Run): string {
  const b = run.best
  if (!b) return run.counts.finished ? "No member has a finite score yet." : "No member has a score yet."
  const tense = run.phase === "finished" ? "won" : "leads"
  const what = run.metric && run.metric !== "score" && run.metric.length <= 24 ? `${run.metric} ` : ""
  return `Member ${b.member} ${tense} with ${what}${formatScore(b.score)} after ${thousands(b.step)} steps.`
}

export function originSentence(best: Best | null, stages: readonly Stage[]): string {
  if (!best || !stages.length) return ""
  const all = passages(stages)
  const other = all.findLast(x => x.run !== undefined)
  const p = all.filter(x => x.run === undefined)
  const first = p[0]
  if (other) {
    const came = `Its weights come from run ${other.run}, segment ${other.last}, at step ${thousands(other.to)}`
    return p.length > 1 ? `${came}, and were copied ${p.length - 1} ${p.length === 2 ? "time" : "times"} since.` : `${came}.`
  }
  if (!first) return ""
  if (p.length === 1) return "Its weights are its own from the first step; it never copied."
  const hop = (x: Passage) => `member ${x.member} copied them at step ${thousands(x.from)}`
  const moves = p.slice(1)
  const began = `Its weights began as member ${first.member}`
  if (moves.length === 1) return `${began}; ${hop(moves[0]!)}.`
  if (moves.length <= 3) return `${began}; ${moves.slice(0, -1).map(hop).join(", ")} and ${hop(moves.at(-1)!)}.`
  const members = new Set(p.map(x => x.member)).size
  return `${began} and were copied ${moves.length} times, through ${members} members; last, ${hop(moves.at(-1)!)}.`
}

const RATE = /^(.*[._-])?(lr|learning[._-]?rate)$/i

/** the hyperparameter that a newcomer asks about first: the learning rate, or what comes closest */
export function mainHyper(hypers: readonly HyperDef[]): HyperDef | null {
  const free = hypers.filter(h => h.kind !== "constant")
  return free.find(h => RATE.test(h.name)) ?? free.find(h => h.log) ?? free.find(h => h.kind === "float") ?? free[0] ?? null
}

export const spokenName = (name: string): string => (RATE.test(name) ? "learning rate" : name)

/** the values along an ancestry, one for each change */
export function changesOf(name: string, stages: readonly Stage[]): { step: number; value: Value }[] {
  const out: { step: number; value: Value }[] = []
  for (const s of stages) {
    const value = s.hypers[name]
    if (value !== undefined && out.at(-1)?.value !== value) out.push({ step: s.from, value })
  }
  return out
}

export function changeSentence(h: HyperDef | null, stages: readonly Stage[]): string {
  if (!h || !stages.length) return ""
  const values = changesOf(h.name, stages).map(c => c.value)
  const name = spokenName(h.name)
  const first = values[0]
  const last = values.at(-1)
  if (first === undefined || last === undefined) return ""
  if (values.length === 1) return `Its ${name} stayed at ${formatValue(first)}.`
  if (typeof first !== "number" || typeof last !== "number")
    return `Its ${name} changed from ${formatValue(first)} to ${formatValue(last)}.`
  const numbers = values.filter(v => typeof v === "number")
  const lo = Math.min(...numbers)
  const hi = Math.max(...numbers)
  const small = (a: number, b: number) => (h.log ? Math.abs(Math.log(a / b)) < 0.18 : Math.abs(a - b) < 0.1 * (hi - lo))
  const span = `from ${formatValue(first)} to ${formatValue(last)}`
  if (first === last || (small(first, last) && hi - lo > 2 * Math.abs(first - last)))
    return `Its ${name} moved between ${formatValue(lo)} and ${formatValue(hi)} and is ${formatValue(last)} now.`
  const word = last < first ? "fell" : "rose"
  const peak = last < first ? hi : lo
  const detour = peak !== first && !small(peak, first) ? `, by way of ${formatValue(peak)}` : ""
  return `Its ${name} ${word} ${span}${detour}.`
}
