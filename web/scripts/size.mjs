// What the built page weighs, compressed; more than the budget is an error.
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { gzipSync } from "node:zlib"

const BUDGET_KB = 120
const dist = new URL("../dist", import.meta.url).pathname
let total = 0
for (const name of readdirSync(dist, { recursive: true })) {
  const path = join(dist, name)
  let bytes
  try {
    bytes = readFileSync(path)
  } catch {
    continue // a folder
  }
  const gz = gzipSync(bytes, { level: 9 }).length
  total += gz
  console.log(
    `${String(name).padEnd(34)} ${(bytes.length / 1024).toFixed(1).padStart(7)} kB ${(gz / 1024).toFixed(1).padStart(7)} kB gzip`,
  )
}
console.log(`total ${(total / 1024).toFixed(1)} kB gzip of ${BUDGET_KB}`)
if (total > BUDGET_KB * 1024) process.exit(1)
