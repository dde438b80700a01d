// The HTTP contract of docs/api.md, in its words. Everything here comes from outside: it is shown as text, never as markup.

export type Score = number | "NaN" | "+Inf" | "-Inf" | null
export type Value = number | string | boolean
export type Hypers = Record<string, Value>

export interface HyperDef {
  name: string
  kind: "float" | "int" | "choice" | "ordered" | "constant"
  log: boolean
  bounds: [number, number] | null
  values: Value[] | null
}

export interface Best {
  segment: number
  member: number
  score: Score
  step: number
  hypers: Hypers
  checkpoint: string
}

export interface Counts {
  finished: number
  failed: number
  lost: number
  refused: number
  copies: number
  repairs: number
  restarts: number
  rolled_back: number
  opens: number
}

export type Phase = "running" | "ending" | "finished" | "paused"

export interface Run {
  id: string
  name: string
  dir: string
  phase: Phase
  reason: string
  live: boolean
  steerable: boolean
  metric: string
  goal: "maximize" | "minimize"
  population: number
  slots: number
  seed: string
  segment_steps: number
  exploit: string
  explore: string
  started_at: number
  updated_at: number
  worked_s: number
  budget: { steps?: number; total_steps?: number; wall_s?: number; target?: number; patience?: number }
  progress: number
  eta_s: number | null
  spent: number
  best: Best | null
  /** The random search inside the run; `says` is empty where there is nothing to compare. */
  random_search: { says: string }
  counts: Counts
  hypers: HyperDef[]
  seq: number
  host: string
  version: string
  machine: string
}

export type MemberState = "waiting" | "running" | "deciding" | "done" | "failed" | "retired"

export interface Member {
  id: number
  state: MemberState
  rank: number
  score: Score
  step: number
  spent: number
  hypers: Hypers
  segment: number
  record: number
  slot: string
  leased_at: number
  progress: number
  failures: number
  lost: number
  last_failure: string
  root: number
  last_decision: { segment: number; action: string; why: string; say: string; at: number } | null
  spark: (number | null)[]
}

export interface Times {
  start_s: number
  load_s: number
  train_s: number
  eval_s: number
  save_s: number
  publish_s: number
}

export interface Change {
  name: string
  from: Value | null
  to: Value | null
  op: string
}

export interface Segment {
  id: number
  member: number
  turn: number
  parent: number
  state: "waiting" | "running" | "finished" | "failed" | "dropped"
  from: number
  steps: number
  hypers: Hypers
  action: string
  why: string
  say: string
  donor: { member: number; segment: number; score: Score } | null
  changes: Change[]
  score: Score
  metrics: Record<string, Score>
  checkpoint: { id: string; bytes: number; kept: boolean; pinned: boolean; path: string } | null
  worker: string
  tries: number
  times: Times | null
  decided_at: number
  leased_at: number | null
  finished_at: number | null
  failures: { at: number; kind: string; error: string; attempt: number; final: boolean }[]
}

export interface SegmentDetail extends Segment {
  children: number[]
  ancestors: number[]
}

export interface Stage {
  segment: number
  member: number
  run?: string // another run, that this one is a branch of
  from: number
  to: number
  hypers: Hypers
}

export type Num = number | null

export interface Series {
  member: number
  root: number
  winning: boolean
  x: number[]
  y: Num[]
}

export interface CurveSeries extends Series {
  done: boolean
  segments: number[]
}

export interface Band {
  x: number[]
  best: Num[]
  q10: Num[]
  q25: Num[]
  median: Num[]
  q75: Num[]
  q90: Num[]
}

export interface Copy {
  seq: number
  segment: number
  member: number
  donor: number
  donor_segment: number
  x: number
  from: Num
  to: Num
}

export interface Curves {
  seq: number
  by: "lineage" | "member"
  x: "step" | "time" | "total"
  series: CurveSeries[]
  band: Band
  copies: Copy[]
  decimated: boolean
}

export interface HyperCurves {
  seq: number
  name: string
  log: boolean
  values: Value[] | null
  series: Series[]
  schedule: { x: number[]; y: Num[] }
}

export interface ParallelRow {
  segment: number
  member: number
  step: number
  score: Score
  hypers: Hypers
  winning: boolean
}

export interface Stretch {
  id: number
  member: number
  root: number
  parent: number | null
  from: number
  to: number
  t0: number
  t1: number
  first: number
  last: number
  score: Score
  action: string
  winning: boolean
  alive: boolean
}

export interface Lineage {
  seq: number
  roots: number
  stretches: Stretch[]
  decimated: boolean
}

export interface Span {
  t0: number
  t1: number
  member: number
  segment: number
  ok: boolean | null
  merged: number
}

export interface Slots {
  seq: number
  from: number
  to: number
  use: number
  slots: { name: string; waits_until?: number; spans: Span[] }[]
}

export interface Health {
  seq: number
  slot_use: number
  steps_per_s: number
  segments_per_min: number
  eta_s: number | null
  split: Times & { wait_s: number }
  disk: { checkpoints: number; checkpoint_bytes: number; journal_bytes: number; free_bytes: number }
  retries: number
  lost: number
  rolled_back: number
}

export type Level = "quiet" | "info" | "decision" | "good" | "warn" | "error"

export interface Event {
  seq: number
  at: number
  kind: string
  segment: number | null
  member: number | null
  level: Level
  say: string
  data: Record<string, unknown>
}

export interface Progress {
  member: number
  segment: number
  step: number
  steps: number
  metrics: Record<string, Score>
}
