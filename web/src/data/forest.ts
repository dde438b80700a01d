// All branches of a run's tree, made from the members' curves and the copies between them: a member's line is cut where it
// copied, and begins again at the donor's point. So no line jumps, and each has the colour of its root.
import type { Copy, Curves, Num } from "../api/types"

export interface Branch {
  member: number
  root: number
  donor: number // the branch that it grew from, as an index; -1: fresh weights. Its first point is then the donor's
  alive: boolean
  x: number[]
  y: Num[]
  segments: number[]
}

/** null if the answer was thinned out: then branches cannot be told apart any more */
export function forest(c: Curves): Branch[] | null {
  if (c.decimated || c.by !== "member") return null
  const copies = new Map<number, Copy>()
  for (const k of c.copies) copies.set(k.segment, k)
  const out: Branch[] = []
  const of = new Map<number, number>() // segment → branch
  const starts: { copy: Copy; branch: number }[] = []
  for (const s of c.series) {
    const marks = c.copies.filter(k => k.member === s.member).sort((a, b) => a.segment - b.segment)
    let next = 0
    let now = out.push({ member: s.member, root: s.member, donor: -1, alive: false, x: [], y: [], segments: [] }) - 1
    s.segments.forEach((g, i) => {
      while (next < marks.length && marks[next]!.segment <= g) {
        const k = marks[next++]!
        if (next < marks.length && marks[next]!.segment <= g) continue // its first segment gave no score
        now =
          out.push({
            member: s.member,
            root: s.member,
            donor: -1,
            alive: false,
            x: [k.x],
            y: [k.to],
            segments: [k.donor_segment],
          }) - 1
        starts.push({ copy: k, branch: now })
      }
      const b = out[now]!
      b.x.push(s.x[i]!)
      b.y.push(s.y[i] ?? null)
      b.segments.push(g)
      of.set(g, now)
    })
    const left = marks.length > next // copied, and has not scored since: the line before it is given up
    if (out[now]) out[now]!.alive = !left
  }
  for (const { copy, branch } of starts.sort((a, b) => a.copy.segment - b.copy.segment)) {
    const donor = of.get(copy.donor_segment)
    if (donor === undefined) continue
    out[branch]!.donor = donor
    out[branch]!.root = out[donor]!.root
  }
  return out
}

/** the history of one outcome's weights, and whose it is; null if the outcome is on no branch */
export function historyOf(all: readonly Branch[], segment: number): (ReturnType<typeof stitch> & { root: number }) | null {
  const index = all.findIndex(b => b.segments.includes(segment, b.donor >= 0 ? 1 : 0))
  if (index < 0) return null
  const h = stitch(all, index)
  const n = h.segments.indexOf(segment) + 1
  return { x: h.x.slice(0, n), y: h.y.slice(0, n), segments: h.segments.slice(0, n), root: all[index]!.root }
}

/** a branch with the part of its ancestors' branches that it grew from: the whole history of its weights */
export function stitch(all: readonly Branch[], index: number): { x: number[]; y: Num[]; segments: number[] } {
  const parts: Branch[] = []
  const ends: number[] = []
  let end = Number.POSITIVE_INFINITY
  for (let i = index; i >= 0 && parts.length < 10_000; ) {
    const b: Branch | undefined = all[i]
    if (!b) break
    parts.push(b)
    ends.push(end)
    end = b.segments[0] ?? 0 // the donor's segment
    i = b.donor
  }
  const out = { x: [] as number[], y: [] as Num[], segments: [] as number[] }
  for (let k = parts.length - 1; k >= 0; k--) {
    const b = parts[k]!
    b.segments.forEach((g, i) => {
      if (g > ends[k]! || (i === 0 && k < parts.length - 1)) return
      out.x.push(b.x[i]!)
      out.y.push(b.y[i] ?? null)
      out.segments.push(g)
    })
  }
  return out
}
