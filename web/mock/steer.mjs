// Steering verbs of docs/api.md, as far as a toy needs them.
import { hypersOf } from "./views.mjs"

const unfinished = m => m.state === "waiting" || m.state === "running"

export function steer(s, b) {
  const m = s.members[b.member]
  const seg = Number(b.segment) || 0
  const done = (say, member = null) => ({ seq: s.emit("steered", 0, { verb: b.verb, say, member }), say })
  const needs = ["kill", "restart", "set", "copy", "retire"]
  if (s.over) return { error: "the run has ended; nothing is left to steer" }
  if (needs.includes(b.verb) && (!m || !unfinished(m)))
    return { error: `member ${b.member} trains no more; it cannot be steered` }
  if (["copy", "pin", "unpin", "branch"].includes(b.verb) && !(seg >= 1 && seg <= s.n && s.col.state.a[seg] === 2))
    return { error: `segment ${b.segment} has no outcome` }
  switch (b.verb) {
    case "pause":
      if (s.paused) return { error: "the run is paused already" }
      s.paused = true
      return done(`paused by hand${b.reason ? `: ${b.reason}` : ""}`)
    case "resume":
      if (!s.paused) return { error: "the run is not paused" }
      s.paused = false
      return done("resumed by hand")
    case "stop": {
      s.paused = true
      const r = done(b.now ? "stopped at once" : "stops after the segments at work")
      s.finish()
      return r
    }
    case "kill": {
      const slot = s.slots.find(x => x.seg === m.seg && m.state === "running")
      if (!slot) return { error: `member ${m.id} is not training now` }
      slot.fails = true
      slot.end = s.now
      return done(`member ${m.id}: segment ${m.seg} given up; it is trained again`, m.id)
    }
    case "restart":
      m.next = { action: 4, parent: 0, from: 0 }
      return done(`member ${m.id} restarts with its next segment`, m.id)
    case "set":
      m.next = { action: 1, parent: m.record, from: s.col.to.a[m.record], hypers: { ...hypersOf(s, m.seg), ...b.hypers } }
      return done(
        `member ${m.id}: ${Object.entries(b.hypers ?? {})
          .map(([k, x]) => `${k} = ${x}`)
          .join(", ")} from its next segment`,
        m.id,
      )
    case "copy":
      m.next = { action: 2, parent: seg, donor: seg, from: s.col.to.a[seg], rank: 0 }
      return done(`member ${m.id} takes over segment ${seg}`, m.id)
    case "inject":
      return done(`member ${s.addMember()} joins the population`)
    case "retire":
      if (m.state === "running") m.retire = true
      else m.state = "retired"
      return done(`member ${m.id} retires`, m.id)
    case "pin":
      s.pins.add(seg)
      return done(`checkpoint of segment ${seg} is kept`)
    case "unpin":
      s.pins.delete(seg)
      return done(`checkpoint of segment ${seg} may go`)
    case "change":
      return done(
        `changed: ${Object.entries(b.set ?? {})
          .map(([k, x]) => `${k} = ${x}`)
          .join(", ")}`,
      )
    case "branch":
      return done(`a new run ${b.dir} starts from segment ${seg}`)
    default:
      return { error: `there is no verb ${b.verb}` }
  }
}
