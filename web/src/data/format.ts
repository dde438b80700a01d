// Numbers and names as a person wants to read them.
import type { Score, Value } from "../api/types"

/** at least four significant digits of a score, and no more than tell it apart */
export function formatScore(s: Score | undefined): string {
  if (s === null || s === undefined) return "–"
  if (typeof s === "string") return s === "+Inf" ? "+∞" : s === "-Inf" ? "−∞" : "NaN"
  return formatNumber(s, 4)
}

export function formatNumber(v: number, digits = 4): string {
  if (!Number.isFinite(v)) return Number.isNaN(v) ? "NaN" : v > 0 ? "+∞" : "−∞"
  if (v === 0) return "0"
  const a = Math.abs(v)
  if (a >= 1e7 || a < 1e-5)
    return minus(
      v
        .toExponential(Math.max(0, digits - 1))
        .replace(/\.?0+e/, "e")
        .replace("e+", "e"),
    )
  if (a >= 10 ** digits) return minus(thousands(Math.round(v)))
  return minus(String(Number(v.toPrecision(digits))))
}

const minus = (s: string) => s.replace(/^-/, "−")

/** 12,400 */
export function thousands(v: number): string {
  return String(Math.round(v)).replace(/\B(?=(\d{3})+(?!\d))/g, ",")
}

export function formatScoreAligned(s: Score): string {
  const plain = formatScore(s)
  return typeof s === "number" && s !== 0 && Math.abs(s) >= 1e-5 && Math.abs(s) < 1e4 ? minus(s.toPrecision(4)) : plain
}

/** in a column: zeros at the end stay, so that the digits stand below each other */
export function formatAligned(v: Value | undefined): string {
  if (typeof v !== "number" || Number.isInteger(v)) return formatValue(v)
  const a = Math.abs(v)
  return a >= 1e4 || a < 1e-4 ? formatNumber(v, 3) : minus(v.toPrecision(3))
}

export function formatValue(v: Value | null | undefined): string {
  if (v === null || v === undefined) return "–"
  if (typeof v === "number") return Number.isInteger(v) ? formatNumber(v, 5) : formatNumber(v, 3)
  return String(v)
}

export function formatDuration(s: number | null): string {
  if (s === null || !Number.isFinite(s)) return "–"
  if (s < 0.0005) return "0 s"
  if (s < 1) return `${Math.round(s * 1000)} ms`
  if (s < 10) return `${Number(s.toFixed(1))} s`
  if (s < 60) return `${Math.round(s)} s`
  const m = Math.round(s / 60)
  if (s < 600) return `${Math.floor(s / 60)} min${Math.round(s % 60) && s < 300 ? ` ${Math.floor(s % 60)} s` : ""}`
  if (m < 120) return `${m} min`
  if (m < 48 * 60) return `${Math.floor(m / 60)} h${m % 60 ? ` ${m % 60} min` : ""}`
  return `${Math.round(m / 1440)} days`
}

export function formatBytes(b: number): string {
  const units = ["B", "kB", "MB", "GB", "TB", "PB"]
  let i = 0
  while (b >= 1000 && i < units.length - 1) {
    b /= 1000
    i++
  }
  return `${i === 0 ? b : Number(b.toPrecision(3))} ${units[i]}`
}

export function formatClock(ms: number): string {
  const d = new Date(ms)
  const p = (n: number) => String(n).padStart(2, "0")
  return `${p(d.getHours())}:${p(d.getMinutes())}:${p(d.getSeconds())}`
}

export function formatDate(ms: number): string {
  const d = new Date(ms)
  const p = (n: number) => String(n).padStart(2, "0")
  return `${d.getFullYear()}-${p(d.getMonth() + 1)}-${p(d.getDate())} ${formatClock(ms)}`
}

export function formatAge(ms: number, now: number): string {
  if (!ms) return "–"
  const s = (now - ms) / 1000
  return s < 1 ? "now" : formatDuration(Math.round(s))
}

export const plural = (n: number, one: string, many = `${one}s`): string => `${thousands(n)} ${n === 1 ? one : many}`

export const percent = (f: number): string => `${f > 0 && f < 0.0995 ? (100 * f).toFixed(1) : Math.round(100 * f)} %`

/** control characters would let a log line rearrange the page; show them */
export const visible = (s: string): string =>
  s.replace(/\u001b\[[0-9;]*[A-Za-z]/g, "").replace(/[\u0000-\u0008\u000b-\u001f\u007f\u202a-\u202e\u2066-\u2069]/g, "\ufffd")
