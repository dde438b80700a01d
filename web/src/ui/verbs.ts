// The steering verbs: what each asks for, and what it says it will do.
import type { HyperDef, Run, Value } from "../api/types"

export type Verb =
  | "pause"
  | "resume"
  | "stop"
  | "kill"
  | "restart"
  | "set"
  | "copy"
  | "inject"
  | "retire"
  | "pin"
  | "unpin"
  | "change"
  | "branch"

export interface Subject {
  member?: number
  segment?: number
}

export interface Field {
  name: string
  label: string
  kind: "text" | "number" | "check" | "hypers" | "settings"
  hint?: string
  required?: boolean
  value?: string
}

export interface VerbSpec {
  title: string
  says: string
  confirm: string
  danger?: boolean
  fields: Field[]
}

const HYPERS: Field = { name: "hypers", label: "Hyperparameters", kind: "hypers" }

function segmentField(label: string, required: boolean, s: Subject, run: Run): Field {
  return {
    name: "segment",
    label,
    kind: "number",
    required,
    value: String(s.segment ?? (required ? (run.best?.segment ?? "") : "")),
    hint: run.best ? `the best is ${run.best.segment}, of member ${run.best.member}` : "",
  }
}

/** verbs that are about the whole run */
function ofTheRun(s: Subject, run: Run): Partial<Record<Verb, VerbSpec>> {
  return {
    pause: {
      title: "Pause the run",
      says: "No more segments are handed out. Those at work finish and are recorded.",
      confirm: "Pause",
      fields: [{ name: "reason", label: "Reason", kind: "text", hint: "for the journal; may stay empty" }],
    },
    resume: { title: "Resume the run", says: "Segments are handed out again.", confirm: "Resume", fields: [] },
    stop: {
      title: "Stop the run",
      says: "This sitting ends after the segments at work. Nothing recorded is lost; pbt resume goes on later.",
      confirm: "Stop",
      danger: true,
      fields: [{ name: "now", label: "At once: give up the segments at work", kind: "check" }],
    },
    inject: {
      title: "Add a member",
      says: "A new member begins from a segment's weights, or from fresh ones. Hyperparameters left empty are drawn from the space.",
      confirm: "Add",
      fields: [segmentField("Weights of segment (empty: fresh)", false, s, run), HYPERS],
    },
    change: {
      title: "Change settings",
      says: "Settings of the experiment file, from now on. They are journalled.",
      confirm: "Change",
      fields: [
        {
          name: "set",
          label: "One setting a line: path = value",
          kind: "settings",
          required: true,
          hint: "slots = 8, budget.steps = 20000, exploit.truncation = 0.3",
        },
      ],
    },
  }
}

/** verbs that are about one member */
function ofAMember(s: Subject, run: Run): Partial<Record<Verb, VerbSpec>> {
  const m = `member ${s.member}`
  return {
    kill: {
      title: `Give up the segment of ${m}`,
      says: "What it is training now is dropped, and trained again from the same checkpoint.",
      confirm: "Give up",
      danger: true,
      fields: [],
    },
    restart: {
      title: `Restart ${m}`,
      says: "It begins again with fresh weights and hyperparameters drawn anew. Its history stays in the journal.",
      confirm: "Restart",
      danger: true,
      fields: [],
    },
    set: {
      title: `Set hyperparameters of ${m}`,
      says: "From its next segment on. Leave empty what shall stay.",
      confirm: "Set",
      fields: [HYPERS],
    },
    copy: {
      title: `Copy into ${m}`,
      says: "It takes over the weights and hyperparameters of a segment.",
      confirm: "Copy",
      danger: true,
      fields: [segmentField("Segment", true, s, run)],
    },
    retire: {
      title: `Retire ${m}`,
      says: "It trains no more. The population becomes smaller by one.",
      confirm: "Retire",
      danger: true,
      fields: [],
    },
  }
}

/** verbs that are about one outcome */
function ofASegment(s: Subject, run: Run): Partial<Record<Verb, VerbSpec>> {
  return {
    pin: {
      title: `Keep the checkpoint of segment ${s.segment}`,
      says: "It is kept, whatever keep: says.",
      confirm: "Pin",
      fields: [],
    },
    unpin: {
      title: `Unpin segment ${s.segment}`,
      says: "Its checkpoint may be deleted when nothing else needs it.",
      confirm: "Unpin",
      fields: [],
    },
    branch: {
      title: `Branch from segment ${s.segment}`,
      says: "A new run begins with this segment's weights: member 0 keeps its hyperparameters, the others explore from them. A process of its own trains it, beside this one, from now on. This run goes on untouched.",
      confirm: "Branch",
      fields: [
        {
          name: "dir",
          label: "Directory of the new run",
          kind: "text",
          required: true,
          value: `${run.dir}-branch`,
          hint: "a new folder beside this run's",
        },
        {
          name: "set",
          label: "Settings that differ, one a line: path = value",
          kind: "settings",
          hint: "budget.steps = 2000 counts what the new run trains",
        },
      ],
    },
  }
}

export function specOf(verb: Verb, s: Subject, run: Run): VerbSpec {
  const spec = { ...ofTheRun(s, run), ...ofAMember(s, run), ...ofASegment(s, run) }[verb]
  if (!spec) throw new Error(`there is no verb ${verb}`)
  return spec
}

/** a text as the value that a hyperparameter may take, or why it may not */
export function parseHyper(h: HyperDef, text: string): { value: Value } | { error: string } {
  const t = text.trim()
  if (h.values) {
    const found = h.values.find(v => String(v) === t)
    return found === undefined ? { error: `${h.name} must be one of ${h.values.map(String).join(", ")}` } : { value: found }
  }
  const n = Number(t)
  if (t === "" || !Number.isFinite(n)) return { error: `${h.name} must be a number` }
  if (h.kind === "int" && !Number.isInteger(n)) return { error: `${h.name} must be a whole number` }
  if (h.bounds && (n < h.bounds[0] || n > h.bounds[1]))
    return { error: `${h.name} must lie between ${h.bounds[0]} and ${h.bounds[1]}` }
  return { value: n }
}

export function parseSettings(text: string): { value: Record<string, Value> } | { error: string } {
  const out: Record<string, Value> = {}
  for (const line of text.split("\n")) {
    if (!line.trim()) continue
    const m = /^\s*([\w.[\]-]+)\s*[=:]\s*(.+?)\s*$/.exec(line)
    if (!m) return { error: `"${line.trim()}" is not of the form path = value` }
    const raw = m[2]!
    out[m[1]!] = raw === "true" ? true : raw === "false" ? false : Number.isFinite(Number(raw)) ? Number(raw) : raw
  }
  return { value: out }
}

/** the body to send, or why it cannot be sent */
export function bodyOf(
  verb: Verb,
  s: Subject,
  spec: VerbSpec,
  hypers: readonly HyperDef[],
  filled: Record<string, string>,
): { body: Record<string, unknown> } | { error: string } {
  const body: Record<string, unknown> = {
    verb,
    ...(s.member === undefined ? {} : { member: s.member }),
    ...(s.segment === undefined ? {} : { segment: s.segment }),
  }
  for (const f of spec.fields) {
    const text = (filled[f.name] ?? f.value ?? "").trim()
    if (f.kind === "hypers") {
      const set: Record<string, Value> = {}
      for (const h of hypers) {
        const t = filled[`hyper:${h.name}`] ?? ""
        if (t.trim() === "") continue
        const v = parseHyper(h, t)
        if ("error" in v) return v
        set[h.name] = v.value
      }
      if (verb === "set" && !Object.keys(set).length) return { error: "Set at least one hyperparameter." }
      if (Object.keys(set).length) body.hypers = set
    } else if (f.required && !text) return { error: `${f.label} is needed.` }
    else if (f.kind === "check") body[f.name] = filled[f.name] === "on"
    else if (f.kind === "settings") {
      const v = parseSettings(text)
      if ("error" in v) return v
      if (Object.keys(v.value).length) body[f.name] = v.value
    } else if (f.kind === "number") {
      if (text && !/^\d+$/.test(text)) return { error: `${f.label}: a whole number, please.` }
      if (text) body[f.name] = Number(text)
    } else if (text) body[f.name] = text
  }
  return { body }
}
