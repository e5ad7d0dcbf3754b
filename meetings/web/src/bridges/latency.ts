// The line of a room's delay over the last half hour, with a block where it broke.
export interface Reading {
  at: string
  online: number
  delay: number | null
}

export interface Chart {
  /** Path data within WIDTH and HEIGHT. */
  line: string
  breaks: { x: number; width: number }[]
  /** When the last break began; null where there is none. */
  cutAt: string | null
  /** The height of a delay of one second. */
  second: number
}

export const WIDTH = 312
export const HEIGHT = 84
const ZERO = 80
const TOP = 8
const SPAN = 30 * 60_000 // ms
const GAP = 45_000 // ms between two readings from which the room was away: three of them are missing
const LEAST = 2000 // ms that the height stands for, at least

/** The chart of the half hour up to `now` (ms). A gap at the end is a break too, where the room is `lost`. */
export function chartOf(readings: readonly Reading[], now: number, lost: boolean): Chart {
  const heard = readings.filter((one) => one.online > 0 && Date.parse(one.at) > now - SPAN)
  const most = Math.max(LEAST, ...heard.map((one) => one.delay ?? 0))
  const x = (ms: number): number => round(((ms - now + SPAN) / SPAN) * WIDTH)
  const y = (delay: number): number => round(ZERO - (delay / most) * (ZERO - TOP))
  const breaks: Chart['breaks'] = []
  let cutAt: string | null = null
  let line = ''
  let before: number | null = null
  let lifted = true // the pen, until the next delay that is known
  const broke = (from: number, to: number): void => {
    breaks.push({ x: x(from), width: round(x(to) - x(from)) })
    cutAt = new Date(from).toISOString()
  }
  for (const one of heard) {
    const at = Date.parse(one.at)
    if (before !== null && at - before > GAP) {
      broke(before, at)
      lifted = true
    }
    before = at
    if (one.delay === null) continue
    line += `${lifted ? 'M' : 'L'}${x(at)} ${y(one.delay)}`
    lifted = false
  }
  if (lost && before !== null) broke(before, now)
  return { line, breaks, cutAt, second: y(1000) }
}

const round = (value: number): number => Math.round(value * 10) / 10
