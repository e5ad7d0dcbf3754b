import { expect, test } from 'vitest'
import type { State } from '../meeting/apply'
import type { Speech } from '../meeting/read'
import { minutesAhead, placeAt, spent, turnOf } from './list'

const NOW = Date.parse('2026-12-09T03:30:00Z')

function speech(id: string, changed: Partial<Speech> = {}): Speech {
  return {
    id,
    member_id: 'anh',
    item_id: '3.3',
    kind: 'speech',
    state: 'waiting',
    position: 1,
    asked_at: '2026-12-09T03:00:00Z',
    allotted: 300,
    used: 0,
    resumed_at: null,
    ended_at: null,
    ...changed,
  }
}

function house(...speeches: Speech[]): State {
  const item = (id: string, parent_id: string | null): State['agenda'][string] => {
    return { id, parent_id, position: 0, number: id, title: id, presenter: '', minutes: null }
  }
  const agenda = Object.fromEntries([item('3', null), item('3.3', '3'), item('3.4', '3'), item('4', null)].map((one) => [one.id, one]))
  return { agenda, speaking: Object.fromEntries(speeches.map((one) => [one.id, one])) } as State
}

test('a member who spoke on a part of the same item speaks for the second time', () => {
  const now = speech('b')
  expect(turnOf(house(now), now)).toBe(1)
  expect(turnOf(house(speech('a', { state: 'ended', item_id: '3.4' }), now), now)).toBe(2)
})

test('what was withdrawn, said on another item or by another does not count', () => {
  const now = speech('d')
  const others = [
    speech('a', { state: 'withdrawn' }),
    speech('b', { state: 'ended', item_id: '4' }),
    speech('c', { state: 'ended', member_id: 'vuong' }),
  ]
  expect(turnOf(house(...others, now), now)).toBe(1)
})

test('the minutes ahead are those of who waits, rounded up', () => {
  expect(minutesAhead(house(speech('a'), speech('b', { allotted: 150 }), speech('c', { state: 'ended' })))).toBe(8)
  expect(minutesAhead(house())).toBe(0)
})

test.each([
  [{ used: 0, resumed_at: '2026-12-09T03:26:48Z' }, { used: 192, left: 108, share: 0.64, late: false }],
  [{ used: 200, resumed_at: '2026-12-09T03:29:00Z' }, { used: 260, left: 40, share: 260 / 300, late: true }],
  [{ used: 90 }, { used: 90, left: 210, share: 0.3, late: false }],
  [{ used: 400 }, { used: 400, left: -100, share: 1, late: true }],
])('a speech of %j stands at %j', (changed, expected) => {
  expect(spent(speech('a', { state: 'speaking', ...changed }), NOW)).toEqual({ lastMinute: 0.8, ...expected })
})

test.each([
  [[], 50, 0],
  [[20, 60, 100], 10, 0],
  [[20, 60, 100], 61, 2],
  [[20, 60, 100], 400, 3],
])('among rows with middles %j a drop at %i lands at place %i', (middles, y, place) => {
  expect(placeAt(middles, y)).toBe(place)
})
