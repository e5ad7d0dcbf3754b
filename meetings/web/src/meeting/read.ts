// Questions that several screens ask of the state; all pure.
import { language } from '../kit/words.svelte'
import type { Schemas } from '../wire/http'
import type { State } from './apply'

export type Item = Schemas['ItemView']
export type Member = Schemas['MemberView']
export type Paper = Schemas['PaperView']
export type Poll = Schemas['PollView']
export type Speech = Schemas['SpeechView']

/** The agenda in reading order: each item before its sub-items. */
export function agendaOrder(state: State): Item[] {
  const children = groupBy(Object.values(state.agenda))
  const walk = (parent: string | null): Item[] =>
    (children.get(parent) ?? []).sort((a, b) => a.position - b.position).flatMap((item) => [item, ...walk(item.id)])
  return walk(null)
}

function groupBy(items: Item[]): Map<string | null, Item[]> {
  const groups = new Map<string | null, Item[]>()
  for (const item of items) groups.set(item.parent_id, [...(groups.get(item.parent_id) ?? []), item])
  return groups
}

export function currentItem(state: State): Item | null {
  return state.agenda[state.meeting.current_item_id ?? ''] ?? null
}

/** The item and what it stands under, from the first level down. */
export function pathTo(state: State, itemId: string | null): Item[] {
  const item = state.agenda[itemId ?? '']
  return item ? [...pathTo(state, item.parent_id), item] : []
}

export function openPoll(state: State): Poll | null {
  return Object.values(state.polls).find((poll) => poll.stage === 'open') ?? null
}

/** Papers of an item that stand, by title as the desk ordered them. */
export function papersOf(state: State, itemId: string): Paper[] {
  return Object.values(state.papers).filter((paper) => paper.item_id === itemId && !paper.withdrawn)
}

/** The papers of an item, or of the nearest item above it that has any: a debate reads what its item has. */
export function papersNear(state: State, itemId: string): Paper[] {
  const near = pathTo(state, itemId).reverse()
  return near.map((item) => papersOf(state, item.id)).find((papers) => papers.length) ?? []
}

export function speaker(state: State): Speech | null {
  return Object.values(state.speaking).find((speech) => speech.state === 'speaking' || speech.state === 'paused') ?? null
}

export function waiting(state: State): Speech[] {
  return Object.values(state.speaking)
    .filter((speech) => speech.state === 'waiting')
    .sort((a, b) => a.position - b.position)
}

/** Seconds that a speech has taken up to `now` (milliseconds of the server's clock). */
export function usedSeconds(speech: Speech, now: number): number {
  const running = speech.resumed_at ? Math.max(0, (now - Date.parse(speech.resumed_at)) / 1000) : 0
  return speech.used + running
}

const TITLES: Record<string, string> = { Ông: 'Mr', Bà: 'Ms' }

/** `Bà Phạm Thị Ngọc Ánh`, or `Ms Phạm Thị Ngọc Ánh` */
export function nameOf(member: Member | undefined): string {
  if (!member) return '–'
  const title = language.now === 'vi' ? member.honorific : (TITLES[member.honorific] ?? member.honorific)
  return `${title} ${member.full_name}`.trim()
}

export interface Buckets {
  yes: number
  no: number
  abstain: number
  unvoted: number
  absent: number
}

/** The five buckets of a counted poll; they add up to the whole body. */
export function buckets(tally: Schemas['TallyView']): Buckets {
  const { in_favour: yes, against: no, abstaining: abstain, not_voted, absent } = tally
  return { yes, no, abstain, unvoted: not_voted - absent, absent }
}

/** How many of those present have voted, while a poll is open. */
export function turnoutOf(state: State, poll: Poll, turnout: Schemas['TurnoutFrame'] | null): Record<'cast' | 'present' | 'unvoted' | 'absent', number> {
  const cast = turnout?.poll_id === poll.id ? turnout.cast : 0
  const present = Math.max(state.quorum.present, cast)
  return { cast, present, unvoted: present - cast, absent: Math.max(0, poll.electorate - present) }
}
