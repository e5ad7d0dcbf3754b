import { expect, test } from 'vitest'
import { browser, isCast, pass, receipt, settle } from '../../tests/ballots'
import { json, refusal, type Asked } from '../../tests/province'
import type { Pending } from './pending'

const one = browser()
const key = (asked: Asked | undefined): string | undefined => asked?.headers['Idempotency-Key']

test('a ballot is on the device before it leaves it, and gone from it once there is a receipt', async () => {
  let keptWhileSending: Pending | undefined
  one.world.serve(async (asked) => {
    if (!isCast(asked)) return refusal('not-found', 404)
    keptWhileSending = await one.pendingOf('p1', 'anh')
    return json(receipt())
  })
  const ballot = one.made()
  await ballot.start()
  await ballot.cast('in_favour')
  await settle()
  expect(keptWhileSending).toMatchObject({ choice: 'in_favour', key: key(one.casts()[0]), replaces: null, sent_at: expect.any(String) as string })
  expect(ballot.phase).toBe('recorded')
  expect(ballot.receipt?.code).toBe('7KQ-4MX')
  expect(await one.pendingOf('p1', 'anh')).toBeUndefined()
})

test('without a line nothing leaves, that is told, and the same ballot goes by itself later', async () => {
  one.world.serve((asked) => (isCast(asked) ? json(receipt()) : refusal('not-found', 404)))
  const ballot = one.made()
  await ballot.start()
  one.world.online = false
  await ballot.cast('in_favour')
  expect(ballot.phase).toBe('unsent')
  expect(one.casts()).toHaveLength(0)
  one.world.online = true
  await pass(15_000)
  expect(ballot.phase).toBe('recorded')
  expect(one.casts()).toHaveLength(1)
})

test('a broken line that the device does not know of is found before the ballot leaves', async () => {
  one.world.serve((asked) => (asked.path.endsWith('/seat') ? 'lost' : refusal('not-found', 404)))
  const ballot = one.made()
  await ballot.start()
  one.lineIsUp = false
  await ballot.cast('against')
  expect(ballot.phase).toBe('unsent')
  expect(one.casts()).toHaveLength(0)
})

test('a ballot that has not left can be taken back', async () => {
  one.world.serve((asked) => (isCast(asked) ? json(receipt()) : refusal('not-found', 404)))
  const ballot = one.made()
  await ballot.start()
  one.world.online = false
  await ballot.cast('in_favour')
  await ballot.reconsider()
  one.world.online = true
  await pass(60_000)
  expect(ballot.phase).toBe('choosing')
  expect(one.casts()).toHaveLength(0)
  expect(await one.pendingOf('p1', 'anh')).toBeUndefined()
})

test('three seconds without an answer are told, the choice rests, and the same key is sent until the server speaks', async () => {
  let silent = true
  one.world.serve((asked) => (!isCast(asked) ? refusal('not-found', 404) : silent ? 'silence' : json(receipt('abstaining'))))
  const ballot = one.made()
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
  expect(one.casts().length).toBeGreaterThan(1)
  expect(new Set(one.casts().map(key)).size).toBe(1)
})

test('an answer lost on its way is not taken for "not sent"', async () => {
  one.world.serve((asked) => (isCast(asked) ? 'lost' : refusal('not-found', 404)))
  const ballot = one.made()
  await ballot.start()
  await ballot.cast('in_favour')
  expect(ballot.phase).toBe('unanswered')
})

test.each([503, 500, 429])('an answer %i decides nothing: the ballot is sent again', async (status) => {
  let answers = 0
  one.world.serve((asked) => (!isCast(asked) ? refusal('not-found', 404) : answers++ ? json(receipt()) : refusal('unavailable', status)))
  const ballot = one.made()
  await ballot.start()
  await ballot.cast('in_favour')
  expect(ballot.phase).toBe('unanswered')
  await pass(15_000)
  expect(ballot.phase).toBe('recorded')
})

test('a browser killed after sending asks with the same key when it opens again', async () => {
  one.world.serve((asked) => (isCast(asked) ? 'lost' : refusal('not-found', 404)))
  const first = one.made()
  await first.start()
  await first.cast('in_favour')
  first.end()
  one.world.serve((asked) => (isCast(asked) ? json(receipt()) : refusal('not-found', 404)))
  const again = one.made()
  await again.start()
  await settle()
  expect(again.phase).toBe('recorded')
  expect(new Set(one.casts().map(key)).size).toBe(1)
})

test('a browser killed before sending sends what was chosen when it opens again', async () => {
  one.world.serve((asked) => (isCast(asked) ? json(receipt('against')) : refusal('not-found', 404)))
  one.world.online = false
  const first = one.made()
  await first.start()
  await first.cast('against')
  first.end()
  one.world.online = true
  const again = one.made()
  await again.start()
  await settle()
  expect(again.phase).toBe('recorded')
  expect(one.casts()[0]?.body).toEqual({ choice: 'against', replaces: null })
})

test('after the close the server says that the ballot does not count, and it is not sent again', async () => {
  one.world.serve((asked) => (isCast(asked) ? refusal('poll-not-open', 409) : refusal('not-found', 404)))
  const ballot = one.made()
  await ballot.start()
  await ballot.cast('in_favour')
  await pass(60_000)
  expect(ballot.phase).toBe('refused')
  expect(ballot.refusal?.code).toBe('poll-not-open')
  expect(one.casts()).toHaveLength(1)
  expect(await one.pendingOf('p1', 'anh')).toBeUndefined()
})

test('where another device was first, its ballot is shown and this is said', async () => {
  let told = false
  one.world.serve((asked) => {
    if (isCast(asked)) return refusal('already-voted', 409, { code: '7KQ-4MX' })
    if (!told) {
      told = true
      return refusal('not-found', 404)
    }
    return json(receipt('against'))
  })
  const ballot = one.made()
  await ballot.start()
  await ballot.cast('in_favour')
  await settle()
  expect(ballot.phase).toBe('recorded')
  expect(ballot.elsewhere).toBe(true)
  expect(ballot.choice).toBe('against')
})

test('a changed mind names the ballot that it replaces, under a key of its own', async () => {
  let turn = 0
  one.world.serve((asked) => (isCast(asked) ? json(receipt('against', ++turn)) : refusal('not-found', 404)))
  const ballot = one.made()
  await ballot.start()
  await ballot.cast('in_favour')
  await ballot.reconsider()
  await ballot.cast('against')
  expect(one.casts().map((asked) => (asked.body as { replaces: string | null }).replaces)).toEqual([null, 'receipt-1'])
  expect(key(one.casts()[0])).not.toBe(key(one.casts()[1]))
})

test('a member who thinks again and then leaves it keeps what is recorded', async () => {
  one.world.serve(() => json(receipt()))
  const ballot = one.made()
  await ballot.start()
  await ballot.reconsider()
  expect(ballot.phase).toBe('choosing')
  ballot.leaveAsIs()
  expect([ballot.phase, ballot.choice]).toEqual(['recorded', 'in_favour'])
})

test('a receipt over the live line is enough, and without one the same ballot goes over HTTPS', async () => {
  one.world.serve((asked) => (isCast(asked) ? json(receipt()) : refusal('not-found', 404)))
  const sent: { key: string }[] = []
  let answer: unknown = receipt()
  const live = (vote: { key: string }): Promise<never> => {
    sent.push(vote)
    return Promise.resolve(answer as never)
  }
  const ballot = one.made({ live })
  await ballot.start()
  await ballot.cast('in_favour')
  expect([ballot.phase, one.casts().length]).toEqual(['recorded', 0])
  answer = null
  const other = one.made({ live })
  await other.cast('in_favour')
  expect(other.phase).toBe('recorded')
  expect(one.casts().map(key)).toEqual([sent[1]?.key])
})
