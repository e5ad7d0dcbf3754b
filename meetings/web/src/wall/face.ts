// Which one fact the wall shows. Pure, so that its order can be read and tested as a table.
import type { State } from '../meeting/apply'
import { currentItem, openPoll, speaker, type Item, type Poll, type Speech } from '../meeting/read'

export type Face =
  | { kind: 'open' | 'counted' | 'outcome'; poll: Poll }
  | { kind: 'page'; paperId: string; page: number }
  | { kind: 'speaker'; speech: Speech }
  | { kind: 'item'; item: Item }
  | { kind: 'rollcall' | 'break' | 'over' }

/** What the chair does next changes this; an outcome stays on the wall until then. */
export function chairsPlace(state: State): string {
  const { current_item_id, lead, stage } = state.meeting
  return JSON.stringify([stage, current_item_id, lead, speaker(state)?.id])
}

/** `past` are the ids of declared polls after which the chair has gone on. */
export function faceOf(state: State, past: ReadonlySet<string>): Face {
  const open = openPoll(state)
  if (open) return { kind: 'open', poll: open }
  const last = lastClosed(state)
  const speech = speaker(state)
  if (last?.stage === 'closed') return { kind: 'counted', poll: last }
  if (last && !past.has(last.id) && !goneOnBefore(state, last)) return { kind: 'outcome', poll: last }
  const { stage, lead } = state.meeting
  if (stage === 'closed') return { kind: 'over' }
  if (stage === 'adjourned') return { kind: 'break' }
  if (stage !== 'open') return { kind: 'rollcall' }
  if (lead && state.papers[lead.paper_id]) return { kind: 'page', paperId: lead.paper_id, page: lead.page }
  if (speech) return { kind: 'speaker', speech }
  const item = currentItem(state)
  return item ? { kind: 'item', item } : { kind: 'rollcall' }
}

function lastClosed(state: State): Poll | null {
  const closed = Object.values(state.polls).filter((poll) => poll.closed_at)
  return closed.sort((a, b) => (a.closed_at! < b.closed_at! ? 1 : -1))[0] ?? null
}

/** On a wall that has just been switched on: signs that the house left the vote behind. */
function goneOnBefore(state: State, poll: Poll): boolean {
  const speech = speaker(state)
  const spoken = Boolean(speech?.resumed_at && poll.closed_at && speech.resumed_at > poll.closed_at)
  return spoken || state.meeting.current_item_id !== poll.item_id || state.meeting.stage !== 'open'
}

export interface CodeRow {
  choice: 'in_favour' | 'against' | 'abstaining'
  code: string
}
export interface CodeGroup {
  choice: CodeRow['choice']
  count: number
  codes: string[]
}

const ROWS = 12 // rows of codes that a page holds
const WIDE = 9 // codes in a row over the whole width
const HALF = 4 // and over half of it

/** The table of codes in pages: all on one where it fits, else a page for each run of codes of one choice. */
export function codePages(rows: CodeRow[]): CodeGroup[][] {
  const groups = (['in_favour', 'against', 'abstaining'] as const).map((choice) => {
    const codes = rows.filter((row) => row.choice === choice).map((row) => row.code)
    return { choice, count: codes.length, codes: codes.sort() }
  })
  const [yes, no, abstain] = groups.map((group) => group.codes.length) as [number, number, number]
  if (Math.ceil(yes / WIDE) + Math.ceil(Math.max(no, abstain) / HALF) <= ROWS - 2) return [groups]
  return groups.flatMap((group) => {
    const pages: CodeGroup[][] = []
    for (let at = 0; at < group.codes.length; at += ROWS * WIDE) pages.push([{ ...group, codes: group.codes.slice(at, at + ROWS * WIDE) }])
    return pages
  })
}
