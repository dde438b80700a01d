// Colours of the figures. The ten hues are told apart with any of the common colour blindnesses (after Okabe & Ito and Tol).

export interface Theme {
  dark: boolean
  bg: string
  ink: string
  muted: string
  faint: string
  grid: string
  band: string
  accent: string
  good: string
  warn: string
  bad: string
  hues: readonly string[]
  ramp: readonly [number, number, number][]
  lead: number // the root of the leader's family, which has the first colour; -1: none yet
}

export const LIGHT: Theme = {
  dark: false,
  bg: "#ffffff",
  ink: "#171b21",
  muted: "#5b6672",
  faint: "#a3acb6",
  grid: "#e9ecef",
  band: "#8c9aa9",
  accent: "#0a66b0",
  good: "#00795f",
  warn: "#a85f00",
  bad: "#c0392b",
  hues: ["#0a6ab6", "#d97b00", "#008a6d", "#b9528f", "#3b9fd8", "#cc4a0a", "#6d58b4", "#82821a", "#1b9e9e", "#8b5a40"],
  ramp: [
    [222, 226, 231],
    [150, 190, 205],
    [66, 146, 178],
    [20, 98, 150],
    [12, 44, 96],
  ],
  lead: -1,
}

export const DARK: Theme = {
  dark: true,
  bg: "#12161b",
  ink: "#e8ecf0",
  muted: "#98a4b0",
  faint: "#5d6875",
  grid: "#232a32",
  band: "#7b8998",
  accent: "#5cb3f5",
  good: "#38c9a0",
  warn: "#f0ae45",
  bad: "#ff7a6b",
  hues: ["#4ba6f0", "#f5a83c", "#33c79f", "#e58bc0", "#8fd0f5", "#f5804a", "#a896ec", "#c9c65a", "#4fd0d0", "#c79a7e"],
  ramp: [
    [46, 54, 64],
    [42, 92, 112],
    [44, 146, 146],
    [130, 204, 138],
    [250, 226, 120],
  ],
  lead: -1,
}

const wrap = (t: Theme, i: number): number => ((i % t.hues.length) + t.hues.length) % t.hues.length

export const hueAt = (t: Theme, i: number): string => t.hues[wrap(t, i)]!

/** the colour of a family; only the leader's has the first */
export function hue(t: Theme, root: number): string {
  if (root === t.lead) return t.hues[0]!
  const n = t.hues.length - 1
  return t.hues[1 + (((root % n) + n) % n)]!
}

/** 0 … 1 on the sequential ramp, lowest to highest */
export function ramp(t: Theme, f: number): string {
  const r = t.ramp
  const at = Math.min(1, Math.max(0, f)) * (r.length - 1)
  const i = Math.min(r.length - 2, Math.floor(at))
  const mix = [0, 1, 2].map(k => Math.round(r[i]![k]! + (r[i + 1]![k]! - r[i]![k]!) * (at - i)))
  return `rgb(${mix[0]},${mix[1]},${mix[2]})`
}
