// What this browser prefers: the theme.
import { computed, signal } from "@preact/signals"
import { DARK, LIGHT, type Theme } from "../draw/theme"
import { leadRoot } from "./leader"

type Choice = "auto" | "light" | "dark"
const KEY = "pbt-theme"
const media = matchMedia("(prefers-color-scheme: dark)")
const systemDark = signal(media.matches)
media.addEventListener("change", e => {
  systemDark.value = e.matches
})

function stored(): Choice {
  try {
    const s = localStorage.getItem(KEY)
    return s === "light" || s === "dark" ? s : "auto"
  } catch {
    return "auto"
  }
}

export const choice = signal<Choice>(stored())
export const dark = computed(() => (choice.value === "auto" ? systemDark.value : choice.value === "dark"))
export const theme = computed<Theme>(() => ({ ...(dark.value ? DARK : LIGHT), lead: leadRoot.value }))

dark.subscribe(d => {
  document.documentElement.dataset.theme = d ? "dark" : "light"
})

export function toggleTheme(): void {
  choice.value = dark.value ? "light" : "dark"
  try {
    localStorage.setItem(KEY, choice.value)
  } catch {
    // private browsing: the choice lasts as long as the page
  }
}
