import { signal } from "@preact/signals"

const said = signal("")
let timer: ReturnType<typeof setTimeout> | undefined

export function toast(text: string): void {
  said.value = text
  clearTimeout(timer)
  timer = setTimeout(() => {
    said.value = ""
  }, 6000)
}

export function Toast() {
  return (
    <div class={`toast ${said.value ? "on" : ""}`} role="status">
      {said.value}
    </div>
  )
}
