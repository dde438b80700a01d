// A simulated population: Population Based Training of a toy "network" in virtual time, kept in typed arrays so that a
// million segments fit. It exists to try the dashboard; nothing here decides anything in pbt.

export const ACTIONS = ["start", "continue", "copy", "repair", "restart"]
export const KINDS = [
  "run_started",
  "opened",
  "decided",
  "leased",
  "finished",
  "failed",
  "member_done",
  "ending",
  "run_ended",
  "closed",
  "steered",
]
const FAIL = ["error", "timeout", "lost"]

export function rng(seed) {
  let a = seed >>> 0
  return () => {
    a = (a + 0x6d2b79f5) >>> 0
    let t = Math.imul(a ^ (a >>> 15), a | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}

class Column {
  constructor(type, width = 1) {
    this.width = width
    this.a = new type(1024 * width)
  }
  grow(n) {
    if (n * this.width < this.a.length) return
    const b = new this.a.constructor(this.a.length * 2)
    b.set(this.a)
    this.a = b
  }
}

const clamp = (x, lo, hi) => Math.min(hi, Math.max(lo, x))

/** One run. `advance(until)` lets virtual time pass. */
export class Sim {
  constructor(o) {
    this.o = { goal: "maximize", policy: "pbt", failRate: 0.01, truncation: 0.2, metric: "accuracy", names: {}, ...o }
    this.rand = rng(o.seed)
    this.now = o.start
    this.P = o.members
    this.hypers = o.hypers
    this.H = o.hypers.length
    this.n = 0 // segments, numbered from 1
    this.col = Object.fromEntries(
      Object.entries({
        member: Int32Array,
        parent: Int32Array,
        from: Int32Array,
        to: Int32Array,
        turn: Int32Array,
        action: Uint8Array,
        donor: Int32Array,
        judged: Int32Array,
        rank: Int32Array,
        stretch: Int32Array,
        slot: Int16Array,
        state: Uint8Array,
        tries: Uint8Array,
        gap: Float64Array,
        score: Float64Array,
        decided: Float64Array,
        leased: Float64Array,
        finished: Float64Array,
        finSeq: Int32Array,
      }).map(([k, t]) => [k, new Column(t)]),
    )
    this.hv = new Column(Float64Array, this.H)
    this.ev = { kind: new Column(Uint8Array), seg: new Column(Int32Array), at: new Column(Float64Array) }
    this.extra = new Map() // seq → what a failed or steered event says
    this.failures = new Map() // segment → attempts
    this.seq = 0
    this.members = []
    this.stretches = []
    this.slots = Array.from({ length: o.slots }, (_, i) => ({
      name: `${o.worker ?? "gpu"}${i}`,
      seg: 0,
      end: Infinity,
      fails: false,
    }))
    this.queue = []
    this.best = 0
    this.paused = false
    this.over = false
    this.counts = { finished: 0, failed: 0, lost: 0, refused: 0, copies: 0, repairs: 0, restarts: 0, rolled_back: 0, opens: 1 }
    this.tried = [] // failed attempts, for the slots
    this.pins = new Set()
    this.split = { start: 0, load: 0, train: 0, eval: 0, save: 0, publish: 0 }
    this.spent = 0
    this.ranking = []
    this.sinceRanking = Infinity
    this.emit("run_started", 0)
    this.emit("opened", 0)
    for (let m = 0; m < this.P; m++) this.addMember()
  }

  addMember() {
    const id = this.members.length
    this.members.push({
      id,
      seg: 0,
      record: 0,
      turn: 0,
      spent: 0,
      state: "waiting",
      failures: 0,
      lost: 0,
      lastFailure: "",
      next: null,
      root: id,
    })
    this.decide(this.members[id])
    return id
  }

  emit(kind, seg, extra) {
    const s = ++this.seq
    for (const c of Object.values(this.ev)) c.grow(s + 1)
    this.ev.kind.a[s] = KINDS.indexOf(kind)
    this.ev.seg.a[s] = seg
    this.ev.at.a[s] = Math.round(this.now)
    if (extra) this.extra.set(s, extra)
    return s
  }

  gauss() {
    return Math.sqrt(-2 * Math.log(1 - this.rand())) * Math.cos(2 * Math.PI * this.rand())
  }

  draw(h) {
    const u = this.rand()
    if (h.values) return Math.floor(u * h.values.length)
    const [lo, hi] = h.bounds
    const v = h.log ? Math.exp(Math.log(lo) + u * Math.log(hi / lo)) : lo + u * (hi - lo)
    return h.kind === "int" ? Math.round(v) : v
  }

  perturb(h, v) {
    if (h.values) return this.rand() < 0.25 ? this.draw(h) : v
    const w = clamp(v * (this.rand() < 0.5 ? 0.8 : 1.2), ...h.bounds)
    return h.kind === "int" ? Math.max(h.bounds[0], Math.round(w)) : w
  }

  /** rank(better first) of records; recomputed now and then in a large population, at every decision in a small one */
  ranked() {
    if (this.sinceRanking++ < this.P / 20) return this.ranking
    this.sinceRanking = 0
    const sign = this.o.goal === "minimize" ? 1 : -1
    const s = m => {
      const v = this.col.score.a[m.record]
      return Number.isFinite(v) ? sign * v : Infinity
    }
    this.ranking = this.members.filter(m => m.record && m.state !== "retired").sort((a, b) => s(a) - s(b) || a.id - b.id)
    return this.ranking
  }

  better(a, b) {
    return this.o.goal === "minimize" ? a < b : a > b
  }

  /** exploit, then explore */
  plan(m) {
    const c = this.col
    if (m.next) {
      const p = m.next
      m.next = null
      return p
    }
    if (!m.record) return { action: 0, parent: 0, from: 0, donor: 0 }
    const mine = c.score.a[m.record]
    const stay = { action: 1, parent: m.record, from: c.to.a[m.record], donor: 0 }
    if (this.o.policy === "random") return stay
    const order = this.ranked()
    const rank = order.indexOf(m) + 1
    const cut = Math.max(1, Math.round(order.length * this.o.truncation))
    const diverged = !Number.isFinite(mine)
    if ((!diverged && (m.turn < 2 || order.length < this.P / 2 || rank <= order.length - cut)) || order.length < 2)
      return { ...stay, rank }
    const d = order[Math.floor(this.rand() * Math.min(cut, order.length))]
    if (d === m || !Number.isFinite(c.score.a[d.record]) || !(diverged || this.better(c.score.a[d.record], mine)))
      return { ...stay, rank }
    return { action: diverged ? 3 : 2, parent: d.record, from: c.to.a[d.record], donor: d.record, rank }
  }

  decide(m) {
    const c = this.col
    const p = this.plan(m)
    const id = ++this.n
    for (const k of Object.values(c)) k.grow(id + 1)
    this.hv.grow(id + 1)
    const set = (k, v) => {
      c[k].a[id] = v
    }
    const steps = Math.max(1, Math.min(this.o.segSteps, this.o.steps - m.spent))
    for (const [k, v] of Object.entries({
      member: m.id,
      parent: p.parent,
      from: p.from,
      to: p.from + steps,
      turn: m.turn,
      action: p.action,
      donor: p.donor ?? 0,
      judged: m.record,
      rank: p.rank ?? 0,
      state: 0,
      tries: 0,
      score: Number.NaN,
      gap: 1,
      decided: this.now,
      leased: 0,
      finished: 0,
      slot: -1,
    }))
      set(k, v)
    this.hypers.forEach((h, i) => {
      let v
      if (p.hypers && h.name in p.hypers)
        v = h.values ? Math.max(0, h.values.indexOf(p.hypers[h.name])) : Number(p.hypers[h.name])
      else if (!p.parent) v = this.draw(h)
      else {
        v = this.hv.a[p.parent * this.H + i]
        if (p.action === 2 || p.action === 3) v = this.perturb(h, v)
      }
      this.hv.a[id * this.H + i] = v
    })
    this.stretch(m, id, p)
    if (p.action === 2) this.counts.copies++
    if (p.action === 3) this.counts.repairs++
    if (p.action === 4) this.counts.restarts++
    m.turn++
    m.seg = id
    m.state = "waiting"
    this.queue.push(id)
    this.emit("decided", id)
  }

  stretch(m, id, p) {
    if (p.action === 1 && p.parent) {
      this.col.stretch.a[id] = this.col.stretch.a[p.parent]
      return
    }
    const parent = p.parent ? this.col.stretch.a[p.parent] : null
    const root = parent === null ? m.id : this.stretches[parent].root
    m.root = root
    this.col.stretch.a[id] = this.stretches.length
    this.stretches.push({ member: m.id, root, parent, first: id, last: id, action: ACTIONS[p.action] })
  }

  lease(slot) {
    let id = this.queue.shift()
    while (id && this.members[this.col.member.a[id]].state === "retired") id = this.queue.shift()
    if (!id) return false
    const m = this.members[this.col.member.a[id]]
    const k = this.slots.indexOf(slot)
    m.state = "running"
    this.col.state.a[id] = 1
    this.col.slot.a[id] = k
    this.col.leased.a[id] = this.now
    this.col.tries.a[id]++
    const bi = this.hypers.findIndex(h => h.name === "batch")
    const slow = bi < 0 ? 1 : ([0.8, 0.95, 1.1, 1.3][this.hv.a[id * this.H + bi]] ?? 1)
    slot.seg = id
    slot.fails = this.rand() < this.o.failRate
    slot.end = this.now + this.o.segMs * slow * (0.85 + 0.3 * this.rand()) * (slot.fails ? this.rand() : 1)
    this.emit("leased", id)
    return true
  }

  outcome(id) {
    const c = this.col
    const lr = this.hv.a[id * this.H]
    const steps = c.to.a[id] - c.from.a[id]
    let g = c.parent.a[id] ? c.gap.a[c.parent.a[id]] : 1
    const T = this.o.steps
    const ideal = 0.12 * Math.exp((-4.2 * c.from.a[id]) / T)
    const fit = Math.exp(-((Math.log(lr / ideal) / 1.1) ** 2) / 2)
    let quality = 1
    this.hypers.forEach((h, i) => {
      if (h.name === "dropout") quality -= 0.5 * (this.hv.a[id * this.H + i] - 0.25) ** 2
      if (h.name === "momentum") quality -= 0.35 * (0.95 - this.hv.a[id * this.H + i]) ** 2
    })
    g *= Math.exp(-6.5 * fit * quality * (steps / T))
    c.gap.a[id] = g
    const noise = Math.min(0.3, 0.9 * lr) * (0.35 + g)
    const acc = 0.972 - 0.62 * g - 0.45 * noise * (0.5 + 0.5 * this.rand()) - 0.05 * (1 - quality) + 0.003 * this.gauss()
    const diverged = lr > (this.o.divergeAbove ?? 0.6) && this.rand() < 0.3
    return diverged ? Number.NaN : this.o.goal === "minimize" ? 0.04 + (0.972 - acc) * 2.4 : acc
  }

  done(slot) {
    const c = this.col
    const id = slot.seg
    const m = this.members[c.member.a[id]]
    slot.seg = 0
    slot.end = Infinity
    if (slot.fails) return this.fail(id, m)
    const score = this.outcome(id)
    c.score.a[id] = score
    c.state.a[id] = 2
    c.finished.a[id] = this.now
    m.record = id
    m.spent += c.to.a[id] - c.from.a[id]
    this.spent += c.to.a[id] - c.from.a[id]
    this.stretches[c.stretch.a[id]].last = id
    this.counts.finished++
    const t = this.times(id)
    for (const k of Object.keys(this.split)) this.split[k] += t[`${k}_s`]
    const best = Number.isFinite(score) && (!this.best || this.better(score, c.score.a[this.best]))
    if (best) this.best = id
    c.finSeq.a[id] = this.emit("finished", id, best ? { best } : undefined)
    if (m.retire) m.state = "retired"
    else if (m.spent >= this.o.steps) {
      m.state = "done"
      this.emit("member_done", id)
    } else this.decide(m)
  }

  fail(id, m) {
    const kind = FAIL[Math.floor(this.rand() * 3)]
    const error =
      this.o.names.error ??
      (kind === "lost"
        ? "the worker was stopped"
        : kind === "timeout"
          ? "no report for 60 s"
          : "exit status 1: RuntimeError: CUDA out of memory. Tried to allocate 2.00 GiB")
    const attempt = (this.failures.get(id)?.length ?? 0) + 1
    const f = { at: Math.round(this.now), kind, error, attempt, final: false }
    this.tried.push({ id, slot: this.col.slot.a[id], t0: this.col.leased.a[id], t1: this.now })
    this.failures.set(id, [...(this.failures.get(id) ?? []), f])
    if (kind === "lost") this.counts.lost++
    else this.counts.failed++
    m[kind === "lost" ? "lost" : "failures"]++
    m.lastFailure = error
    m.state = "waiting"
    this.col.state.a[id] = 0
    this.queue.unshift(id)
    this.emit("failed", id, f)
  }

  /** steps of all members together, where each segment finished */
  totals() {
    const c = this.col
    const ids = []
    for (let i = 1; i <= this.n; i++) if (c.state.a[i] === 2) ids.push(i)
    ids.sort((a, b) => c.finished.a[a] - c.finished.a[b])
    let sum = 0
    const out = new Map()
    for (const i of ids) {
      sum += c.to.a[i] - c.from.a[i]
      out.set(i, sum)
    }
    return out
  }

  times(id) {
    const c = this.col
    const s = Math.max(0, (c.finished.a[id] - c.leased.a[id]) / 1000)
    const copy = c.action.a[id] === 2 || c.action.a[id] === 3
    const r = rng(id)
    const load = (copy ? 0.06 : 0.004) * s
    const save = 0.03 * s * (0.5 + r())
    const ev = 0.09 * s * (0.8 + 0.4 * r())
    const start = c.turn.a[id] === 0 ? 0.05 * s : 0
    return {
      start_s: start,
      load_s: load,
      train_s: Math.max(0, s - load - save - ev - start - 0.01 * s),
      eval_s: ev,
      save_s: save,
      publish_s: 0.01 * s,
    }
  }

  advance(until) {
    while (!this.over) {
      for (const s of this.slots) if (!s.seg && !this.paused && !this.lease(s)) break
      let first = null
      for (const s of this.slots) if (s.seg && (!first || s.end < first.end)) first = s
      if (!first) {
        if (!this.queue.length && this.members.every(m => m.state === "done" || m.state === "retired")) this.finish()
        break
      }
      if (first.end > until) break
      this.now = first.end
      this.done(first)
    }
    if (!this.over) this.now = Math.max(this.now, until)
  }

  finish() {
    this.over = true
    this.emit("ending", 0)
    this.emit("run_ended", 0)
    this.emit("closed", 0)
  }
}
