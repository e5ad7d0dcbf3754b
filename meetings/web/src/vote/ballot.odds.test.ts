// What seldom happens to a ballot, and must not be told wrongly when it does.
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { isCast, pass, receipt, settle } from '../../tests/ballots'
import { json, refusal, surroundings, type Asked } from '../../tests/province'
import type { Ballot as BallotType } from './ballot.svelte'
import type { Pending } from './pending'

let world: ReturnType<typeof surroundings>
let lineIsUp: boolean
let Ballot: typeof BallotType
let pendingOf: (poll: string, member: string) => Promise<Pending | undefined>

beforeEach(async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] })
  world = surroundings()
  lineIsUp = true
  vi.resetModules() // a fresh browser: nothing in memory, only what the device keeps
  ;({ Ballot } = await import('./ballot.svelte'))
  ;({ pendingOf } = await import('./pending'))
})
afterEach(() => {
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

const made = (): BallotType =>
  new Ballot({ meetingId: 'm1', pollId: 'p1', memberId: 'anh', lineIsUp: () => lineIsUp, now: () => new Date().toISOString() })
const casts = (): Asked[] => world.asked.filter(isCast)

test('a choice made while the line was still being asked about the one before goes out', async () => {
  world.serve((asked) => (asked.path.endsWith('/seat') ? 'silence' : isCast(asked) ? json(receipt('against')) : refusal('not-found', 404)))
  const ballot = made()
  await ballot.start()
  world.online = false
  await ballot.cast('in_favour')
  lineIsUp = false
  world.online = true
  ballot.hurry()
  await settle()
  await ballot.reconsider()
  expect(ballot.phase).toBe('choosing')
  lineIsUp = true
  void ballot.cast('against')
  await pass(11_000)
  expect(ballot.phase).toBe('recorded')
  expect(casts().map((asked) => asked.body)).toEqual([{ choice: 'against', replaces: null }])
})

test('a crowd at the door does not hide what was voted before', async () => {
  let answers = 0
  world.serve(() => (answers++ ? json(receipt()) : refusal('too-many', 429)))
  const ballot = made()
  await ballot.start()
  await pass(15_000)
  expect([ballot.phase, ballot.receipt?.code]).toEqual(['recorded', '7KQ-4MX'])
})

test('a ballot goes out where the device never answers', async () => {
  world.serve((asked) => (isCast(asked) ? json(receipt()) : refusal('not-found', 404)))
  vi.stubGlobal('indexedDB', { open: () => new IDBOpenDBRequest() })
  const ballot = made()
  void ballot.start()
  await pass(3000)
  void ballot.cast('in_favour')
  for (let time = 0; time < 4; time += 1) await pass(3000)
  expect([ballot.phase, casts().length]).toEqual(['recorded', 1])
})

test('another tab that signs out wipes the device, and a ballot is kept on it again', async () => {
  world.serve((asked) => (isCast(asked) ? 'lost' : refusal('not-found', 404)))
  await made().start()
  await new Promise<void>((gone, blocked) => {
    const wiping = indexedDB.deleteDatabase('ballots')
    wiping.onsuccess = () => gone()
    wiping.onblocked = () => blocked(new Error('blocked'))
  })
  await made().cast('in_favour')
  expect((await pendingOf('p1', 'anh'))?.choice).toBe('in_favour')
})

test('another device’s change is learnt when it is asked for', async () => {
  let told = receipt()
  world.serve(() => json(told))
  const ballot = made()
  await ballot.start()
  told = receipt('against', 2)
  await ballot.reread()
  expect([ballot.phase, ballot.choice, ballot.receipt?.receipt]).toEqual(['recorded', 'against', 'receipt-2'])
})

test('a house that came back without the ballot is not said to have it', async () => {
  world.serve(() => json(receipt()))
  const ballot = made()
  await ballot.start()
  world.serve(() => refusal('not-found', 404))
  await ballot.reread()
  expect(ballot.phase).toBe('recorded')
  world.serve(() => refusal('unavailable', 503))
  await ballot.reread({ anew: true })
  expect(ballot.phase).toBe('recorded')
  world.serve(() => refusal('not-found', 404))
  await pass(15_000)
  expect([ballot.phase, ballot.receipt, ballot.lost]).toEqual(['choosing', null, true])
})
