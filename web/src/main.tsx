import { effect } from "@preact/signals"
import { render } from "preact"
import { useEffect, useState } from "preact/hooks"
import { follow, loadRuns, members, run, runError, runs, runsError, streamFacts } from "./state/live"
import { toggleTheme } from "./state/prefs"
import { openSegment, param, runId, showRun, showView, VIEWS, view } from "./state/route"
import { Waiting } from "./ui/bits"
import { Header, Story, Tabs, useTitle } from "./ui/Header"
import { Help } from "./ui/Help"
import { SegmentPanel } from "./ui/SegmentPanel"
import { ask, SteerDialog } from "./ui/Steer"
import { Toast } from "./ui/Toast"
import { CompareView } from "./views/Compare"
import { EventsView } from "./views/Events"
import { HealthView } from "./views/Health"
import { HypersView } from "./views/Hypers"
import { LineageView } from "./views/Lineage"
import { MembersView } from "./views/Members"
import { Population } from "./views/Population"

const PAGES = {
  population: Population,
  hypers: HypersView,
  lineage: LineageView,
  members: MembersView,
  events: EventsView,
  health: HealthView,
  compare: CompareView,
}

function keys(e: KeyboardEvent, help: (on: boolean) => void): void {
  const el = e.target as HTMLElement
  if (e.ctrlKey || e.metaKey || e.altKey || document.querySelector("dialog[open]")) return
  if (e.key === "Escape" && param("seg")) {
    openSegment(null)
    return
  }
  if (["INPUT", "SELECT", "TEXTAREA"].includes(el.tagName)) return
  const to = VIEWS[Number(e.key) - 1]
  const best = run.value?.best
  if (to) showView(to)
  else if (e.key === "t") toggleTheme()
  else if (e.key === "?") help(true)
  else if (e.key === "b" && best) openSegment(best.segment)
  else if (e.key === "p") ask(run.value?.phase === "paused" ? "resume" : "pause")
  else if (e.key === "/") {
    e.preventDefault()
    showView("members")
    requestAnimationFrame(() => document.querySelector<HTMLElement>("input[type=search]")?.focus())
  }
}

function App() {
  const [help, setHelp] = useState(false)
  useTitle()
  useEffect(() => {
    const down = (e: KeyboardEvent) => keys(e, setHelp)
    addEventListener("keydown", down)
    return () => removeEventListener("keydown", down)
  }, [])
  const Page = PAGES[view.value]
  const error = runError.value || (!runId.value ? runsError.value : "")
  const nothing = !runId.value && !error && runs.value.length === 0
  const seg = Number(param("seg"))
  return (
    <>
      <a
        class="skip"
        href="#main"
        onClick={e => {
          e.preventDefault()
          document.getElementById("main")?.focus()
        }}
      >
        Skip to the view
      </a>
      <Header onHelp={() => setHelp(true)} />
      <div class={`body ${seg > 0 ? "with-panel" : ""}`}>
        <main id="main" tabIndex={-1} data-ready={run.value && members.value.length ? "yes" : "no"}>
          {run.value && !error && <Story />}
          <Tabs />
          {error ? (
            <Waiting error={error} />
          ) : nothing ? (
            <Waiting loading />
          ) : run.value ? (
            <div class="view" key={`${runId.value}/${view.value}`}>
              <Page />
            </div>
          ) : (
            <Waiting loading />
          )}
        </main>
        {seg > 0 && run.value && <SegmentPanel />}
      </div>
      <SteerDialog />
      {help && <Help onClose={() => setHelp(false)} />}
      <Toast />
    </>
  )
}

/** the run that the address names; else the one that trains now, else the newest */
function choose(): void {
  const all = runs.value
  if (runId.value || !all.length) return
  const newest = [...all].sort((a, b) => Number(b.live) - Number(a.live) || b.updated_at - a.updated_at)[0]
  if (newest) showRun(newest.id, true)
}

effect(() => {
  const id = runId.value
  queueMicrotask(() => void follow(id))
})
void loadRuns().then(choose)
setInterval(() => void (document.hidden ? undefined : loadRuns().then(choose)), 10_000)
Object.assign(globalThis, { pbtStream: streamFacts }) // for tests and for the curious: what the stream has received

render(<App />, document.getElementById("app")!)
