import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { json, refusal, surroundings } from '../../tests/province'
import type { MeetingStore } from '../meeting/state.svelte'
import type { Board as BoardType } from './board.svelte'

let world: ReturnType<typeof surroundings>
let board: BoardType

beforeEach(async () => {
  world = surroundings()
  vi.resetModules()
  const { Board } = await import('./board.svelte')
  board = new Board({ id: 'm1', state: null, bridges: null, skew: 0 } as unknown as MeetingStore)
})
afterEach(() => vi.unstubAllGlobals())

test.each(['lost' as const, refusal('unavailable', 503)])('a room that is not told of now breaks nothing, and its remark is asked for again', async (answer) => {
  world.serve(() => answer)
  board.choose('b1')
  await board.load()
  await board.remind(['b1'])
  expect([board.detail, board.remark('b1')]).toEqual([null, undefined])
  const note = { id: 'n', at: '2026-12-09T01:00:00Z', by: 'thư ký', text: 'đã gọi' }
  world.serve(() => json({ bridge: { id: 'b1' }, notes: [note] }))
  await board.remind(['b1'])
  expect(board.remark('b1')?.text).toBe('đã gọi')
})
