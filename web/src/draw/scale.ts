// Scales and their ticks: linear, logarithmic, time.

export interface Scale {
  (v: number): number
  invert(p: number): number
  ticks: number[]
  format(v: number): string
  domain: readonly [number, number]
}

export function extent(values: Iterable<number | null>): [number, number] | null {
  let lo = Number.POSITIVE_INFINITY
  let hi = Number.NEGATIVE_INFINITY
  for (const v of values) {
    if (v === null || !Number.isFinite(v)) continue
    if (v < lo) lo = v
    if (v > hi) hi = v
  }
  return lo <= hi ? [lo, hi] : null
}

export function niceStep(span: number, count: number): number {
  const raw = span / Math.max(1, count)
  const mag = 10 ** Math.floor(Math.log10(raw))
  const f = raw / mag
  return (f < 1.5 ? 1 : f < 3.5 ? 2 : f < 7.5 ? 5 : 10) * mag
}

export function linearTicks(lo: number, hi: number, count: number): number[] {
  if (!(hi > lo)) return [lo]
  const step = niceStep(hi - lo, count)
  const out: number[] = []
  for (let k = Math.ceil(lo / step - 1e-9); k * step <= hi + step * 1e-9; k++) out.push(Number((k * step).toPrecision(12)))
  return out
}

export function logTicks(lo: number, hi: number, count: number): number[] {
  const a = Math.floor(Math.log10(lo))
  const b = Math.ceil(Math.log10(hi))
  const decades = Math.log10(hi / lo)
  if (decades < 0.3) return linearTicks(lo, hi, count).filter(v => v > 0)
  const steps = decades < 1 ? [1, 1.5, 2, 3, 4, 5, 7] : decades < 2.2 ? [1, 2, 5] : [1]
  const every = Math.max(1, Math.round(decades / Math.max(2, count)))
  const out: number[] = []
  for (let e = a; e <= b; e += every)
    for (const s of steps) {
      const v = Number((s * 10 ** e).toPrecision(6))
      if (v >= lo * 0.999 && v <= hi * 1.001) out.push(v)
    }
  return out
}

/** digits enough to tell neighbours apart, thousands as 12k, tiny and huge as powers */
export function tickFormat(ticks: number[]): (v: number) => string {
  const big = Math.max(...ticks.map(Math.abs), 0)
  let step = Number.POSITIVE_INFINITY
  for (let i = 1; i < ticks.length; i++) step = Math.min(step, Math.abs(ticks[i]! - ticks[i - 1]!))
  if (!Number.isFinite(step)) step = big / 10 || 1
  return v => {
    if (v === 0) return "0"
    if (big >= 10000 && step >= 100) {
      const [unit, letter] = big >= 1e9 ? [1e9, "G"] : big >= 1e6 ? [1e6, "M"] : [1e3, "k"]
      return `${Number((v / unit).toFixed(Math.max(0, -Math.floor(Math.log10(step / unit) + 1e-9))))}${letter}`
    }
    if (Math.abs(v) < 1e-3 || Math.abs(v) >= 1e6) return v.toExponential(1).replace(/\.0e/, "e").replace("e+", "e")
    return v.toFixed(Math.min(8, Math.max(0, -Math.floor(Math.log10(step) + 1e-9))))
  }
}

export const plain = (v: number): string => {
  if (v === 0) return "0"
  const a = Math.abs(v)
  if (a < 1e-3 || a >= 1e5) return v.toExponential(1).replace(/\.0e/, "e").replace("e+", "e")
  return String(Number(v.toPrecision(3)))
}

export function linear(domain: readonly [number, number], range: readonly [number, number], count = 5): Scale {
  const [lo, hi] = domain[0] === domain[1] ? [domain[0] - 0.5, domain[1] + 0.5] : domain
  const k = (range[1] - range[0]) / (hi - lo)
  const ticks = linearTicks(lo, hi, count)
  return Object.assign((v: number) => range[0] + (v - lo) * k, {
    invert: (p: number) => lo + (p - range[0]) / k,
    ticks,
    format: tickFormat(ticks),
    domain: [lo, hi] as const,
  })
}

export function log(domain: readonly [number, number], range: readonly [number, number], count = 5): Scale {
  let [lo, hi] = domain
  if (!(lo > 0)) return linear(domain, range, count)
  if (lo === hi) [lo, hi] = [lo / 1.5, hi * 1.5]
  const a = Math.log(lo)
  const k = (range[1] - range[0]) / (Math.log(hi) - a)
  return Object.assign((v: number) => (v > 0 ? range[0] + (Math.log(v) - a) * k : Number.NaN), {
    invert: (p: number) => Math.exp(a + (p - range[0]) / k),
    ticks: logTicks(lo, hi, count),
    format: plain,
    domain: [lo, hi] as const,
  })
}

const TIME_STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800]

/** Unix milliseconds, shown as time since `origin` */
export function elapsed(domain: readonly [number, number], range: readonly [number, number], origin: number, count = 6): Scale {
  const s = linear(domain, range, count)
  const step = TIME_STEPS.find(t => (s.domain[1] - s.domain[0]) / 1000 / t <= count) ?? 604800 * 4
  const ticks: number[] = []
  for (let k = Math.ceil((s.domain[0] - origin) / 1000 / step); origin + k * step * 1000 <= s.domain[1]; k++)
    ticks.push(origin + k * step * 1000)
  const format = (v: number) => {
    const t = Math.round((v - origin) / 1000)
    if (t === 0) return "0"
    if (step < 60) return t < 60 ? `${t} s` : `${Math.floor(t / 60)}:${String(t % 60).padStart(2, "0")}`
    if (step < 3600) return t < 3600 ? `${t / 60} min` : `${Math.floor(t / 3600)}:${String((t % 3600) / 60).padStart(2, "0")} h`
    return step < 86400 ? `${t / 3600} h` : `${t / 86400} d`
  }
  return Object.assign((v: number) => s(v), { invert: s.invert, ticks, format, domain: s.domain })
}

/** linear, or logarithmic where that is asked for and possible, with a little room */
export function scored(
  e: readonly [number, number],
  logarithmic: boolean,
  range: readonly [number, number],
  count: number,
): Scale {
  if (!logarithmic || !(e[0] > 0)) return linear(pad(e, 0.04), range, count)
  const room = (e[1] / e[0]) ** 0.04
  return log([e[0] / room, e[1] * room], range, count)
}

/** a little room above and below, so that lines do not touch the frame */
export function pad([lo, hi]: readonly [number, number], f = 0.05): [number, number] {
  const d = (hi - lo || Math.abs(hi) || 1) * f
  return [lo - d, hi + d]
}
