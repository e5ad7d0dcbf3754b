// What seldom happens to a ballot, and must not be told wrongly when it does.
import { expect, test, vi } from 'vitest'
import { browser, isCast, pass, receipt, settle } from '../../tests/ballots'
import { json, refusal } from '../../tests/province'

const one = browser()

test('a choice made while the line was still being asked about the one before goes out', async () => {
  one.world.serve((asked) => (asked.path.endsWith('/seat') ? 'silence' : isCast(asked) ? json(receipt('against')) : refusal('not-found', 404)))
  const ballot = one.made()
  await ballot.start()
  one.world.online = false
  await ballot.cast('in_favour')
  one.lineIsUp = false
  one.world.online = true
  ballot.hurry()
  await settle()
  await ballot.reconsider()
  expect(ballot.phase).toBe('choosing')
  one.lineIsUp = true
  void ballot.cast('against')
  await pass(11_000)
  expect(ballot.phase).toBe('recorded')
  expect(one.casts().map((asked) => asked.body)).toEqual([{ choice: 'against', replaces: null }])
})

test('a crowd at the door does not hide what was voted before', async () => {
  let answers = 0
  one.world.serve(() => (answers++ ? json(receipt()) : refusal('too-many', 429)))
  const ballot = one.made()
  await ballot.start()
  await pass(15_000)
  expect([ballot.phase, ballot.receipt?.code]).toEqual(['recorded', '7KQ-4MX'])
})

test('a ballot goes out where the device never answers', async () => {
  one.world.serve((asked) => (isCast(asked) ? json(receipt()) : refusal('not-found', 404)))
  vi.stubGlobal('indexedDB', { open: () => new IDBOpenDBRequest() })
  const ballot = one.made()
  void ballot.start()
  await pass(3000)
  void ballot.cast('in_favour')
  for (let time = 0; time < 4; time += 1) await pass(3000)
  expect([ballot.phase, one.casts().length]).toEqual(['recorded', 1])
})

test('another tab that signs out wipes the device, and a ballot is kept on it again', async () => {
  one.world.serve((asked) => (isCast(asked) ? 'lost' : refusal('not-found', 404)))
  await one.made().start()
  await new Promise<void>((gone, blocked) => {
    const wiping = indexedDB.deleteDatabase('ballots')
    wiping.onsuccess = () => gone()
    wiping.onblocked = () => blocked(new Error('blocked'))
  })
  await one.made().cast('in_favour')
  expect((await one.pendingOf('p1', 'anh'))?.choice).toBe('in_favour')
})

test('another device’s change is learnt when it is asked for', async () => {
  let told = receipt()
  one.world.serve(() => json(told))
  const ballot = one.made()
  await ballot.start()
  told = receipt('against', 2)
  await ballot.reread()
  expect([ballot.phase, ballot.choice, ballot.receipt?.receipt]).toEqual(['recorded', 'against', 'receipt-2'])
})

test('a house that came back without the ballot is not said to have it', async () => {
  one.world.serve(() => json(receipt()))
  const ballot = one.made()
  await ballot.start()
  one.world.serve(() => refusal('not-found', 404))
  await ballot.reread()
  expect(ballot.phase).toBe('recorded')
  one.world.serve(() => refusal('unavailable', 503))
  await ballot.reread({ anew: true })
  expect(ballot.phase).toBe('recorded')
  one.world.serve(() => refusal('not-found', 404))
  await pass(15_000)
  expect([ballot.phase, ballot.receipt, ballot.lost]).toEqual(['choosing', null, true])
})
