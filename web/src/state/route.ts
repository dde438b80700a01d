// Where we are is in the address: #/run/<id>/<view>?key=value. Every view can be linked to, and Back works.
import { computed, signal } from "@preact/signals"

export const VIEWS = ["population", "hypers", "lineage", "members", "events", "health", "compare"] as const
export type View = (typeof VIEWS)[number]

export interface Route {
  run: string
  view: View
  params: Record<string, string>
}

export function parseHash(hash: string): Route {
  const [path = "", query = ""] = hash.replace(/^#/, "").split(/\?(.*)/s)
  const parts = path.split("/").filter(Boolean).map(decode)
  const named = parts[0] === "run"
  const view = VIEWS.find(v => v === parts[named ? 2 : 0]) ?? "population"
  return { run: named ? (parts[1] ?? "") : "", view, params: Object.fromEntries(new URLSearchParams(query)) }
}

function decode(s: string): string {
  try {
    return decodeURIComponent(s)
  } catch {
    return s
  }
}

export function formatHash(r: Route): string {
  const q = new URLSearchParams(Object.entries(r.params).filter(([, v]) => v !== "")).toString()
  return `#/run/${encodeURIComponent(r.run)}/${r.view}${q ? `?${q}` : ""}`
}

export const route = signal<Route>(parseHash(location.hash))
export const runId = computed(() => route.value.run)
export const view = computed(() => route.value.view)

addEventListener("hashchange", () => {
  route.value = parseHash(location.hash)
})

function go(next: Route, replace: boolean): void {
  const hash = formatHash(next)
  if (hash === location.hash) return
  if (replace) history.replaceState(null, "", hash)
  else history.pushState(null, "", hash)
  route.value = next
}

/** another view of the same run; an open segment stays open */
export function showView(v: View, params: Record<string, string> = {}): void {
  const { seg, compare } = route.value.params
  go({ run: route.value.run, view: v, params: { ...(seg ? { seg } : {}), ...(compare ? { compare } : {}), ...params } }, false)
}

export function showRun(id: string, replace = false): void {
  go({ run: id, view: route.value.view, params: {} }, replace)
}

export function hrefOf(v: View, params: Record<string, string> = {}): string {
  return formatHash({ run: route.value.run, view: v, params })
}

export function param(name: string, otherwise = ""): string {
  return route.value.params[name] ?? otherwise
}

/** an empty value removes the parameter; by default this makes no new entry in the history */
export function setParams(changed: Record<string, string>, push = false): void {
  const params = { ...route.value.params, ...changed }
  for (const k of Object.keys(params)) if (params[k] === "") delete params[k]
  go({ ...route.value, params }, !push)
}

export const openSegment = (id: number | null): void => setParams({ seg: id ? String(id) : "" }, true)
