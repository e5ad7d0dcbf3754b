// How old the board is. Old data must not be taken for calm.
const QUIET = 20_000 // ms without a word over an open line: a heartbeat was missed
const CUT = 5000 // ms with the line down

/** Seconds since the house was last heard, once that is too long; null while the board is fresh. */
export function staleFor(heardAt: number, now: number, up: boolean): number | null {
  const age = now - heardAt
  return age > (up ? QUIET : CUT) ? Math.floor(age / 1000) : null
}
