import { useEffect, useRef } from "preact/hooks"

const KEYS: [string, string][] = [
  ["1 … 7", "the views, from Population to Compare"],
  ["/", "to the filter of the table"],
  ["t", "dark or light"],
  ["b", "open the best segment"],
  ["p", "pause or resume the run"],
  ["← → ↑ ↓", "walk through a figure that has the focus"],
  ["Enter", "open what the figure points at"],
  ["Esc", "close what is open"],
  ["?", "this list"],
]

export function Help({ onClose }: { onClose: () => void }) {
  const box = useRef<HTMLDialogElement>(null)
  useEffect(() => box.current?.showModal(), [])
  return (
    <dialog ref={box} class="dialog" aria-labelledby="help-title" onClose={onClose}>
      <h2 id="help-title">Keyboard</h2>
      <table class="kv keys">
        <tbody>
          {KEYS.map(([k, what]) => (
            <tr key={k}>
              <th scope="row">
                <kbd>{k}</kbd>
              </th>
              <td>{what}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <div class="buttons">
        <button type="button" class="solid" onClick={() => box.current?.close()}>
          Close
        </button>
      </div>
    </dialog>
  )
}
