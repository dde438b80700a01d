// Where each stretch of the family tree stands.
import type { Stretch } from "../api/types"

export interface Placed {
  s: Stretch
  row: number
}

const MANY = 100

/** of many members, those of one family stand together, the largest family first: else the colours are noise */
function groupByFamily(names: number[], stretches: readonly Stretch[]): void {
  const now = new Map<number, Stretch>()
  for (const s of stretches) if ((now.get(s.member)?.t0 ?? -1) <= s.t0) now.set(s.member, s)
  const size = new Map<number, number>()
  for (const s of now.values()) size.set(s.root, (size.get(s.root) ?? 0) + 1)
  const of = (m: number) => now.get(m)?.root ?? m
  names.sort(
    (a, b) => (size.get(of(b)) ?? 0) - (size.get(of(a)) ?? 0) || of(a) - of(b) || (now.get(a)?.t0 ?? 0) - (now.get(b)?.t0 ?? 0),
  )
}

/** one row per member: the population as it trained side by side */
export function byMember(stretches: readonly Stretch[]): { placed: Placed[]; rows: number; names: number[] } {
  const names = [...new Set(stretches.map(s => s.member))].sort((a, b) => a - b)
  if (names.length > MANY) groupByFamily(names, stretches)
  const row = new Map(names.map((m, i) => [m, i]))
  return { placed: stretches.map(s => ({ s, row: row.get(s.member)! })), rows: names.length, names }
}

/**
 * A phylogeny: descendants stand next to whom they descend from. Walks the tree depth first and gives every stretch the
 * first row near its parent that is free from where it begins; branches that died early leave their row to later ones.
 */
export function asTree(stretches: readonly Stretch[]): { placed: Placed[]; rows: number } {
  const known = new Set(stretches.map(s => s.id))
  const children = new Map<number | null, Stretch[]>()
  for (const s of stretches) {
    const parent = s.parent !== null && known.has(s.parent) ? s.parent : null
    const list = children.get(parent)
    if (list) list.push(s)
    else children.set(parent, [s])
  }
  const placed: Placed[] = []
  let base = 0
  for (const root of (children.get(null) ?? []).toSorted((a, b) => a.root - b.root || a.id - b.id))
    base += placeFamily(root, children, base, placed)
  return { placed, rows: base }
}

function placeFamily(root: Stretch, children: ReadonlyMap<number | null, Stretch[]>, base: number, out: Placed[]): number {
  const gap = 0
  const spans: [number, number][][] = [] // per row: what is taken
  const free = (row: number, s: Stretch) =>
    !(spans[row] ?? []).some(([a, b]) => s.from < b + gap && Math.max(s.to, s.from + 1) > a)
  const stack: { s: Stretch; near: number }[] = [{ s: root, near: 0 }]
  while (stack.length) {
    const { s, near } = stack.pop()!
    let row = near
    while (!free(row, s)) row++
    while (spans.length <= row) spans.push([])
    spans[row]!.push([s.from, Math.max(s.to, s.from + 1)])
    out.push({ s, row: base + row })
    const kids = (children.get(s.id) ?? []).toSorted((a, b) => a.from - b.from)
    for (const k of kids) stack.push({ s: k, near: row })
  }
  return spans.length
}

/** how much of the living population descends from each initial member, most first */
export function shares(stretches: readonly Stretch[]): { root: number; alive: number }[] {
  const n = new Map<number, number>()
  for (const s of stretches) {
    if (!n.has(s.root)) n.set(s.root, 0)
    if (s.alive) n.set(s.root, n.get(s.root)! + 1)
  }
  return [...n].map(([root, alive]) => ({ root, alive })).sort((a, b) => b.alive - a.alive || a.root - b.root)
}
