import { expect, test } from 'vitest'
import type { State } from '../meeting/apply'
import { clustersOf, lossOf, roomsOf, shapeOf, sumsOf, troublesOf, type Bridge, type Health } from './rooms'

const AT = '2026-12-09T01:00:00Z'

function bridge(id: string, changed: Partial<Bridge> = {}): Bridge {
  return { id, name: `Xã ${id}`, short: id, cluster: 'Cụm 1', place: 0, lead_id: null, state: 'up', since: AT, roll: null, ...changed }
}

/** `people` are [id, bridge, present, votes]. */
function house(bridges: Bridge[], people: [string, string | null, boolean, boolean][] = [], asking: string[] = [], counted = 0): State {
  return {
    bridges: Object.fromEntries(bridges.map((one) => [one.id, one])),
    members: Object.fromEntries(people.map(([id, bridge_id, , votes]) => [id, { id, bridge_id, votes }])),
    attendance: Object.fromEntries(people.filter(([, , here]) => here).map(([member_id]) => [member_id, { member_id, state: 'present' }])),
    speaking: Object.fromEntries(asking.map((member_id, position) => [member_id, { id: member_id, member_id, state: 'waiting', position }])),
    quorum: { present: counted },
  } as unknown as State
}

const seen = (online: number, delay: number | null = 400, unsteady = false, relayed = 0): Health => ({ online, relayed, delay, seen_at: AT, unsteady })

test.each([
  ['waiting', undefined, 'none'],
  ['lost', seen(0, null, true), 'lost'],
  ['up', undefined, 'good'],
  ['up', seen(3), 'good'],
  ['up', seen(3, 400, true), 'weak'],
] as const)('a room that is %s and heard as %j is %s', (state, health, shape) => {
  expect(shapeOf({ state }, health)).toBe(shape)
})

test('a room counts its own people, and clusters stand in the order of the places', () => {
  const bridges = [bridge('c', { place: 2, cluster: 'Cụm 2' }), bridge('a', { place: 0 }), bridge('b', { place: 1 })]
  const people: [string, string | null, boolean, boolean][] = [
    ['1', 'a', true, true],
    ['2', 'a', true, false],
    ['3', 'a', false, true],
    ['4', null, true, true],
    ['5', 'c', true, true],
  ]
  const rooms = roomsOf(house(bridges, people, ['5', '4']), { a: seen(2, 300, false, 1) })
  expect(rooms[0]).toMatchObject({ seats: 3, present: 2, votes: 1, speaks: 0, online: 2, relayed: 1, delay: 300 })
  expect(rooms[2]).toMatchObject({ seats: 1, speaks: 1, online: 0, delay: null })
  expect(clustersOf(rooms).map(({ name, rooms: those }) => [name, ...those.map((room) => room.bridge.id)])).toEqual([
    ['Cụm 1', 'a', 'b'],
    ['Cụm 2', 'c'],
  ])
})

test('the sums add up to all rooms, and the delay is that of the middle one that answers', () => {
  const bridges = ['a', 'b', 'c', 'd', 'e'].map((id, place) => bridge(id, { place, state: id === 'd' ? 'lost' : id === 'e' ? 'waiting' : 'up' }))
  const sums = sumsOf(roomsOf(house(bridges, [['1', 'a', true, true]]), { a: seen(1, 300), b: seen(1, 500), c: seen(1, 2100, true), d: seen(0, 9000) }))
  expect(sums).toEqual({ rooms: 5, good: 2, weak: 1, lost: 1, none: 1, present: 1, seats: 1, delay: 500 })
  expect(sumsOf([]).delay).toBeNull()
})

test('first what is lost, then what never came, then what is weak; within each by people, voters, speakers, and how long', () => {
  const later = '2026-12-09T02:00:00Z'
  const lost = (id: string, since = AT): Bridge => bridge(id, { state: 'lost', since })
  const bridges = [bridge('good'), bridge('weak'), bridge('none', { state: 'waiting' }), lost('one', later), lost('old'), lost('speaks', later), lost('votes', later), lost('two', later)]
  const people: [string, string | null, boolean, boolean][] = [
    ['w1', 'weak', true, true],
    ['w2', 'weak', true, true],
    ['w3', 'weak', true, true],
    ['n1', 'none', false, true],
    ['1', 'one', true, false],
    ['2', 'old', true, false],
    ['3', 'speaks', true, false],
    ['4', 'votes', true, true],
    ['5', 'two', true, false],
    ['6', 'two', true, false],
  ]
  const rooms = roomsOf(house(bridges, people, ['3']), { weak: seen(3, 2000, true), good: seen(1) })
  expect(troublesOf(rooms).map((room) => room.bridge.id)).toEqual(['two', 'votes', 'speaks', 'old', 'one', 'none', 'weak'])
})

test('lost rooms take from the quorum those marked present whom it does not count', () => {
  const people: [string, string | null, boolean, boolean][] = [
    ['1', 'a', true, true],
    ['2', 'a', true, true],
    ['3', null, true, true],
    ['guest', 'a', true, false],
  ]
  const lost = [bridge('a', { state: 'lost' }), bridge('b')]
  expect(lossOf(house(lost, people, [], 1))).toEqual({ rooms: 1, uncounted: 2 })
  expect(lossOf(house(lost, people, [], 3))).toEqual({ rooms: 1, uncounted: 0 })
  expect(lossOf(house([bridge('a')], people, [], 1))).toEqual({ rooms: 0, uncounted: 0 })
})
