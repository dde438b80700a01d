// Steering: nothing happens without a dialog that says what will happen; the server has the last word.
import { signal } from "@preact/signals"
import { useEffect, useId, useRef, useState } from "preact/hooks"
import { api } from "../api/client"
import type { HyperDef, Member } from "../api/types"
import { formatValue } from "../data/format"
import { members, run, steerable } from "../state/live"
import { runId } from "../state/route"
import { Icon, Menu, type MenuItem } from "./bits"
import { toast } from "./Toast"
import { bodyOf, type Field, type Subject, specOf, type Verb } from "./verbs"

const asked = signal<{ verb: Verb; subject: Subject } | null>(null)

export function ask(verb: Verb, subject: Subject = {}): void {
  if (steerable.value) asked.value = { verb, subject }
}

export function SteerButtons() {
  const r = run.value
  if (!r?.steerable) return null
  const paused = r.phase === "paused"
  const items: MenuItem[] = [
    { label: "Add a member …", run: () => ask("inject") },
    { label: "Change settings …", run: () => ask("change") },
    { label: "Stop …", run: () => ask("stop"), danger: true },
  ]
  return (
    <div class="steer">
      <button
        type="button"
        class="quiet with-icon"
        aria-label={paused ? "Resume" : "Pause"}
        onClick={() => ask(paused ? "resume" : "pause")}
      >
        <Icon name={paused ? "play" : "pause"} />
        <span class="wide">{paused ? "Resume" : "Pause"}</span>
      </button>
      <Menu label="More steering" text={<Icon name="more" />} items={items} icon />
    </div>
  )
}

export function MemberMenu({ m }: { m: Member }) {
  const over = m.state === "done" || m.state === "retired" || m.state === "failed"
  const member = m.id
  const items: MenuItem[] = [
    { label: "Set hyperparameters …", run: () => ask("set", { member }), disabled: over },
    { label: "Copy a segment into it …", run: () => ask("copy", { member }), disabled: over },
    { label: "Give up its segment …", run: () => ask("kill", { member }), disabled: over, danger: true },
    { label: "Restart …", run: () => ask("restart", { member }), disabled: over, danger: true },
    { label: "Retire …", run: () => ask("retire", { member }), disabled: over, danger: true },
  ]
  return <Menu label={`Steer member ${m.id}`} text={<Icon name="more" />} items={items} icon />
}

export function SteerDialog() {
  const a = asked.value
  const r = run.value
  if (!a || !r) return null
  return <Dialog key={`${a.verb}/${a.subject.member}/${a.subject.segment}`} verb={a.verb} subject={a.subject} />
}

function Dialog({ verb, subject }: { verb: Verb; subject: Subject }) {
  const r = run.value!
  const [spec] = useState(() => specOf(verb, subject, r))
  const [filled, setFilled] = useState<Record<string, string>>({})
  const [error, setError] = useState("")
  const [busy, setBusy] = useState(false)
  const box = useRef<HTMLDialogElement>(null)
  const id = useId()
  const hypers = r.hypers.filter(h => h.kind !== "constant")
  useEffect(() => {
    const before = document.activeElement as HTMLElement | null
    box.current?.showModal()
    return () => before?.focus?.()
  }, [])
  const close = () => {
    asked.value = null
  }
  const submit = async (e: Event) => {
    e.preventDefault()
    const b = bodyOf(verb, subject, spec, hypers, filled)
    if ("error" in b) return setError(b.error)
    setBusy(true)
    try {
      const answer = await api.steer(runId.value, b.body)
      toast(answer.say)
      close()
    } catch (err) {
      setError(err instanceof Error ? err.message : String(err))
      setBusy(false)
    }
  }
  const set = (name: string, value: string) => {
    setFilled({ ...filled, [name]: value })
    setError("")
  }
  return (
    <dialog ref={box} class="dialog" aria-labelledby={id} onCancel={close} onClose={close}>
      <form onSubmit={e => void submit(e)}>
        <h2 id={id}>{spec.title}</h2>
        <p>{spec.says}</p>
        {spec.fields.map(f => (
          <FieldInput key={f.name} f={f} filled={filled} set={set} hypers={hypers} member={subject.member} />
        ))}
        {error && (
          <p class="state error" role="alert">
            {error}
          </p>
        )}
        <div class="buttons">
          <button type="button" class="quiet" onClick={close}>
            Cancel
          </button>
          <button type="submit" class={spec.danger ? "danger solid" : "solid"} disabled={busy}>
            {spec.confirm}
          </button>
        </div>
      </form>
    </dialog>
  )
}

interface FieldProps {
  f: Field
  filled: Record<string, string>
  set: (name: string, value: string) => void
  hypers: readonly HyperDef[]
  member: number | undefined
}

function FieldInput({ f, filled, set, hypers, member }: FieldProps) {
  const value = filled[f.name] ?? f.value ?? ""
  if (f.kind === "hypers") return <HyperFields hypers={hypers} filled={filled} set={set} member={member} />
  if (f.kind === "check")
    return (
      <label class="toggle field">
        <input type="checkbox" checked={value === "on"} onChange={e => set(f.name, e.currentTarget.checked ? "on" : "")} />
        {f.label}
      </label>
    )
  const input =
    f.kind === "settings" ? (
      <textarea rows={3} value={value} onInput={e => set(f.name, e.currentTarget.value)} />
    ) : (
      <input
        type="text"
        inputMode={f.kind === "number" ? "numeric" : "text"}
        value={value}
        onInput={e => set(f.name, e.currentTarget.value)}
      />
    )
  return (
    <label class="field">
      <span>{f.label}</span>
      {input}
      {f.hint && <small>{f.hint}</small>}
    </label>
  )
}

function HyperFields({ hypers, filled, set, member }: Omit<FieldProps, "f">) {
  const now = members.value.find(m => m.id === member)?.hypers
  return (
    <div class="hyper-fields">
      {hypers.map(h => {
        const name = `hyper:${h.name}`
        const hint = h.values ? "" : h.bounds ? `${formatValue(h.bounds[0])} to ${formatValue(h.bounds[1])}` : ""
        return (
          <label class="field" key={h.name}>
            <span>
              <span class="clip">{h.name}</span>
              {now && <small>now {formatValue(now[h.name])}</small>}
            </span>
            {h.values ? (
              <select value={filled[name] ?? ""} onChange={e => set(name, e.currentTarget.value)}>
                <option value="">–</option>
                {h.values.map(v => (
                  <option key={String(v)}>{String(v)}</option>
                ))}
              </select>
            ) : (
              <input
                type="text"
                inputMode="decimal"
                placeholder={hint}
                value={filled[name] ?? ""}
                onInput={e => set(name, e.currentTarget.value)}
              />
            )}
          </label>
        )
      })}
    </div>
  )
}
