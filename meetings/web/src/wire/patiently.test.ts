import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { json, refusal, surroundings } from '../../tests/province'

let world: ReturnType<typeof surroundings>
let told: unknown[]

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  world = surroundings()
  vi.resetModules()
  told = []
})
afterEach(() => {
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

async function begin(): Promise<() => void> {
  const { call } = await import('./http')
  const { patiently } = await import('./patiently')
  const stop = patiently(() => call('get', '/api/bodies', {}), (bodies) => told.push(bodies), (problem) => told.push(problem.code))
  await settle()
  return stop
}
const settle = async (): Promise<void> => {
  for (let turn = 0; turn < 40; turn += 1) await new Promise((done) => setImmediate(done))
}
async function pass(ms: number): Promise<void> {
  await vi.advanceTimersByTimeAsync(ms)
  await settle()
}

test('a lost line, a crowd and a server that is not itself are waited out', async () => {
  const answers = ['lost' as const, refusal('too-many', 429), refusal('unavailable', 503), json([])]
  world.serve(() => answers.shift()!)
  await begin()
  for (let time = 0; time < 4; time += 1) await pass(5000)
  expect(told).toEqual([[]])
  expect(world.asked).toHaveLength(4)
})

test('a refusal is an answer', async () => {
  world.serve(() => refusal('forbidden', 403))
  await begin()
  await pass(60_000)
  expect(told).toEqual(['forbidden'])
})

test('who has left hears nothing any more', async () => {
  world.serve(() => 'lost')
  const stop = await begin()
  world.serve(() => json([]))
  stop()
  await pass(60_000)
  expect(told).toEqual([])
})
