// Runs side by side at an equal budget.
import type { Num, Run } from "../api/types"
import { runningBest, valueAt } from "./curves"

export interface Compared {
  run: Run
  index: number
  x: number[]
  best: Num[]
  median: Num[]
}

/** where the shortest of the runs ends: up to there, all can be compared */
export function equalBudget(list: readonly Compared[]): number {
  const ends = list.filter(c => c.x.length).map(c => c.x.at(-1)!)
  return ends.length ? Math.min(...ends) : 0
}

export function standings(list: readonly Compared[], budget: number): { c: Compared; at: Num; behind: Num }[] {
  const goal = list[0]?.run.goal ?? "maximize"
  const sign = goal === "maximize" ? -1 : 1
  const rows = list.map(c => ({ c, at: valueAt(c.x, runningBest(c.x, c.best, c.run.goal), budget) }))
  rows.sort((a, b) => (a.at === null ? 1 : b.at === null ? -1 : sign * (a.at - b.at)))
  const first = rows[0]?.at ?? null
  return rows.map(r => ({ ...r, behind: r.at === null || first === null ? null : r.at - first }))
}
