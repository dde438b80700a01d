// What the tests know of the page's forms.

/** a score as the page writes it */
export function format(s) {
  if (s === null || s === undefined) return "–"
  if (typeof s === "string") return { NaN: "NaN", "+Inf": "+∞", "-Inf": "−∞" }[s]
  const a = Math.abs(s)
  if (s === 0) return "0"
  const minus = t => t.replace(/^-/, "−")
  if (a >= 1e7 || a < 1e-5)
    return minus(
      s
        .toExponential(3)
        .replace(/\.?0+e/, "e")
        .replace("e+", "e"),
    )
  if (a >= 1e4) return minus(String(Math.round(s)).replace(/\B(?=(\d{3})+$)/g, ","))
  return minus(String(Number(s.toPrecision(4))))
}

export const aligned = s =>
  typeof s === "number" && s !== 0 && Math.abs(s) >= 1e-5 && Math.abs(s) < 1e4 ? s.toPrecision(4).replace(/^-/, "−") : format(s)

/** what a download menu gives */
export async function takeDownload(page, button, item) {
  await page.getByRole("button", { name: button, exact: true }).first().click()
  const [d] = await Promise.all([page.waitForEvent("download"), page.getByRole("menuitem", { name: item }).click()])
  const chunks = []
  for await (const c of await d.createReadStream()) chunks.push(c)
  return Buffer.concat(chunks)
}

/** chooses from a menu; the dialog that asks whether it is meant */
export async function chooseFrom(page, button, item) {
  await page.getByRole("button", { name: button, exact: true }).click()
  await page.getByRole("menuitem", { name: item }).click()
  const dialog = page.locator("dialog[open]")
  await dialog.waitFor()
  return dialog
}

export async function confirm(page, name) {
  const dialog = page.locator("dialog[open]")
  await dialog.getByRole("button", { name, exact: true }).click()
  await dialog.waitFor({ state: "detached" })
}
