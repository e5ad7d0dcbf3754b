import { expect, test } from 'vitest'
import type { State } from '../meeting/apply'
import { fingerprint, groupRolls, neededOf, nextItem, preparedPolls, reach, rollOf, unfinishedPoll } from './plan'

type Poll = State['polls'][string]
const ITEMS = [
  ['1', null],
  ['2', null],
  ['2.1', '2'],
  ['2.2', '2'],
  ['3', null],
] as const

function house(now: string | null, polls: Partial<Poll>[] = [], members: Partial<State['members'][string]>[] = [], present: string[] = []): State {
  const agenda = ITEMS.map(([id, parent_id], position) => ({ id, parent_id, position, number: id, title: id, presenter: '', minutes: null }))
  const keyed = <T extends { id?: string }>(list: T[]): Record<string, T> => Object.fromEntries(list.map((one) => [one.id, one]))
  return {
    meeting: { current_item_id: now },
    agenda: keyed(agenda),
    polls: keyed(polls.map((poll) => ({ number: poll.id, stage: 'prepared', ...poll }))),
    members: keyed(members.map((member, place) => ({ votes: true, group: '', place, ...member }))),
    attendance: Object.fromEntries(present.map((member_id) => [member_id, { member_id, state: 'present' }])),
  } as unknown as State
}

test('the poll that is offered first is the next one from where the house is', () => {
  const polls = [{ id: '1.1', item_id: '1' }, { id: '2.2.1', item_id: '2.2' }, { id: '3.1', item_id: '3' }, { id: '2.2.10', item_id: '2.2' }, { id: '2.2.2', item_id: '2.2' }]
  const order = (now: string | null): string[] => preparedPolls(house(now, polls)).map((poll) => poll.id)
  expect(order('2.1')).toEqual(['2.2.1', '2.2.2', '2.2.10', '3.1', '1.1'])
  expect(order('3')).toEqual(['3.1', '1.1', '2.2.1', '2.2.2', '2.2.10'])
  expect(order(null)[0]).toBe('1.1')
})

test('a poll that is open or not yet declared is unfinished; prepared and declared ones are not', () => {
  const rest: Partial<Poll>[] = [{ id: 'a' }, { id: 'b', stage: 'declared' }]
  expect(unfinishedPoll(house(null, rest))).toBeNull()
  expect(unfinishedPoll(house(null, [...rest, { id: 'c', stage: 'closed' }]))?.id).toBe('c')
  expect(unfinishedPoll(house(null, [...rest, { id: 'c', stage: 'closed' }, { id: 'd', stage: 'open' }]))?.id).toBe('d')
})

test.each([
  [null, '1'],
  ['1', '2'],
  ['2', '2.1'],
  ['2.2', '3'],
  ['3', undefined],
])('after item %s comes %s', (now, next) => {
  expect(nextItem(house(now))?.id).toBe(next)
})

test.each([
  ['more_than_half', 60, 31],
  ['more_than_half', 61, 31],
  ['two_thirds', 60, 40],
  ['two_thirds', 61, 41],
] as const)('%s of %i is %i', (majority, total, needed) => {
  expect(neededOf(majority, total)).toBe(needed)
})

test('the roll counts members with a vote only, and each once', () => {
  const state = house(null, [], [{ id: 'a' }, { id: 'b' }, { id: 'c' }, { id: 'guest', votes: false }], ['a', 'guest'])
  state.attendance.b = { member_id: 'b', state: 'excused', how: 'roll_call', at: '' }
  expect(rollOf(state)).toEqual({ present: 1, excused: 1, absent: 0, unknown: 1 })
})

test('groups stand in the order of their numbers', () => {
  const members = [{ id: 'a', group: 'Tổ 10' }, { id: 'b', group: 'Tổ 2' }, { id: 'c', group: 'Tổ 2' }, { id: 'd' }]
  expect(groupRolls(house(null, [], members, ['b', 'd']))).toEqual([
    { group: 'Tổ 2', here: 1, total: 2 },
    { group: 'Tổ 10', here: 0, total: 1 },
  ])
})

test('a tablet is lost where its member is present and it is not connected; nothing is said before that is known', () => {
  const state = house(null, [], [{ id: 'a' }, { id: 'b' }, { id: 'c' }, { id: 'guest', votes: false }], ['a', 'b', 'guest'])
  expect(reach(state, ['a', 'c', 'guest'])).toEqual({ shown: 2, lost: 1 })
  expect(reach(state, null)).toEqual({ shown: 0, lost: 0 })
})

test('a fingerprint is read in two groups of four', () => {
  expect(fingerprint('4d8107be11')).toBe('4D81-07BE')
})
