// Small parts that every view uses.
import type { ComponentChildren, RefObject } from "preact"
import { useEffect, useId, useRef, useState } from "preact/hooks"
import { save } from "../data/export"
import { hue } from "../draw/theme"
import { run } from "../state/live"
import { theme } from "../state/prefs"
import type { ChartHandle } from "./Chart"

export function Card({
  title,
  sub,
  tools,
  children,
  class: cls = "",
}: {
  title: string
  sub?: ComponentChildren
  tools?: ComponentChildren
  children: ComponentChildren
  class?: string
}) {
  const id = useId()
  return (
    <section class={`card ${cls}`} aria-labelledby={id}>
      <header class="card-head">
        <div class="card-title">
          <h2 id={id}>{title}</h2>
          {sub && <p class="sub">{sub}</p>}
        </div>
        {tools && <div class="tools">{tools}</div>}
      </header>
      {children}
    </section>
  )
}

export function Segmented<V extends string>({
  label,
  value,
  options,
  onChange,
}: {
  label: string
  value: V
  options: readonly (readonly [V, string])[]
  onChange: (v: V) => void
}) {
  return (
    <fieldset class="segmented">
      <legend class="sr">{label}</legend>
      {options.map(([v, text]) => (
        <button key={v} type="button" aria-pressed={v === value} onClick={() => onChange(v)}>
          {text}
        </button>
      ))}
    </fieldset>
  )
}

export function Toggle({ label, on, onChange }: { label: string; on: boolean; onChange: (on: boolean) => void }) {
  return (
    <label class="toggle">
      <input type="checkbox" checked={on} onChange={e => onChange(e.currentTarget.checked)} />
      {label}
    </label>
  )
}

export interface MenuItem {
  label: string
  run: () => void
  danger?: boolean
  disabled?: boolean
}

export function Menu({
  label,
  text,
  items,
  icon = false,
}: {
  label: string
  text: ComponentChildren
  items: readonly MenuItem[]
  icon?: boolean
}) {
  const [open, setOpen] = useState(false)
  const box = useRef<HTMLDivElement>(null)
  useEffect(() => {
    if (!open) return
    box.current?.querySelector<HTMLElement>("[role=menuitem]")?.focus()
    const away = (e: Event) => !box.current?.contains(e.target as Node) && setOpen(false)
    addEventListener("pointerdown", away)
    return () => removeEventListener("pointerdown", away)
  }, [open])
  const close = () => {
    setOpen(false)
    box.current?.querySelector("button")?.focus()
  }
  const key = (e: KeyboardEvent) => {
    if (!open) return
    const all = [...(box.current?.querySelectorAll<HTMLElement>("[role=menuitem]") ?? [])]
    const i = all.indexOf(document.activeElement as HTMLElement)
    if (e.key === "Escape") close()
    else if (e.key === "ArrowDown") all[(i + 1) % all.length]?.focus()
    else if (e.key === "ArrowUp") all[(i - 1 + all.length) % all.length]?.focus()
    else if (e.key === "Tab") return setOpen(false)
    else return
    e.preventDefault()
    e.stopPropagation()
  }
  return (
    <div class="menu" ref={box} onKeyDown={key}>
      <button
        type="button"
        class={icon ? "icon" : "quiet"}
        aria-haspopup="menu"
        aria-expanded={open}
        aria-label={label}
        title={label}
        onClick={() => setOpen(!open)}
      >
        {text}
      </button>
      {open && (
        <div class="menu-list" role="menu" aria-label={label}>
          {items.map(it => (
            <button
              key={it.label}
              type="button"
              role="menuitem"
              class={it.danger ? "danger" : ""}
              disabled={it.disabled}
              tabIndex={-1}
              onClick={() => {
                close()
                it.run()
              }}
            >
              {it.label}
            </button>
          ))}
        </div>
      )}
    </div>
  )
}

/** what is seen, to take away */
export function Downloads({
  name,
  chart,
  csv,
  json,
  more = [],
}: {
  name: string
  chart?: RefObject<ChartHandle | null>
  csv?: () => string
  json?: () => unknown
  more?: MenuItem[]
}) {
  const file = (ext: string) => `${run.value?.id ?? "pbt"}-${name}.${ext}`
  const items: MenuItem[] = []
  if (chart) {
    items.push({ label: "SVG image", run: () => chart.current && save(file("svg"), "image/svg+xml", chart.current.svg()) })
    items.push({ label: "PNG image", run: () => void chart.current?.png().then(b => b && save(file("png"), "image/png", b)) })
  }
  if (csv) items.push({ label: "CSV table", run: () => save(file("csv"), "text/csv", csv()) })
  if (json)
    items.push({ label: "JSON data", run: () => save(file("json"), "application/json", `${JSON.stringify(json(), null, 1)}\n`) })
  return <Menu label={`Download ${name}`} text={<Icon name="download" />} items={[...items, ...more]} icon />
}

const PATHS: Record<string, string> = {
  download: "M12 4v11m0 0 4-4m-4 4-4-4M5 19h14",
  close: "M6 6l12 12M18 6 6 18",
  sun: "M12 3v2m0 14v2M3 12h2m14 0h2M5.6 5.6 7 7m10 10 1.4 1.4M5.6 18.4 7 17M17 7l1.4-1.4M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8Z",
  moon: "M20 14.5A8 8 0 0 1 9.5 4a8 8 0 1 0 10.5 10.5Z",
  pause: "M9 6v12M15 6v12",
  play: "M8 5.5v13l10-6.5z",
  stop: "M7 7h10v10H7z",
  more: "M6 12h.01M12 12h.01M18 12h.01",
  help: "M9.2 9.2a2.9 2.9 0 1 1 4.2 2.6c-.9.5-1.4 1-1.4 2M12 17h.01",
  up: "M12 19V5m0 0-5 5m5-5 5 5",
  pin: "M9 4h6l-1 6 3 3H7l3-3zM12 13v7",
}

export function Icon({ name }: { name: string }) {
  return (
    <svg
      class="ic"
      viewBox="0 0 24 24"
      width="18"
      height="18"
      fill="none"
      stroke="currentColor"
      stroke-width={name === "more" ? 3 : 1.8}
      stroke-linecap="round"
      stroke-linejoin="round"
      aria-hidden="true"
      focusable="false"
    >
      <path d={PATHS[name] ?? ""} />
    </svg>
  )
}

/** a member, with the colour of the initial member that its weights descend from */
export function MemberTag({ id, root }: { id: number; root?: number | undefined }) {
  return (
    <span class="tag">
      {root !== undefined && <i style={{ background: hue(theme.value, root) }} />}
      {`m${id}`}
    </span>
  )
}

export function Waiting({ error, empty, loading }: { error?: string; empty?: string; loading?: boolean }) {
  if (error)
    return (
      <p class="state error" role="alert">
        {error}
      </p>
    )
  if (loading)
    return (
      <div class="state" role="status">
        <span class="pulse" />
        <span class="sr">loading</span>
      </div>
    )
  return <p class="state">{empty ?? "Nothing yet."}</p>
}

export function Meter({ value, label }: { value: number; label: string }) {
  const p = Math.round(1000 * Math.min(1, Math.max(0, value))) / 10
  return (
    <div class="meter" role="progressbar" aria-label={label} aria-valuenow={Math.round(p)} aria-valuemin={0} aria-valuemax={100}>
      <i style={{ width: `${p}%` }} />
    </div>
  )
}
