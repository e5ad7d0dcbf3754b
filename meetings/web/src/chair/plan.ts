// What the chair's screen works out from the state; all pure.
import type { State } from '../meeting/apply'
import { agendaOrder, currentItem, openPoll, type Item, type Member, type Poll } from '../meeting/read'

/** Polls that wait to be opened, in the order of the agenda from where the house is now; those behind it come last. */
export function preparedPolls(state: State): Poll[] {
  const order = agendaOrder(state).map((item) => item.id)
  const here = Math.max(0, order.indexOf(state.meeting.current_item_id ?? ''))
  const ahead = (poll: Poll): number => (order.indexOf(poll.item_id) - here + order.length) % order.length
  return Object.values(state.polls)
    .filter((poll) => poll.stage === 'prepared')
    .sort((a, b) => ahead(a) - ahead(b) || a.number.localeCompare(b.number, 'en', { numeric: true }))
}

/** The poll that the chair has to bring to an end: open, or closed and not declared. */
export function unfinishedPoll(state: State): Poll | null {
  return openPoll(state) ?? Object.values(state.polls).find((poll) => poll.stage === 'closed') ?? null
}

/** The item after the current one in the order of the agenda; the first where the house is at none. */
export function nextItem(state: State): Item | null {
  const order = agendaOrder(state)
  const now = currentItem(state)
  return order[now ? order.findIndex((item) => item.id === now.id) + 1 : 0] ?? null
}

/** The least number that makes up the share, as the server will freeze it on opening; twin of `needed` in meetings/bodies/rules.py. */
export function neededOf(majority: Poll['majority'], total: number): number {
  return majority === 'more_than_half' ? Math.floor(total / 2) + 1 : Math.ceil((2 * total) / 3)
}

export function voters(state: State): Member[] {
  return Object.values(state.members)
    .filter((member) => member.votes)
    .sort((a, b) => a.place - b.place)
}

interface Roll {
  present: number
  excused: number
  absent: number
  unknown: number
}

/** How the members with a vote stand at the roll call; the four add up to all of them. */
export function rollOf(state: State, among: Member[] = voters(state)): Roll {
  const roll: Roll = { present: 0, excused: 0, absent: 0, unknown: 0 }
  for (const member of among) roll[state.attendance[member.id]?.state ?? 'unknown'] += 1
  return roll
}

/** The roll of each group of members, by the group's name; members without a group are left out. */
export function groupRolls(state: State): { group: string; here: number; total: number }[] {
  const all = voters(state)
  const names = [...new Set(all.map((member) => member.group))].filter(Boolean)
  return names
    .sort((a, b) => a.localeCompare(b, 'vi', { numeric: true }))
    .map((group) => {
      const members = all.filter((member) => member.group === group)
      return { group, here: rollOf(state, members).present, total: members.length }
    })
}

/** Tablets of members with a vote that would show a ballot now, and those of members present that would not. */
export function reach(state: State, connected: string[] | null): { shown: number; lost: number } {
  const on = new Set(connected)
  const voting = voters(state)
  return {
    shown: voting.filter((member) => on.has(member.id)).length,
    lost: connected ? voting.filter((member) => state.attendance[member.id]?.state === 'present' && !on.has(member.id)).length : 0,
  }
}

/** `4D81-07BE`: the first signs of a document's SHA-256, as it is read aloud. */
export function fingerprint(sha256: string): string {
  return `${sha256.slice(0, 4)}-${sha256.slice(4, 8)}`.toUpperCase()
}
