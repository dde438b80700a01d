// What is seen, as text to take away.
import type { Stage, Value } from "../api/types"

type Cell = string | number | boolean | null | undefined

/** RFC 4180; a cell that a spreadsheet would run as a formula is given a quote before it */
export function csv(header: readonly string[], rows: readonly (readonly Cell[])[]): string {
  const cell = (c: Cell): string => {
    if (c === null || c === undefined) return ""
    let s = String(c)
    if (
      typeof c === "string" &&
      /^[=+\-@\t\r\n＝＋－＠]/.test(s) &&
      !/^[+-]?(\d+\.?\d*(e[+-]?\d+)?|\.\d+(e[+-]?\d+)?|Inf|Infinity)$/i.test(s)
    )
      s = `'${s}`
    return /[",\n\r]/.test(s) ? `"${s.replace(/"/g, '""')}"` : s
  }
  return `${[header, ...rows].map(r => r.map(cell).join(",")).join("\r\n")}\r\n`
}

/** stages with the same hyperparameters, joined */
export function joinStages(stages: readonly Stage[]): { from: number; to: number; hypers: Record<string, Value> }[] {
  const out: { from: number; to: number; hypers: Record<string, Value> }[] = []
  for (const s of stages) {
    const last = out.at(-1)
    if (last && JSON.stringify(last.hypers) === JSON.stringify(s.hypers)) last.to = s.to
    else out.push({ from: s.from, to: s.to, hypers: s.hypers })
  }
  return out
}

const py = (v: Value): string =>
  typeof v === "boolean" ? (v ? "True" : "False") : typeof v === "string" ? JSON.stringify(v) : String(v)

export function schedulePython(stages: readonly Stage[], title: string): string {
  const joined = joinStages(stages)
  const rows = joined.map(
    s =>
      `    (${s.from}, {${Object.entries(s.hypers)
        .map(([k, v]) => `${JSON.stringify(k)}: ${py(v)}`)
        .join(", ")}}),`,
  )
  return `# ${title.replace(/[\r\n]/g, " ")}
# from this step on, these hyperparameters
SCHEDULE = [
${rows.join("\n")}
]


def hypers(step):
    """The hyperparameters of the winning lineage at a training step."""
    current = SCHEDULE[0][1]
    for start, values in SCHEDULE:
        if step < start:
            break
        current = values
    return dict(current)
`
}

export function scheduleYaml(stages: readonly Stage[], title: string): string {
  const scalar = (v: Value) => (typeof v === "string" ? JSON.stringify(v) : String(v))
  const rows = joinStages(stages).map(
    s =>
      `  - {from: ${s.from}, to: ${s.to}, hypers: {${Object.entries(s.hypers)
        .map(([k, v]) => `${JSON.stringify(k)}: ${scalar(v)}`)
        .join(", ")}}}`,
  )
  return `# ${title.replace(/[\r\n]/g, " ")}\nschedule:\n${rows.join("\n")}\n`
}

export function save(name: string, type: string, content: string | Blob): void {
  const blob = typeof content === "string" ? new Blob([content], { type }) : content
  const url = URL.createObjectURL(blob)
  const a = document.createElement("a")
  a.href = url
  a.download = name.replace(/[^\w.-]+/g, "-")
  a.click()
  setTimeout(() => URL.revokeObjectURL(url), 10_000)
}
