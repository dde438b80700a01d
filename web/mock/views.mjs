// The answers of docs/api.md, made from a Sim.
import { ACTIONS, KINDS, rng } from "./sim.mjs"

const LEVEL = {
  run_started: "info",
  opened: "info",
  decided: "quiet",
  leased: "quiet",
  finished: "quiet",
  failed: "warn",
  member_done: "info",
  ending: "info",
  run_ended: "info",
  closed: "info",
  steered: "info",
}
const STATES = ["waiting", "running", "finished", "failed"]
export const num = x => (Number.isFinite(x) ? x : null)
export const score = x => (Number.isNaN(x) ? "NaN" : x === Infinity ? "+Inf" : x === -Infinity ? "-Inf" : x)
const fmt = x => (typeof x === "number" ? String(+x.toPrecision(4)) : String(x))
const ms = x => (x ? Math.round(x) : null)

export function hypersOf(s, id) {
  return Object.fromEntries(
    s.hypers.map((h, i) => [h.name, h.values ? h.values[s.hv.a[id * s.H + i]] : +s.hv.a[id * s.H + i].toPrecision(8)]),
  )
}

export const scoreOf = (s, id) => (id && s.col.state.a[id] === 2 ? score(s.col.score.a[id]) : null)

export function ancestry(s, id) {
  const out = []
  for (let i = id; i; i = s.col.parent.a[i]) out.push(i)
  return out
}

export function changes(s, id) {
  const a = s.col.action.a[id]
  if ((a !== 2 && a !== 3) || !s.col.parent.a[id]) return []
  const before = hypersOf(s, s.col.parent.a[id])
  const now = hypersOf(s, id)
  return Object.keys(now)
    .filter(k => before[k] !== now[k])
    .map(name => ({
      name,
      from: before[name],
      to: now[name],
      op: typeof now[name] === "number" && typeof before[name] === "number" ? `× ${fmt(now[name] / before[name])}` : "drawn anew",
    }))
}

export function say(s, id) {
  const c = s.col
  const a = ACTIONS[c.action.a[id]]
  const of = s.members.length
  if (a === "start") return "starts from fresh weights with hyperparameters drawn from the space"
  if (a === "restart") return "restarted by hand: fresh weights, hyperparameters drawn anew"
  const mine = fmt(score(c.score.a[c.judged.a[id]]))
  const ch = changes(s, id)
    .map(x => `${x.name} ${fmt(x.from)} ${x.op} = ${fmt(x.to)}`)
    .join(", ")
  if (a === "copy") {
    const d = c.donor.a[id]
    return `rank ${c.rank.a[id]} of ${of} (${mine}) is in the bottom ${Math.max(1, Math.round(of * s.o.truncation))}; copies weights and hyperparameters of member ${c.member.a[d]} (${fmt(c.score.a[d])}, segment ${d})${ch ? `; ${ch}` : ""}`
  }
  if (a === "repair")
    return `its score is ${mine}; takes over weights and hyperparameters of member ${c.member.a[c.donor.a[id]]}${ch ? `; ${ch}` : ""}`
  return c.rank.a[id]
    ? `rank ${c.rank.a[id]} of ${of} (${mine}) is not in the bottom; trains on`
    : "trains on: too few scores to compare with"
}

const why = (s, id) =>
  ({ start: "start", continue: "not_in_bottom", copy: "in_bottom", repair: "diverged", restart: "start" })[
    ACTIONS[s.col.action.a[id]]
  ]

export function best(s, n = s.best) {
  if (!n) return null
  return {
    segment: n,
    member: s.col.member.a[n],
    score: score(s.col.score.a[n]),
    step: s.col.to.a[n],
    hypers: hypersOf(s, n),
    checkpoint: `s${String(n).padStart(9, "0")}-${s.col.finSeq.a[n]}`,
  }
}

export function run(s) {
  const total = s.P * s.o.steps
  const worked = (s.now - s.o.start) / 1000
  const progress = s.over ? 1 : Math.min(1, s.spent / total)
  return {
    id: s.o.id,
    name: s.o.name,
    dir: s.o.dir ?? `runs/${s.o.id}`,
    phase: s.over ? "finished" : s.paused ? "paused" : "running",
    reason: s.over ? "every member has spent its budget" : s.paused ? "paused by hand" : "",
    live: s.o.live && !s.over,
    steerable: !!s.o.live && !s.over,
    metric: s.o.metric,
    goal: s.o.goal,
    population: s.members.length,
    slots: s.slots.length,
    seed: String(s.o.seed),
    segment_steps: s.o.segSteps,
    exploit: s.o.policy === "random" ? "none: every member trains alone" : "truncation: the bottom 20 % copy from the top 20 %",
    explore: s.o.policy === "random" ? "none" : "perturb: × 0.8 or × 1.2",
    started_at: Math.round(s.o.start),
    updated_at: Math.round(s.now),
    worked_s: worked,
    budget: { steps: s.o.steps },
    progress,
    eta_s: s.over || !progress ? null : (worked / progress) * (1 - progress),
    spent: s.spent,
    best: best(s),
    random_search: { says: "" },
    counts: s.counts,
    hypers: s.hypers,
    seq: s.seq,
    host: "atlas",
    version: "0.5.0-mock",
    machine: "linux/amd64, 8 CPUs (Mock), 32.0 GB of memory",
  }
}

export function members(s) {
  const c = s.col
  s.sinceRanking = Infinity
  const order = new Map(s.ranked().map((m, i) => [m.id, i + 1]))
  return {
    seq: s.seq,
    members: s.members.map(m => {
      const cur = m.seg
      const slot = m.state === "running" ? s.slots[c.slot.a[cur]] : null
      const spark = []
      for (let i = m.record; i && spark.length < 40; i = c.parent.a[i]) spark.push(num(c.score.a[i]))
      return {
        id: m.id,
        state: m.state,
        rank: order.get(m.id) ?? 0,
        score: scoreOf(s, m.record),
        step: m.record ? c.to.a[m.record] : 0,
        spent: m.spent,
        hypers: hypersOf(s, cur),
        segment: cur,
        record: m.record,
        slot: slot?.name ?? "",
        leased_at: Math.round(c.leased.a[cur] || 0),
        progress: slot ? Math.min(1, (s.now - c.leased.a[cur]) / (slot.end - c.leased.a[cur])) : 0,
        failures: m.failures,
        lost: m.lost,
        last_failure: m.lastFailure,
        root: m.root,
        last_decision: {
          segment: cur,
          action: ACTIONS[c.action.a[cur]],
          why: why(s, cur),
          say: say(s, cur),
          at: Math.round(c.decided.a[cur]),
        },
        spark: spark.reverse(),
      }
    }),
  }
}

export function segment(s, id) {
  const c = s.col
  const fin = c.state.a[id] === 2
  const d = c.donor.a[id]
  const v = c.score.a[id]
  const kept = s.members.some(m => m.record === id) || s.pins.has(id) || id === s.best
  return {
    id,
    member: c.member.a[id],
    turn: c.turn.a[id],
    parent: c.parent.a[id],
    state: STATES[c.state.a[id]],
    from: c.from.a[id],
    steps: c.to.a[id] - c.from.a[id],
    hypers: hypersOf(s, id),
    action: ACTIONS[c.action.a[id]],
    why: why(s, id),
    say: say(s, id),
    donor: d ? { member: c.member.a[d], segment: d, score: score(c.score.a[d]) } : null,
    changes: changes(s, id),
    score: scoreOf(s, id),
    metrics: fin ? { loss: score((1.05 - v) * 1.7), [s.o.names.metric ?? "train_accuracy"]: score(Math.min(1, v * 1.02)) } : {},
    checkpoint: fin
      ? {
          id: best(s, id).checkpoint,
          bytes: 4_812_345 + id,
          kept,
          pinned: s.pins.has(id),
          path: `${s.o.dir ?? `runs/${s.o.id}`}/checkpoints/${best(s, id).checkpoint}`,
        }
      : null,
    worker: s.slots[c.slot.a[id]]?.name ?? "",
    tries: c.tries.a[id],
    times: fin ? s.times(id) : null,
    decided_at: ms(c.decided.a[id]),
    leased_at: ms(c.leased.a[id]),
    finished_at: ms(c.finished.a[id]),
    failures: s.failures.get(id) ?? [],
  }
}

export function segmentDetail(s, id) {
  const children = []
  for (let i = id + 1; i <= s.n && children.length < 200; i++) if (s.col.parent.a[i] === id) children.push(i)
  return { ...segment(s, id), children, ancestors: ancestry(s, id).slice(1, 10001) }
}

export function schedule(s, id) {
  return ancestry(s, id)
    .reverse()
    .map(i => ({ segment: i, member: s.col.member.a[i], from: s.col.from.a[i], to: s.col.to.a[i], hypers: hypersOf(s, i) }))
}

export function event(s, seq) {
  const kind = KINDS[s.ev.kind.a[seq]]
  const seg = s.ev.seg.a[seq]
  const x = s.extra.get(seq)
  const c = s.col
  const m = seg ? c.member.a[seg] : null
  const e = {
    seq,
    at: s.ev.at.a[seq],
    kind,
    segment: seg || null,
    member: x?.member ?? m,
    level: LEVEL[kind],
    say: kind,
    data: {},
  }
  if (kind === "decided") {
    const a = ACTIONS[c.action.a[seg]]
    e.level = a === "copy" || a === "repair" || a === "restart" ? "decision" : "quiet"
    e.say = `member ${m}: ${say(s, seg)}`
    e.data = {
      action: a,
      parent: c.parent.a[seg],
      donor: c.donor.a[seg] ? c.member.a[c.donor.a[seg]] : null,
      donor_segment: c.donor.a[seg] || null,
      from: c.from.a[seg],
      steps: c.to.a[seg] - c.from.a[seg],
      hypers: hypersOf(s, seg),
      changes: changes(s, seg),
    }
  } else if (kind === "leased") {
    e.say = `member ${m}: ${s.slots[c.slot.a[seg]]?.name} trains segment ${seg}`
    e.data = { worker: s.slots[c.slot.a[seg]]?.name ?? "", lease: seq }
  } else if (kind === "finished") {
    const v = score(c.score.a[seg])
    e.level = x?.best ? "good" : v === "NaN" ? "warn" : "quiet"
    e.say = x?.best
      ? `member ${m} has the best score so far: ${fmt(v)} at step ${c.to.a[seg]}`
      : `member ${m}: score ${fmt(v)} at step ${c.to.a[seg]}`
    e.data = {
      score: v,
      step: c.to.a[seg],
      spent: (c.turn.a[seg] + 1) * s.o.segSteps,
      checkpoint: best(s, seg).checkpoint,
      bytes: 4_812_345 + seg,
      times: s.times(seg),
      best: !!x?.best,
    }
  } else if (kind === "failed") {
    e.say = `member ${m}: attempt ${x.attempt} failed (${x.kind}): ${x.error}`
    e.data = x
  } else if (kind === "steered") {
    e.say = x.say
    e.data = x
  } else if (kind === "member_done") e.say = `member ${m} has spent its budget`
  else
    e.say = {
      run_started: `the run ${s.o.name} begins with seed ${s.o.seed}`,
      opened: "process 4711 on atlas takes the run",
      ending: "nothing more is handed out",
      run_ended: "every member has spent its budget",
      closed: "the process lets the run go",
    }[kind]
  return e
}

export function events(s, q) {
  const limit = Math.min(1000, Number(q.get("limit")) || 200)
  const kinds = q.get("kind")?.split(",").filter(Boolean)
  const member = q.get("member")
  const match = e =>
    (!kinds?.length || kinds.includes(e.kind)) && (member === null || member === "" || e.member === Number(member))
  const out = []
  if (q.has("after"))
    for (let i = Number(q.get("after")) + 1; i <= s.seq && out.length < limit; i++) pushIf(out, event(s, i), match)
  else {
    for (let i = Math.min(s.seq, (Number(q.get("before")) || s.seq + 1) - 1); i > 0 && out.length < limit; i--)
      pushIf(out, event(s, i), match)
    out.reverse()
  }
  return { seq: s.seq, events: out }
}

function pushIf(out, e, match) {
  if (match(e)) out.push(e)
}

export function segments(s, q) {
  const limit = Math.min(1000, Number(q.get("limit")) || 100)
  const after = Number(q.get("after")) || 0
  const out = []
  let next = null
  for (let i = after + 1; i <= s.n; i++) {
    if (q.get("member") && s.col.member.a[i] !== Number(q.get("member"))) continue
    if (q.get("action") && ACTIONS[s.col.action.a[i]] !== q.get("action")) continue
    if (q.get("state") && STATES[s.col.state.a[i]] !== q.get("state")) continue
    if (out.length === limit) {
      next = out.at(-1).id
      break
    }
    out.push(segment(s, i))
  }
  return { seq: s.seq, segments: out, next }
}

export function log(s, id) {
  const r = rng(id)
  const lines = [`$ python train.py --lr ${fmt(hypersOf(s, id)[s.hypers[0].name])} --steps ${s.o.segSteps}`]
  if (s.o.names.log) lines.push(s.o.names.log)
  for (let k = 0; k < 12; k++)
    lines.push(
      `step ${s.col.from.a[id] + Math.round((k * s.o.segSteps) / 12)}  loss ${(0.9 - 0.05 * k + 0.05 * r()).toFixed(4)}  ${(180 + 40 * r()).toFixed(0)} img/s`,
    )
  if (s.failures.has(id)) lines.push(...s.failures.get(id).map(f => f.error))
  lines.push("saved weights.npz")
  return { slot: s.slots[s.col.slot.a[id]]?.name ?? "", lines, cut: id % 3 === 0 }
}
