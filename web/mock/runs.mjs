// The runs that the mock serves: one in progress, one finished, random search beside it, a hostile one, one that has only begun.
import { Sim } from "./sim.mjs"

export const XSS = '<img src=x onerror="window.__xss=1"><script>window.__xss=1</script>'

const lr = { name: "lr", kind: "float", log: true, bounds: [0.0001, 1], values: null }
const momentum = { name: "momentum", kind: "float", log: false, bounds: [0.5, 0.99], values: null }
const dropout = { name: "dropout", kind: "float", log: false, bounds: [0, 0.6], values: null }
const batch = { name: "batch", kind: "choice", log: false, bounds: null, values: [16, 32, 64, 128] }
const HYPERS = [lr, momentum, dropout, batch]

const HOUR = 3_600_000

export function makeRuns({ seed = 1, big = false } = {}) {
  const now = Date.now()
  const runs = new Map()
  const add = (o, until) => {
    const s = new Sim({ hypers: HYPERS, steps: 16000, segSteps: 400, slots: 4, segMs: 14000, members: 16, seed, ...o })
    s.advance(until)
    runs.set(o.id, s)
    return s
  }
  add({ id: "digits-1", name: "digits", live: true, start: now - 0.46 * HOUR, failRate: 0.012 }, now)
  add({ id: "digits-pbt-0", name: "digits, yesterday", start: now - 26 * HOUR, seed: seed + 4 }, Infinity)
  add(
    { id: "digits-random-1", name: "digits, random search", policy: "random", start: now - 24 * HOUR, seed: seed + 1 },
    Infinity,
  )
  add(
    {
      id: "hostile-1",
      name: `hostile ${XSS}`,
      live: true,
      goal: "minimize",
      metric: `loss ${XSS}`,
      members: 8,
      slots: 3,
      segMs: 900,
      segSteps: 10,
      steps: 100000,
      failRate: 0.12,
      start: now - 120_000,
      seed: seed + 2,
      divergeAbove: 0.05,
      worker: `<b>w</b>`,
      hypers: [
        lr,
        { ...dropout, name: `drop ${XSS}` },
        { name: "optimizer.name", kind: "choice", log: false, bounds: null, values: ["adam", XSS, "sgd"] },
      ],
      names: { error: `Traceback: ${XSS}`, metric: `m ${XSS}`, log: `${XSS} \u001b[31mred\u001b[0m` },
    },
    now,
  )
  add({ id: "begun-1", name: "begun", live: true, start: now - 500, segMs: 3_600_000, members: 12 }, now)
  add(
    {
      id: "fast-1",
      name: "fast",
      live: true,
      start: now - 20_000,
      segMs: 400,
      members: 20,
      slots: 8,
      segSteps: 10,
      steps: 1e6,
      seed: seed + 3,
    },
    now,
  )
  if (big)
    add(
      {
        id: "big-1",
        name: "big",
        members: 1000,
        slots: 64,
        segMs: 6000,
        segSteps: 100,
        steps: 100_000,
        start: now - 40 * HOUR,
        seed: seed + 5,
      },
      Infinity,
    )
  return runs
}
