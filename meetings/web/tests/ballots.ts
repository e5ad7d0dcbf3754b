// What the tests of a ballot share: the server's receipt, what is a ballot among what was asked, and the passing of time.
import { vi } from 'vitest'
import type { Asked } from './province'

export const receipt = (choice = 'in_favour', turn = 1): Record<string, unknown> => ({
  poll_id: 'p1',
  member_id: 'anh',
  turn,
  choice,
  cast_at: '2026-12-09T03:42:07Z',
  receipt: `receipt-${turn}`,
  code: '7KQ-4MX',
})
export const isCast = (asked: Asked): boolean => asked.method === 'POST' && asked.path.endsWith('/polls/p1/ballots')
/** Lets what is under way come to rest without letting time pass. */
export const settle = async (): Promise<void> => {
  for (let turn = 0; turn < 60; turn += 1) await new Promise((done) => setImmediate(done))
}
export const pass = async (ms: number): Promise<void> => {
  await vi.advanceTimersByTimeAsync(ms)
  await settle()
}
