// What the speaking list tells besides its order; all pure.
import type { State } from '../meeting/apply'
import { pathTo, usedSeconds, waiting, type Speech } from '../meeting/read'

/** The how-many-eth time that the member speaks on the first-level item of this speech: 1 for the first. */
export function turnOf(state: State, speech: Speech): number {
  const matter = pathTo(state, speech.item_id)[0]
  const before = Object.values(state.speaking).filter(
    (one) => one.member_id === speech.member_id && one.state === 'ended' && pathTo(state, one.item_id)[0] === matter,
  )
  return before.length + 1
}

/** Whole minutes that those who wait may take together. */
export function minutesAhead(state: State): number {
  return Math.ceil(waiting(state).reduce((sum, speech) => sum + speech.allotted, 0) / 60)
}

interface Spent {
  /** Seconds. */
  used: number
  left: number
  /** 0 to 1, of the time allotted; and where its last minute begins. */
  share: number
  lastMinute: number
  late: boolean
}

/** How the time of a speech stands at `now` (milliseconds of the server's clock). */
export function spent(speech: Speech, now: number): Spent {
  const used = usedSeconds(speech, now)
  const left = speech.allotted - used
  return {
    used,
    left,
    share: Math.min(1, used / speech.allotted),
    lastMinute: Math.max(0, 1 - 60 / speech.allotted),
    late: left < 60,
  }
}

/** The place (from 0, among the others) where a row dropped at `y` lands; `middles` are theirs, from the top. */
export function placeAt(middles: number[], y: number): number {
  return middles.filter((middle) => middle < y).length
}
