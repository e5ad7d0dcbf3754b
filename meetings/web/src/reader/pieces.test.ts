import 'fake-indexeddb/auto'
import { expect, test } from 'vitest'
import { keep, missing, PIECE, recall } from './pieces'

const SIZE = 3 * PIECE + 500
const paper = Uint8Array.from({ length: SIZE }, (_, at) => (at * 7) % 251)

test('what was kept is recalled in any cut that begins with a piece', async () => {
  await keep('one', 0, paper.slice(0, 2 * PIECE))
  await keep('one', 2 * PIECE, paper.slice(2 * PIECE))
  expect(await recall('one', 0, SIZE)).toEqual(paper)
  expect(await recall('one', PIECE, 2 * PIECE)).toEqual(paper.slice(PIECE, 2 * PIECE))
  expect(await recall('one', 3 * PIECE, SIZE)).toEqual(paper.slice(3 * PIECE))
  expect(await missing('one', SIZE)).toEqual([])
})

test('what is not wholly here is not recalled', async () => {
  await keep('two', PIECE, paper.slice(PIECE, 2 * PIECE))
  expect(await recall('two', 0, 2 * PIECE)).toBeNull()
  expect(await recall('two', PIECE, 3 * PIECE)).toBeNull()
  expect(await missing('two', SIZE)).toEqual([0, 2 * PIECE, 3 * PIECE])
  await keep('two', 0, paper.slice(0, PIECE))
  expect(await missing('two', SIZE)).toEqual([2 * PIECE, 3 * PIECE])
})

test('one paper is not another', async () => {
  await keep('three', 0, paper.slice(0, PIECE))
  expect(await recall('four', 0, PIECE)).toBeNull()
})
