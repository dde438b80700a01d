// Always in sight: which run, how far, who leads and why, whether what is seen is live.
import { useEffect, useRef, useState } from "preact/hooks"
import { formatDuration, percent, thousands, visible } from "../data/format"
import { changeSentence, leadSentence, mainHyper, originSentence } from "../data/story"
import { stages } from "../state/leader"
import { lag, link, nameOf, reconnect, run, runs } from "../state/live"
import { dark, toggleTheme } from "../state/prefs"
import { hrefOf, openSegment, runId, showRun, showView, VIEWS, type View, view } from "../state/route"
import { Icon, Meter } from "./bits"
import { SteerButtons } from "./Steer"

export const TITLES: Record<View, string> = {
  population: "Population",
  hypers: "Hyperparameters",
  lineage: "Lineage",
  members: "Members",
  events: "Events",
  health: "Health",
  compare: "Compare",
}

export function Header({ onHelp }: { onHelp: () => void }) {
  const r = run.value
  return (
    <header class="top">
      <div class="bar-row">
        <a class="brand" href={hrefOf("population")} aria-label="pbt, first view">
          <Mark />
          <span>pbt</span>
        </a>
        <RunSwitch />
        {r && (
          <span class={`phase ${r.phase}`} title={visible(r.reason)}>
            {r.phase}
          </span>
        )}
        <Link />
        <span class="push" />
        <SteerButtons />
        <button type="button" class="icon help" onClick={onHelp} aria-label="Keyboard shortcuts" title="Keyboard shortcuts (?)">
          <Icon name="help" />
        </button>
        <button
          type="button"
          class="icon"
          onClick={toggleTheme}
          aria-label={dark.value ? "Light theme" : "Dark theme"}
          title="Theme (t)"
        >
          <Icon name={dark.value ? "sun" : "moon"} />
        </button>
      </div>
    </header>
  )
}

function Mark() {
  return (
    <svg
      viewBox="0 0 28 22"
      width="28"
      height="22"
      aria-hidden="true"
      focusable="false"
      fill="none"
      stroke-linecap="round"
      stroke-width="2.6"
    >
      <path class="m1" d="M2 18h21" />
      <path class="m1" d="M2 11h6c5 0 5 7 9 7" />
      <path class="m2" d="M2 18c9 0 8-14 20-14" />
      <circle class="m3" cx="23" cy="4" r="3" />
    </svg>
  )
}

function RunSwitch() {
  const all = runs.value
  const r = run.value
  if (all.length < 2) return <h1 class="run-name">{r ? visible(r.name) : runId.value}</h1>
  return (
    <h1 class="run-name">
      <span class="sr">Run</span>
      <select aria-label="Run" value={runId.value} onChange={e => showRun(e.currentTarget.value)}>
        {all.map(x => (
          <option key={x.id} value={x.id}>
            {nameOf(x)}
          </option>
        ))}
      </select>
    </h1>
  )
}

function Link() {
  const { state, retryInMs } = link.value
  const r = run.value
  if (!r || state === "off") return null
  if (state === "live") {
    if (!r.live)
      return r.phase === "finished" ? null : (
        <span class="link-state idle" title="This run is not being trained now">
          not training
        </span>
      )
    return (
      <span class="link-state live" title="Delay between the journal and this page">
        <i />
        live{lag.value !== null && lag.value < 60_000 ? <small>{Math.round(lag.value)} ms</small> : null}
      </span>
    )
  }
  return (
    <span class="link-state lost" role="status">
      <i />
      {state === "waiting" ? `connection lost, trying again in ${formatDuration(Math.ceil(retryInMs / 1000))}` : "connecting"}
      {state === "waiting" && (
        <button type="button" class="link" onClick={reconnect}>
          now
        </button>
      )}
    </span>
  )
}

export function Story() {
  const r = run.value
  if (!r) return null
  const rest = [originSentence(r.best, stages.value), changeSentence(mainHyper(r.hypers), stages.value)].filter(Boolean).join(" ")
  const spent = r.population ? r.spent / r.population : 0
  return (
    <div class="story">
      <div class="story-text">
        <p class="lead">
          {leadSentence(r)}
          {r.best && (
            <button type="button" class="link quiet-link" onClick={() => openSegment(r.best!.segment)}>
              segment {r.best.segment}
            </button>
          )}
        </p>
        <p class="rest">
          {visible(rest) ||
            (r.best ? " " : `${r.population} members are training their first segments; the first scores follow.`)}
        </p>
      </div>
      <div class="progress">
        <p>
          <b>{percent(r.progress)}</b>
          <span>
            {r.phase === "finished"
              ? `finished in ${formatDuration(r.worked_s)}`
              : r.phase === "paused"
                ? "paused"
                : r.eta_s === null
                  ? ""
                  : `${formatDuration(r.eta_s)} left`}
          </span>
        </p>
        <Meter value={r.progress} label="Progress" />
        <p class="facts">
          {thousands(r.population)} members, {r.slots} slots, {thousands(spent)} steps each, {thousands(r.counts.copies)} copies
        </p>
      </div>
    </div>
  )
}

export function Tabs() {
  const now = view.value
  const box = useRef<HTMLElement>(null)
  useEffect(() => {
    const tab = box.current?.querySelector<HTMLElement>("[aria-current]")
    if (tab && box.current) box.current.scrollLeft = tab.offsetLeft - box.current.offsetLeft - 60
  }, [now])
  return (
    <nav class="tabs" aria-label="Views" ref={box}>
      {VIEWS.map((v, i) => (
        <a
          key={v}
          href={hrefOf(v)}
          aria-current={v === now ? "page" : undefined}
          title={`${TITLES[v]} (${i + 1})`}
          onClick={e => {
            if (e.metaKey || e.ctrlKey || e.shiftKey) return
            e.preventDefault()
            showView(v)
          }}
        >
          {TITLES[v]}
        </a>
      ))}
    </nav>
  )
}

/** the window's title says how it stands */
export function useTitle(): void {
  const r = run.value
  const [, set] = useState("")
  useEffect(() => {
    document.title = r ? `${percent(r.progress)} ${visible(r.name).slice(0, 40)}, pbt` : "pbt"
    set("")
  }, [r?.progress, r?.name])
}
