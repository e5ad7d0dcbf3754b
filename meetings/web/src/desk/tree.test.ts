import { describe, expect, test } from 'vitest'
import { branch, dropPlace, minutesOf, moved, moves, rows, totalMinutes, type Agenda } from './tree'

/** `1`, `2` (with `2.1`, `2.2`), `3` (with `3.1`, below it `3.1.1`), `4`; the number is the id. */
function agenda(): Agenda {
  const ids = ['1', '2', '2.1', '2.2', '3', '3.1', '3.1.1', '4']
  const items = ids.map((id) => {
    const parts = id.split('.')
    const parent_id = parts.slice(0, -1).join('.') || null
    return { id, parent_id, position: Number(parts.at(-1)) - 1, number: id, title: id, presenter: '', minutes: null }
  })
  return Object.fromEntries(items.map((item) => [item.id, item]))
}
const order = (of: Agenda): string[] => rows(of).map((row) => `${row.item.number}=${row.item.id}`)

test('rows stand in the order of the printed agenda', () => {
  expect(rows(agenda()).map((row) => [row.item.id, row.depth])).toEqual([
    ['1', 1],
    ['2', 1],
    ['2.1', 2],
    ['2.2', 2],
    ['3', 1],
    ['3.1', 2],
    ['3.1.1', 3],
    ['4', 1],
  ])
})

describe('moves', () => {
  test('the first item goes neither up nor out nor in', () => {
    expect(moves(agenda(), '1')).toEqual({ up: null, down: { parent_id: null, position: 1 }, in: null, out: null })
  })
  test('in makes an item the last child of the one above', () => {
    expect(moves(agenda(), '4').in).toEqual({ parent_id: '3', position: 1 })
  })
  test('a branch that would become four levels deep does not go in', () => {
    expect(moves(agenda(), '3').in).toBeNull()
  })
  test('out puts an item right after its parent', () => {
    const place = moves(agenda(), '2.1').out!
    expect(place).toEqual({ parent_id: null, position: 2 })
    expect(order(moved(agenda(), '2.1', place))).toContain('3=2.1')
  })
})

test('numbers follow a move', () => {
  expect(order(moved(agenda(), '4', { parent_id: null, position: 1 })).slice(0, 4)).toEqual(['1=1', '2=4', '3=2', '3.1=2.1'])
})

test('the old agenda is left alone by a move', () => {
  const old = agenda()
  moved(old, '4', { parent_id: null, position: 0 })
  expect(old).toEqual(agenda())
})

describe('a drop', () => {
  const drop = (id: string, above: number, wish: number): ReturnType<typeof dropPlace> => {
    const all = agenda()
    const gone = branch(all, id)
    return dropPlace(all, id, rows(all).filter((row) => !gone.has(row.item.id)), above, wish)
  }
  test.each([
    ['before everything', '4', -1, 1, { parent_id: null, position: 0, depth: 1 }],
    ['after the last row, at the first level', '1', 6, 1, { parent_id: null, position: 3, depth: 1 }],
    ['between sub-items it becomes one of them, whatever was wished', '4', 2, 1, { parent_id: '2', position: 1, depth: 2 }],
    ['after the last sub-item, at the first level', '4', 3, 1, { parent_id: null, position: 2, depth: 1 }],
    ['after the last sub-item, among them', '4', 3, 2, { parent_id: '2', position: 2, depth: 2 }],
    ['under an item that has none yet', '4', 0, 2, { parent_id: '1', position: 0, depth: 2 }],
  ])('%s', (_, id, above, wish, place) => {
    expect(drop(id, above, wish)).toEqual(place)
  })
  test('a branch of two levels stays at the second', () => {
    expect(drop('2', 3, 3)).toEqual({ parent_id: '3', position: 1, depth: 2 })
  })
})

test('minutes of an item are its own, else the sum below it', () => {
  const all = agenda()
  all['2.1'] = { ...all['2.1']!, minutes: 10 }
  all['2.2'] = { ...all['2.2']!, minutes: 20 }
  all['3'] = { ...all['3']!, minutes: 45 }
  all['3.1'] = { ...all['3.1']!, minutes: 99 }
  expect(minutesOf(all, all['2']!)).toBe(30)
  expect(totalMinutes(all)).toBe(75)
})
