import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { surroundings } from '../../tests/province'
import type { MeetingStore } from '../meeting/state.svelte'
import type { Conduct as ConductType } from './conduct.svelte'

let world: ReturnType<typeof surroundings>
let conduct: ConductType
let queue: string[]

beforeEach(async () => {
  vi.useFakeTimers({ toFake: ['performance'] })
  world = surroundings()
  vi.resetModules()
  queue = ['anh', 'binh', 'chi']
  // The house answers, and tells at once who is next.
  world.serve(() => {
    queue.shift()
    return new Response(null, { status: 204 })
  })
  const { Conduct } = await import('./conduct.svelte')
  const speaking = (): object => Object.fromEntries(queue.map((id, position) => [id, { id, position, state: 'waiting' }]))
  conduct = new Conduct({ id: 'm1', line: 'up', get state() { return { speaking: speaking() } } } as unknown as MeetingStore)
})
afterEach(() => {
  vi.useRealTimers()
  vi.unstubAllGlobals()
})
const given = (): string[] => world.asked.map((asked) => asked.path.split('/').at(-2)!)

test('a double tap gives the floor to the next one only', async () => {
  await conduct.next()
  vi.advanceTimersByTime(250)
  await conduct.next()
  expect(given()).toEqual(['anh'])
  vi.advanceTimersByTime(2000)
  await conduct.next()
  expect(given()).toEqual(['anh', 'binh'])
})

test('a double tap turns the house by one item only', async () => {
  expect(await conduct.enter('one')).toBe(true)
  expect(await conduct.enter('two')).toBe(false)
  expect(world.asked.map((asked) => asked.body)).toEqual([{ item_id: 'one' }])
})
