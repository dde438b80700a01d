// The leader's path, which several parts of the page tell: fetched once for each new best.
import { computed, effect, signal } from "@preact/signals"
import { api } from "../api/client"
import type { Stage } from "../api/types"
import { run } from "./live"

export const stages = signal<readonly Stage[]>([])
export const stagesError = signal("")
const wanted = computed(() => (run.value?.best ? `${run.value.id}\n${run.value.best.segment}` : ""))
const runOf = computed(() => run.value?.id ?? "")

/** the initial member that the leader's weights descend from: its family has the first colour in every figure */
export const leadRoot = computed(() => stages.value[0]?.member ?? -1)

effect(() => {
  void runOf.value
  stages.value = []
})

effect(() => {
  const key = wanted.value
  const [id, segment] = key.split("\n")
  if (!id || !segment) return
  api.schedule(id, Number(segment)).then(
    a => {
      if (wanted.value !== key) return
      stages.value = a.stages
      stagesError.value = ""
    },
    (e: unknown) => {
      stagesError.value = e instanceof Error ? e.message : String(e)
    },
  )
})
