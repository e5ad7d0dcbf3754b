import { expect, test } from 'vitest'
import { GAP, inWindow, layOut, pageAt, placeAt, readPage, topOf, type Size } from './layout'

const A4: Size = { width: 595, height: 842 }
const LYING: Size = { width: 842, height: 595 }
const sizes = [A4, LYING, A4, A4]
const ways = [
  [826, 1],
  [820, 1],
  [478, 1],
  [826, 2.5],
  [2400, 0.5],
] as const

test('in the room of a tablet a page is 720 pixels wide, upright or lying', () => {
  const layout = layOut(sizes, 826, 1)
  expect(Math.round(layout.wide)).toBe(721)
  expect(layout.heights[0]).toBeGreaterThan(layout.heights[1] as number)
  expect(layout.width).toBe(826)
})

test('a page is not blown up to the width of a big screen', () => {
  expect(layOut(sizes, 2560, 1).wide).toBe(1100)
})

test.each(ways)('pages follow each other without touching: room %i, zoom %f', (room, zoom) => {
  const { tops, heights, height } = layOut(sizes, room, zoom)
  for (const at of [1, 2, 3]) expect((tops[at] as number) - (tops[at - 1] as number)).toBeCloseTo((heights[at - 1] as number) + GAP)
  expect(height).toBeCloseTo((tops[3] as number) + (heights[3] as number) + GAP)
})

test.each(ways)('a place is found again after any change of room and zoom: room %i, zoom %f', (room, zoom) => {
  const before = layOut(sizes, 826, 1)
  const after = layOut(sizes, room, zoom)
  for (const y of [0, 500, 1100, 1700, 2900]) {
    const place = placeAt(before, y)
    expect(topOf(before, place)).toBeCloseTo(y)
    const again = placeAt(after, topOf(after, place) + 0.001)
    expect(again.page).toBe(place.page)
    expect(again.part).toBeCloseTo(place.part, 2)
  }
})

test('the page one reads is the one a third down the window, at the end the last', () => {
  const layout = layOut(sizes, 826, 1)
  const second = layout.tops[1] as number
  expect(readPage(layout, second - 300, 600)).toBe(0)
  expect(readPage(layout, second - 100, 600)).toBe(1)
  expect(readPage(layout, layout.height - 600, 600)).toBe(3)
})

test('pages in the window and their neighbours are drawn, and no others', () => {
  const layout = layOut(Array.from({ length: 60 }, () => A4), 826, 1)
  expect(inWindow(layout, 0, 700, 1)).toEqual([0, 1])
  expect(inWindow(layout, topOf(layout, { page: 30, part: 0.1 }), 700, 1)).toEqual([29, 31])
  expect(inWindow(layout, layout.height - 700, 700, 1)).toEqual([58, 59])
})

test('a place of a page that a shorter version lacks is its last page', () => {
  const layout = layOut([A4], 826, 1)
  expect(topOf(layout, { page: 9, part: 0 })).toBe(layout.tops[0])
  expect(pageAt(layout, -50)).toBe(0)
})
