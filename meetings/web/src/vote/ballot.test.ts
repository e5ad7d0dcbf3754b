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
const key = (asked: Asked | undefined): string | undefined => asked?.headers['Idempotency-Key']

test('a ballot is on the device before it leaves it, and gone from it once there is a receipt', async () => {
  let keptWhileSending: Pending | undefined
  world.serve(async (asked) => {
    if (!isCast(asked)) return refusal('not-found', 404)
    keptWhileSending = await pendingOf('p1', 'anh')
    return json(receipt())
  })
  const ballot = made()
  await ballot.start()
  await ballot.cast('in_favour')
  await settle()
  expect(keptWhileSending).toMatchObject({ choice: 'in_favour', key: key(casts()[0]), replaces: null, sent_at: expect.any(String) as string })
  expect(ballot.phase).toBe('recorded')
  expect(ballot.receipt?.code).toBe('7KQ-4MX')
  expect(await pendingOf('p1', 'anh')).toBeUndefined()
})

test('without a line nothing leaves, that is told, and the same ballot goes by itself later', async () => {
  world.serve((asked) => (isCast(asked) ? json(receipt()) : refusal('not-found', 404)))
  const ballot = made()
  await ballot.start()
  world.online = false
  await ballot.cast('in_favour')
  expect(ballot.phase).toBe('unsent')
  expect(casts()).toHaveLength(0)
  world.online = true
  await pass(15_000)
  expect(ballot.phase).toBe('recorded')
  expect(casts()).toHaveLength(1)
})

test('a broken line that the device does not know of is found before the ballot leaves', async () => {
  world.serve((asked) => (asked.path.endsWith('/seat') ? 'lost' : refusal('not-found', 404)))
  const ballot = made()
  await ballot.start()
  lineIsUp = false
  await ballot.cast('against')
  expect(ballot.phase).toBe('unsent')
  expect(casts()).toHaveLength(0)
})

test('a ballot that has not left can be taken back', async () => {
  world.serve((asked) => (isCast(asked) ? json(receipt()) : refusal('not-found', 404)))
  const ballot = made()
  await ballot.start()
  world.online = false
  await ballot.cast('in_favour')
  await ballot.reconsider()
  world.online = true
  await pass(60_000)
  expect(ballot.phase).toBe('choosing')
  expect(casts()).toHaveLength(0)
  expect(await pendingOf('p1', 'anh')).toBeUndefined()
})

test('three seconds without an answer are told, the choice rests, and the same key is sent until the server speaks', async () => {
  let silent = true
  world.serve((asked) => (!isCast(asked) ? refusal('not-found', 404) : silent ? 'silence' : json(receipt('abstaining'))))
  const ballot = made()
  await ballot.start()
  void ballot.cast('abstaining')
  await settle()
  expect(ballot.phase).toBe('sending')
  await pass(3000)
  expect(ballot.phase).toBe('unanswered')
  await ballot.reconsider()
  expect(ballot.phase).toBe('unanswered')
  silent = false
  await pass(25_000)
  expect(ballot.phase).toBe('recorded')
  expect(casts().length).toBeGreaterThan(1)
  expect(new Set(casts().map(key)).size).toBe(1)
})

test('an answer lost on its way is not taken for "not sent"', async () => {
  world.serve((asked) => (isCast(asked) ? 'lost' : refusal('not-found', 404)))
  const ballot = made()
  await ballot.start()
  await ballot.cast('in_favour')
  expect(ballot.phase).toBe('unanswered')
})

test.each([503, 500, 429])('an answer %i decides nothing: the ballot is sent again', async (status) => {
  let answers = 0
  world.serve((asked) => (!isCast(asked) ? refusal('not-found', 404) : answers++ ? json(receipt()) : refusal('unavailable', status)))
  const ballot = made()
  await ballot.start()
  await ballot.cast('in_favour')
  expect(ballot.phase).toBe('unanswered')
  await pass(15_000)
  expect(ballot.phase).toBe('recorded')
})

test('a browser killed after sending asks with the same key when it opens again', async () => {
  world.serve((asked) => (isCast(asked) ? 'lost' : refusal('not-found', 404)))
  const first = made()
  await first.start()
  await first.cast('in_favour')
  first.end()
  world.serve((asked) => (isCast(asked) ? json(receipt()) : refusal('not-found', 404)))
  const again = made()
  await again.start()
  await settle()
  expect(again.phase).toBe('recorded')
  expect(new Set(casts().map(key)).size).toBe(1)
})

test('a browser killed before sending sends what was chosen when it opens again', async () => {
  world.serve((asked) => (isCast(asked) ? json(receipt('against')) : refusal('not-found', 404)))
  world.online = false
  const first = made()
  await first.start()
  await first.cast('against')
  first.end()
  world.online = true
  const again = made()
  await again.start()
  await settle()
  expect(again.phase).toBe('recorded')
  expect(casts()[0]?.body).toEqual({ choice: 'against', replaces: null })
})

test('after the close the server says that the ballot does not count, and it is not sent again', async () => {
  world.serve((asked) => (isCast(asked) ? refusal('poll-not-open', 409) : refusal('not-found', 404)))
  const ballot = made()
  await ballot.start()
  await ballot.cast('in_favour')
  await pass(60_000)
  expect(ballot.phase).toBe('refused')
  expect(ballot.refusal?.code).toBe('poll-not-open')
  expect(casts()).toHaveLength(1)
  expect(await pendingOf('p1', 'anh')).toBeUndefined()
})

test('where another device was first, its ballot is shown and this is said', async () => {
  let told = false
  world.serve((asked) => {
    if (isCast(asked)) return refusal('already-voted', 409, { code: '7KQ-4MX' })
    if (!told) {
      told = true
      return refusal('not-found', 404)
    }
    return json(receipt('against'))
  })
  const ballot = made()
  await ballot.start()
  await ballot.cast('in_favour')
  await settle()
  expect(ballot.phase).toBe('recorded')
  expect(ballot.elsewhere).toBe(true)
  expect(ballot.choice).toBe('against')
})

test('a changed mind names the ballot that it replaces, under a key of its own', async () => {
  let turn = 0
  world.serve((asked) => (isCast(asked) ? json(receipt('against', ++turn)) : refusal('not-found', 404)))
  const ballot = made()
  await ballot.start()
  await ballot.cast('in_favour')
  await ballot.reconsider()
  await ballot.cast('against')
  expect(casts().map((asked) => (asked.body as { replaces: string | null }).replaces)).toEqual([null, 'receipt-1'])
  expect(key(casts()[0])).not.toBe(key(casts()[1]))
})

test('a member who thinks again and then leaves it keeps what is recorded', async () => {
  world.serve(() => json(receipt()))
  const ballot = made()
  await ballot.start()
  await ballot.reconsider()
  expect(ballot.phase).toBe('choosing')
  ballot.leaveAsIs()
  expect([ballot.phase, ballot.choice]).toEqual(['recorded', 'in_favour'])
})

test('a receipt over the live line is enough, and without one the same ballot goes over HTTPS', async () => {
  world.serve((asked) => (isCast(asked) ? json(receipt()) : refusal('not-found', 404)))
  const sent: { key: string }[] = []
  let answer: unknown = receipt()
  const live = (vote: { key: string }): Promise<never> => {
    sent.push(vote)
    return Promise.resolve(answer as never)
  }
  const around = { meetingId: 'm1', pollId: 'p1', memberId: 'anh', lineIsUp: () => true, live, now: () => new Date().toISOString() }
  const ballot = new Ballot(around)
  await ballot.start()
  await ballot.cast('in_favour')
  expect([ballot.phase, casts().length]).toEqual(['recorded', 0])
  answer = null
  const other = new Ballot(around)
  await other.cast('in_favour')
  expect(other.phase).toBe('recorded')
  expect(casts().map(key)).toEqual([sent[1]?.key])
})
