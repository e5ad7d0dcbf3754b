import { afterEach, expect, test, vi } from 'vitest'
import { refusal, surroundings } from '../../tests/province'

afterEach(() => vi.unstubAllGlobals())

test('who was refused and comes in again is not shown the old refusal', async () => {
  const world = surroundings()
  const { openMeeting } = await import('./open')
  world.serve(() => refusal('not-found', 404))
  const held = openMeeting('m2')
  await vi.waitFor(() => expect(held.refusal).not.toBeNull())
  expect(openMeeting('m2')).not.toBe(held)
  openMeeting('m2').end()
})
