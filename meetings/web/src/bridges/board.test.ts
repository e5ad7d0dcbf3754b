import { expect, test } from 'vitest'
import { staleFor } from './fresh'
import { chartOf, WIDTH, type Reading } from './latency'
import { nextTrouble, walk } from './walk'

test.each([
  ['ArrowRight', 0, 1],
  ['ArrowLeft', 0, 0],
  ['ArrowRight', 12, 13],
  ['ArrowDown', 0, 13],
  ['ArrowDown', 12, 23], // the second row of the first cluster is shorter
  ['ArrowDown', 15, 26], // over the edge of a cluster, in the same column
  ['ArrowUp', 26, 15],
  ['ArrowUp', 36, 23],
  ['ArrowUp', 5, 5],
  ['ArrowDown', 27, 27],
  ['Home', 20, 0],
  ['End', 20, 36],
  ['Enter', 20, null],
])('%s from cell %i leads to %s', (key, at, to) => {
  expect(walk(key, at, [24, 13], 13)).toBe(to)
})

test('without rooms there is nowhere to go', () => {
  expect(walk('ArrowDown', 0, [], 13)).toBe(0)
})

test.each([
  [']', null, 'a'],
  ['[', null, 'a'],
  [']', 'a', 'b'],
  [']', 'c', 'a'],
  ['[', 'a', 'c'],
  ['[', 'gone', 'a'],
] as const)('%s with %s chosen goes to %s', (key, chosen, to) => {
  expect(nextTrouble(key, ['a', 'b', 'c'], chosen)).toBe(to)
  expect(nextTrouble(key, [], chosen)).toBeNull()
})

test.each([
  [4000, true, null],
  [14_200, true, null],
  [20_500, true, 20],
  [4000, false, null],
  [14_200, false, 14],
])('after %i ms, line up %s, the board is old by %s', (age, up, stale) => {
  expect(staleFor(1_000_000, 1_000_000 + age, up)).toBe(stale)
})

const NOW = Date.parse('2026-12-09T03:00:00Z')
const reading = (secondsAgo: number, delay: number | null = 1000, online = 3): Reading => {
  return { at: new Date(NOW - secondsAgo * 1000).toISOString(), online, delay }
}

test('a line without a gap is one line, and half the height stands for a second', () => {
  const chart = chartOf([reading(30), reading(15), reading(0)], NOW, false)
  expect(chart).toEqual({ line: 'M306.8 44L309.4 44L312 44', breaks: [], cutAt: null, second: 44 })
})

test('where readings are missing the line breaks, and says since when', () => {
  const chart = chartOf([reading(330), reading(315), reading(300), reading(15, null), reading(0)], NOW, false)
  expect(chart.line.match(/M/g)).toHaveLength(2)
  expect(chart.breaks).toEqual([{ x: 260, width: 49.4 }])
  expect(chart.cutAt).toBe('2026-12-09T02:55:00.000Z')
})

test('a lost room is broken up to now, one with members online is not for a late reading', () => {
  const before = [reading(600, 500), reading(585, 4000), reading(570, 700, 0)]
  expect(chartOf(before, NOW, true).breaks).toEqual([{ x: 210.6, width: 101.4 }])
  expect(chartOf(before, NOW, false).breaks).toEqual([])
  expect(chartOf(before, NOW, false).second).toBe(62) // the highest delay sets the height
})

test('what is older than half an hour is not shown, and nothing heard is no break', () => {
  expect(chartOf([reading(1801)], NOW, true)).toEqual({ line: '', breaks: [], cutAt: null, second: 44 })
  expect(WIDTH).toBe(312)
})
