import { afterEach, expect, test, vi } from 'vitest'
import { json, surroundings } from '../../tests/province'

afterEach(() => {
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

test('a page that was left asks no more, also where an answer was still on its way', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  const world = surroundings()
  let answer: (told: Response) => void = () => {}
  const running = (): Response => json([{ id: 'r', state: 'running' }])
  world.serve(() => running())
  const { Rehearsals } = await import('./rehearsals.svelte')
  const all = new Rehearsals('m1')
  await all.load()
  world.serve(() => new Promise((told) => (answer = told)))
  await vi.advanceTimersByTimeAsync(1500)
  await vi.waitFor(() => expect(world.asked).toHaveLength(2))
  all.end()
  answer(running())
  for (let time = 0; time < 5; time += 1) {
    await new Promise((done) => setImmediate(done))
    await vi.advanceTimersByTimeAsync(1500)
  }
  expect(world.asked).toHaveLength(2)
})
