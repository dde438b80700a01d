// The answers that are drawn: curves, hyperparameters, the tree, the slots; and how well it goes.
import { ancestry, hypersOf, num, run, score, scoreOf } from "./views.mjs"

/** every k-th, and the last */
function thin(list, max) {
  if (list.length <= max) return list
  const out = []
  for (let i = 0; i < max; i++) out.push(list[Math.round((i * (list.length - 1)) / (max - 1))])
  return out
}

function paths(s, by) {
  const c = s.col
  if (by === "lineage") return s.members.map(m => ({ m, ids: ancestry(s, m.record).reverse() }))
  const own = s.members.map(m => ({ m, ids: [] }))
  for (let i = 1; i <= s.n; i++) if (c.state.a[i] === 2) own[c.member.a[i]].ids.push(i)
  return own
}

function xOf(s, x) {
  if (x === "time") return i => Math.round(s.col.finished.a[i])
  if (x === "step") return i => s.col.to.a[i]
  const totals = s.totals()
  return i => totals.get(i)
}

export function curves(s, { by, x, points }) {
  const c = s.col
  const X = xOf(s, x)
  const per = Math.max(12, Math.min(points, Math.floor(60000 / s.members.length)))
  const winner = s.best ? c.member.a[s.best] : -1
  const series = paths(s, by).map(({ m, ids }) => {
    if (by === "lineage" && m.id === winner) ids = ancestry(s, s.best).reverse()
    const t = thin(ids, per)
    return {
      member: m.id,
      root: m.root,
      winning: m.id === winner,
      done: m.state === "done",
      x: t.map(X),
      y: t.map(i => num(c.score.a[i])),
      segments: t,
    }
  })
  const copies = []
  for (const st of thin(
    s.stretches.filter(t => t.action === "copy" || t.action === "repair"),
    3000,
  )) {
    const i = st.first
    const d = c.donor.a[i]
    copies.push({
      seq: 0,
      segment: i,
      member: st.member,
      donor: c.member.a[d],
      donor_segment: d,
      x: x === "time" ? Math.round(c.decided.a[i]) : c.from.a[i],
      from: num(c.score.a[c.judged.a[i]]),
      to: num(c.score.a[d]),
    })
  }
  return { seq: s.seq, by, x, series, band: band(s, X, Math.min(points, 240)), copies, decimated: s.n / s.members.length > per }
}

function band(s, X, points) {
  const c = s.col
  let lo = Infinity
  let hi = -Infinity
  for (let i = 1; i <= s.n; i++)
    if (c.state.a[i] === 2) {
      lo = Math.min(lo, X(i))
      hi = Math.max(hi, X(i))
    }
  const b = { x: [], best: [], q10: [], q25: [], median: [], q75: [], q90: [] }
  if (!(hi >= lo)) return b
  const per = Math.min(points, Math.ceil(s.o.steps / s.o.segSteps))
  const cells = Array.from({ length: per }, () => [])
  for (let i = 1; i <= s.n; i++)
    if (c.state.a[i] === 2 && Number.isFinite(c.score.a[i]))
      cells[Math.min(per - 1, Math.floor(((X(i) - lo) / (hi - lo || 1)) * per))].push(c.score.a[i])
  const sign = s.o.goal === "minimize" ? -1 : 1
  cells.forEach((cell, k) => {
    if (!cell.length) return
    cell.sort((p, q) => p - q)
    const q = f => cell[Math.min(cell.length - 1, Math.floor(f * cell.length))]
    b.x.push(Math.round(lo + ((k + (per > 1 ? k / (per - 1) : 0)) / per) * (hi - lo)))
    b.best.push(sign > 0 ? cell.at(-1) : cell[0])
    for (const [n, f] of [
      ["q10", 0.1],
      ["q25", 0.25],
      ["median", 0.5],
      ["q75", 0.75],
      ["q90", 0.9],
    ])
      b[n].push(q(f))
  })
  return b
}

export function hyper(s, name, { by, points }) {
  const c = s.col
  const k = s.hypers.findIndex(h => h.name === name)
  if (k < 0) return null
  const h = s.hypers[k]
  const per = Math.max(12, Math.min(points, Math.floor(60000 / s.members.length)))
  const value = i => s.hv.a[i * s.H + k]
  const winner = s.best ? c.member.a[s.best] : -1
  const line = ids => {
    const t = thin(ids, per)
    const x = []
    const y = []
    for (const i of t) {
      x.push(c.from.a[i])
      y.push(value(i))
    }
    if (t.length) {
      x.push(c.to.a[t.at(-1)])
      y.push(y.at(-1))
    }
    return { x, y }
  }
  const series = paths(s, by).map(({ m, ids }) => ({ member: m.id, root: m.root, winning: m.id === winner, ...line(ids) }))
  return { seq: s.seq, name, log: h.log, values: h.values, series, schedule: line(ancestry(s, s.best).reverse()) }
}

export function parallel(s, limit) {
  const win = new Set(ancestry(s, s.best))
  const ids = []
  for (let i = Math.max(1, s.n - 20000); i <= s.n; i++) if (s.col.state.a[i] === 2) ids.push(i)
  for (const i of win) if (!ids.includes(i)) ids.unshift(i)
  return {
    seq: s.seq,
    rows: thin(ids, limit).map(i => ({
      segment: i,
      member: s.col.member.a[i],
      step: s.col.to.a[i],
      score: score(s.col.score.a[i]),
      hypers: hypersOf(s, i),
      winning: win.has(i),
    })),
  }
}

export function lineage(s) {
  const c = s.col
  const win = new Set(ancestry(s, s.best).map(i => c.stretch.a[i]))
  const live = new Set()
  for (const m of s.members)
    for (let t = m.seg ? c.stretch.a[m.seg] : null; t !== null && !live.has(t); t = s.stretches[t].parent) live.add(t)
  const current = new Set(s.members.map(m => c.stretch.a[m.seg]))
  let ids = s.stretches.map((_, i) => i)
  const decimated = ids.length > 6000
  if (decimated) {
    const keep = new Set([...live, ...win, ...thin(ids, 3000)])
    for (const id of [...keep]) for (let t = id; t !== null; t = s.stretches[t].parent) keep.add(t)
    ids = ids.filter(i => keep.has(i))
  }
  return {
    seq: s.seq,
    roots: s.P,
    decimated,
    stretches: ids.map(i => {
      const t = s.stretches[i]
      const fin = c.state.a[t.last] === 2
      return {
        id: i,
        member: t.member,
        root: t.root,
        parent: t.parent,
        from: c.from.a[t.first],
        to: fin ? c.to.a[t.last] : c.from.a[t.last],
        t0: Math.round(c.decided.a[t.first]),
        t1: Math.round(c.finished.a[t.last] || s.now),
        first: t.first,
        last: t.last,
        score: scoreOf(s, t.last),
        action: t.action,
        winning: win.has(i),
        alive: current.has(i),
      }
    }),
  }
}

export function slots(s, { from, to, points }) {
  const c = s.col
  const a = from || s.o.start
  const b = to || s.now
  const out = s.slots.map(x => ({ name: x.name, spans: [] }))
  const minimum = (b - a) / Math.max(50, points)
  let used = 0
  for (let i = 1; i <= s.n; i++) {
    const k = c.slot.a[i]
    if (k < 0 || !c.leased.a[i]) continue
    const t0 = c.leased.a[i]
    const t1 = c.state.a[i] === 2 ? c.finished.a[i] : c.state.a[i] === 1 ? s.now : t0
    if (t1 < a || t0 > b || t1 <= t0) continue
    used += Math.min(t1, b) - Math.max(t0, a)
    const spans = out[k].spans
    const last = spans.at(-1)
    const ok = c.state.a[i] === 2 ? c.tries.a[i] === 1 || true : null
    if (last && t1 - t0 < minimum && t1 - last.t0 < 2 * minimum) {
      last.t1 = Math.round(t1)
      last.merged++
    } else spans.push({ t0: Math.round(t0), t1: Math.round(t1), member: c.member.a[i], segment: i, ok, merged: 1 })
  }
  for (const f of s.tried)
    if (f.t1 >= a && f.t0 <= b)
      out[f.slot].spans.push({
        t0: Math.round(f.t0),
        t1: Math.round(f.t1),
        member: c.member.a[f.id],
        segment: f.id,
        ok: false,
        merged: 1,
      })
  for (const o of out) o.spans.sort((p, q) => p.t0 - q.t0)
  return { seq: s.seq, from: Math.round(a), to: Math.round(b), use: used / ((b - a) * s.slots.length || 1), slots: out }
}

export function health(s) {
  const r = run(s)
  const el = Math.max(1, (s.now - s.o.start) / 1000)
  const split = Object.fromEntries(Object.entries(s.split).map(([k, v]) => [`${k}_s`, v]))
  const busy = Object.values(s.split).reduce((a, b) => a + b, 0)
  return {
    seq: s.seq,
    slot_use: Math.min(1, busy / (el * s.slots.length)),
    steps_per_s: s.spent / el,
    segments_per_min: (s.counts.finished / el) * 60,
    eta_s: r.eta_s,
    split: { ...split, wait_s: Math.max(0, el * s.slots.length - busy) },
    disk: {
      checkpoints: s.members.length * 2 + s.pins.size,
      checkpoint_bytes: (s.members.length * 2 + s.pins.size) * 4_812_345,
      journal_bytes: s.seq * 412,
      free_bytes: 212_345_678_901,
    },
    retries: s.counts.failed + s.counts.lost,
    lost: s.counts.lost,
    rolled_back: 0,
  }
}
