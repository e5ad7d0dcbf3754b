// Walking the grid of rooms with the keys: rows of `columns` cells, cluster under cluster.
const STEPS: Record<string, [across: number, down: number]> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
}

/** The cell that `key` leads to from cell `at`; `sizes` are the clusters' numbers of cells. Null where the key does not walk. */
export function walk(key: string, at: number, sizes: readonly number[], columns: number): number | null {
  const last = sizes.reduce((sum, size) => sum + size, 0) - 1
  if (key === 'Home') return 0
  if (key === 'End') return last
  const step = STEPS[key]
  if (!step) return null
  if (step[0]) return Math.min(last, Math.max(0, at + step[0]))
  const rows = rowsOf(sizes, columns)
  const row = rows.findIndex((one) => at >= one.start && at < one.start + one.size)
  const next = rows[row + step[1]]
  return next ? next.start + Math.min(at - rows[row]!.start, next.size - 1) : at
}

function rowsOf(sizes: readonly number[], columns: number): { start: number; size: number }[] {
  const rows: { start: number; size: number }[] = []
  let start = 0
  for (const size of sizes) {
    for (let done = 0; done < size; done += columns) rows.push({ start: start + done, size: Math.min(columns, size - done) })
    start += size
  }
  return rows
}

/** The next room in a list of troubles for `]`, the one before for `[`; the first where none of it is chosen. */
export function nextTrouble(key: '[' | ']', ids: readonly string[], chosen: string | null): string | null {
  if (!ids.length) return null
  const now = chosen === null ? -1 : ids.indexOf(chosen)
  if (now < 0) return ids[0]!
  return ids[(now + (key === ']' ? 1 : ids.length - 1)) % ids.length]!
}
