// Finding people as the hand types their names, with or without tone marks.
import type { Member } from '../meeting/read'
import { fold } from '../reader/fold'

/** Whether every word of `query` stands in the name, the group or the seat. */
export function matches(member: Member, query: string): boolean {
  const text = fold(`${member.full_name} ${member.group} ${member.seat}`)
  return fold(query)
    .split(/\s+/)
    .every((word) => text.includes(word))
}

export function byPlace(members: Record<string, Member>): Member[] {
  return Object.values(members).sort((one, other) => one.place - other.place)
}
