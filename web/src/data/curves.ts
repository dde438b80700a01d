// From the API's curves to what is drawn.
import type { Band, Num } from "../api/types"
import { extent } from "../draw/scale"

/** the best so far, which never gets worse */
export function runningBest(x: readonly number[], y: readonly Num[], goal: "maximize" | "minimize"): Num[] {
  let best: Num = null
  return x.map((_, i) => {
    const v = y[i] ?? null
    if (v !== null && (best === null || (goal === "maximize" ? v > best : v < best))) best = v
    return best
  })
}

/** the value of a step function at `at`; null before it begins */
export function valueAt(x: readonly number[], y: readonly Num[], at: number): Num {
  const i = upper(x, at) - 1
  return i < 0 ? null : (y[i] ?? null)
}

/** the first index whose x is greater than `at` */
export function upper(x: ArrayLike<number>, at: number): number {
  let lo = 0
  let hi = x.length
  while (lo < hi) {
    const mid = (lo + hi) >> 1
    if (x[mid]! <= at) lo = mid + 1
    else hi = mid
  }
  return lo
}

/** the index whose x is nearest to `at`; -1 if there is none */
export function nearest(x: ArrayLike<number>, at: number): number {
  if (!x.length) return -1
  const i = upper(x, at)
  if (i === 0) return 0
  if (i === x.length) return x.length - 1
  return at - x[i - 1]! <= x[i]! - at ? i - 1 : i
}

export function xExtent(series: readonly { x: number[] }[], band?: Band): [number, number] | null {
  let lo = Number.POSITIVE_INFINITY
  let hi = Number.NEGATIVE_INFINITY
  for (const s of [...series, ...(band ? [band] : [])]) {
    if (!s.x.length) continue
    lo = Math.min(lo, s.x[0]!)
    hi = Math.max(hi, s.x.at(-1)!)
  }
  return lo <= hi ? [lo, hi] : null
}

/**
 * The scores worth showing between two x. Of all scores the worst few per cent are left out below (above, if less is
 * better): a single diverged member must not squeeze all the others into a line.
 */
export function yExtent(
  series: readonly { x: number[]; y: Num[] }[],
  from: number,
  to: number,
  goal: "maximize" | "minimize",
  focus: boolean,
): [number, number] | null {
  const values: number[] = []
  for (const s of series)
    for (let i = 0; i < s.x.length; i++) {
      const v = s.y[i]
      if (v !== null && v !== undefined && s.x[i]! >= from && s.x[i]! <= to) values.push(v)
    }
  if (!values.length) return null
  values.sort((a, b) => a - b)
  const cut = focus ? 0.35 : values.length > 60 ? 0.005 : 0
  const drop = Math.floor(values.length * cut)
  return extent(goal === "maximize" ? values.slice(drop) : values.slice(0, values.length - drop))
}

/** whether scores are better seen on a logarithmic axis: losses that fall by a large factor */
export function wantsLog(e: readonly [number, number] | null, goal: "maximize" | "minimize"): boolean {
  return goal === "minimize" && e !== null && e[0] > 0 && e[1] / e[0] > 5
}

/** y as floats, NaN where there is none */
export function floats(y: readonly Num[]): Float64Array {
  const out = new Float64Array(y.length)
  for (let i = 0; i < y.length; i++) out[i] = y[i] ?? Number.NaN
  return out
}

/** a step line's corners: a hyperparameter holds until it changes */
export function corners(x: ArrayLike<number>, y: ArrayLike<number>): { x: Float64Array; y: Float64Array } {
  const n = x.length
  const outX = new Float64Array(Math.max(0, 2 * n - 1))
  const outY = new Float64Array(Math.max(0, 2 * n - 1))
  for (let i = 0; i < n; i++) {
    outX[2 * i] = x[i]!
    outY[2 * i] = y[i]!
    if (i + 1 < n) {
      outX[2 * i + 1] = x[i + 1]!
      outY[2 * i + 1] = y[i]!
    }
  }
  return { x: outX, y: outY }
}
