// A piece of the API that a view shows: fetched when the view opens or its question changes, and again as the journal grows.
import { useEffect, useRef, useState } from "preact/hooks"
import { seq } from "./live"
import { Refresher } from "./refresher"

export interface Resource<A> {
  data: A | null
  error: string
  loading: boolean
}

export function useResource<A>(key: string, fetch: (signal: AbortSignal) => Promise<A>, live = true, everyMs = 250): Resource<A> {
  const [state, setState] = useState<Resource<A> & { key: string }>({ data: null, error: "", loading: true, key })
  const latest = useRef(fetch)
  latest.current = fetch
  useEffect(() => {
    setState(s => ({ ...s, loading: true, error: "" }))
    const r = new Refresher(async signal => {
      try {
        const data = await latest.current(signal)
        if (!signal.aborted) setState({ data, error: "", loading: false, key })
      } catch (e) {
        if (signal.aborted) return
        setState(s => ({ ...s, error: e instanceof Error ? e.message : String(e), loading: false }))
      }
    }, everyMs)
    r.poke()
    let first = true
    const stop = live
      ? seq.subscribe(() => {
          if (!first) r.poke()
          first = false
        })
      : undefined
    return () => {
      stop?.()
      r.stop()
    }
  }, [key, live, everyMs])
  return state.key === key ? state : { data: null, error: "", loading: true }
}
