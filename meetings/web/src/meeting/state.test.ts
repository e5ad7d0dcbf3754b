import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { json, refusal, surroundings } from '../../tests/province'
import type { Frame } from '../wire/socket'
import type { MeetingStore as StoreType } from './state.svelte'

class Socket {
  static OPEN = 1
  static all: Socket[] = []
  readyState = 1
  sent: Record<string, unknown>[] = []
  onopen = (): void => {}
  onmessage = (_: { data: string }): void => {}
  onclose = (_: { code: number; reason: string }): void => {}
  constructor(readonly url: string) {
    Socket.all.push(this)
  }
  send(text: string): void {
    this.sent.push(JSON.parse(text) as Record<string, unknown>)
  }
  close(): void {
    this.onclose({ code: 1000, reason: '' })
  }
  say(frame: unknown): void {
    this.onmessage({ data: JSON.stringify(frame) })
  }
}

let store: StoreType
let world: ReturnType<typeof surroundings>
const first = (): Socket => Socket.all[0]!
const settle = async (): Promise<void> => {
  for (let turn = 0; turn < 40; turn += 1) await new Promise((done) => setImmediate(done))
}
const snapshot = (seq: number): Frame => ({ type: 'snapshot', snapshot: { epoch: 'e1', seq, state: { quorum: { present: 0 }, attendance: {} } } }) as unknown as Frame
const event = (seq: number, present: number): unknown => ({ seq, at: '', event: { type: 'member.checked_in', quorum: { present }, attendance: { member_id: `m${seq}` } } })
const events = (after: number, up_to: number, list: unknown[]): unknown => ({ type: 'events', after, up_to, events: list })

beforeEach(async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] })
  world = surroundings()
  Socket.all = []
  vi.stubGlobal('WebSocket', Socket)
  world.serve((asked) => (asked.path.endsWith('/ticket') ? json({ ticket: 't' }, 201) : refusal('unavailable', 503)))
  vi.resetModules()
  const { MeetingStore } = await import('./state.svelte')
  store = new MeetingStore('m1')
  await settle()
  first().onopen()
})
afterEach(() => {
  store.end()
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

test('a screen starts with a ticket and says that it knows nothing', () => {
  expect(first().url).toBe('wss://hop.test/api/live?ticket=t')
  expect(first().sent).toEqual([{ type: 'hello', epoch: null, since: null }])
})

test('events are applied in order and once, also where frames overlap', () => {
  first().say(snapshot(5))
  first().say(events(5, 7, [event(6, 1), event(7, 2)]))
  first().say(events(6, 8, [event(7, 99), event(8, 3)]))
  expect(store.state?.quorum.present).toBe(3)
  expect(Object.keys(store.state?.attendance ?? {})).toEqual(['m6', 'm7', 'm8'])
})

test('a gap is not applied but asked for again, from where one stands', () => {
  first().say(snapshot(5))
  first().say(events(7, 9, [event(9, 9)]))
  expect(store.state?.quorum.present).toBe(0)
  expect(first().sent.at(-1)).toEqual({ type: 'hello', epoch: 'e1', since: 5 })
})

test('numbers that pass without an event for this reader count as known', () => {
  first().say(snapshot(5))
  first().say(events(5, 8, []))
  first().say({ type: 'heartbeat', head: 8 })
  expect(first().sent).toHaveLength(1)
})

test('a heartbeat beyond what is known asks for the rest', () => {
  first().say(snapshot(5))
  first().say({ type: 'heartbeat', head: 6 })
  expect(first().sent.at(-1)).toEqual({ type: 'hello', epoch: 'e1', since: 5 })
})

test('a broken line is told after five seconds, and the return begins where one stood', async () => {
  first().say(snapshot(5))
  expect(store.line).toBe('up')
  world.serve(() => 'lost')
  first().onclose({ code: 1006, reason: '' })
  expect([store.line, store.lostAt]).toEqual(['returning', null])
  await vi.advanceTimersByTimeAsync(5000)
  expect(store.line).toBe('lost')
  expect(store.lostAt).not.toBeNull()
  world.serve((asked) => (asked.path.endsWith('/ticket') ? json({ ticket: 'u' }, 201) : refusal('unavailable', 503)))
  for (let turn = 0; turn < 20 && Socket.all.length < 2; turn += 1) {
    await vi.advanceTimersByTimeAsync(2000)
    await settle()
  }
  const second = Socket.all[1]!
  second.onopen()
  expect(second.sent).toEqual([{ type: 'hello', epoch: 'e1', since: 5 }])
  second.say(events(5, 6, [event(6, 1)]))
  expect([store.line, store.lostAt, store.state?.quorum.present]).toEqual(['up', null, 1])
})

test('who may not see the meeting any more sees nothing of what was known', async () => {
  first().say(snapshot(5))
  world.serve(() => refusal('not-found', 404))
  first().onclose({ code: 1006, reason: '' })
  await vi.advanceTimersByTimeAsync(2000)
  await vi.waitFor(() => expect(store.refusal?.code).toBe('not-found'))
  expect(store.state).toBeNull()
})

test('a line that dies without a word is cut and made anew', async () => {
  first().say(snapshot(5))
  await vi.advanceTimersByTimeAsync(39_000)
  expect(Socket.all).toHaveLength(1)
  await vi.advanceTimersByTimeAsync(20_000)
  await settle()
  expect(Socket.all.length).toBeGreaterThan(1)
})

test('a sign-in that was ended goes to the issuer instead of knocking on', async () => {
  first().onclose({ code: 4401, reason: '' })
  await vi.waitFor(() => expect(world.left).toHaveLength(1))
})

const ANH = `x.${btoa(JSON.stringify({ sub: 'anh' }))}.x`
const VOTE = { poll_id: 'p1', choice: 'in_favour', key: 'k'.repeat(32), replaces: null } as const

test('a ballot goes over the open line, and its receipt comes back on it', async () => {
  const told = store.cast(VOTE)
  expect(first().sent.at(-1)).toEqual({ type: 'vote.cast', ...VOTE })
  first().say({ type: 'vote.receipt', key: VOTE.key, receipt: { code: '7KQ-4MX' } })
  expect(await told).toEqual({ code: '7KQ-4MX' })
})

test.each([
  ['it is refused', () => first().say({ type: 'vote.refused', key: VOTE.key, status: 409, code: 'poll-not-open', facts: {} })],
  ['the line ends', () => first().onclose({ code: 1006, reason: '' })],
  ['three seconds pass', () => void vi.advanceTimersByTime(3000)],
])('another way has to tell what became of a ballot when %s', async (_, happen) => {
  const told = store.cast(VOTE)
  happen()
  expect(await told).toBeNull()
})

test('without an open line nothing is sent over it', async () => {
  first().readyState = 3
  expect(await store.cast(VOTE)).toBeNull()
  expect(first().sent).toHaveLength(1)
})

test('a crowd that is sent away comes back when it is told to', async () => {
  first().onclose({ code: 1013, reason: 'retry_after_ms=7000' })
  await vi.advanceTimersByTimeAsync(6900)
  await settle()
  expect(Socket.all).toHaveLength(1)
  await vi.advanceTimersByTimeAsync(200)
  await settle()
  expect(Socket.all).toHaveLength(2)
})

test('how the rooms are heard stands beside the state, and each frame tells how fresh the screen is', async () => {
  first().say(snapshot(5))
  await vi.advanceTimersByTimeAsync(30_000)
  expect(Date.now() - store.heardAt).toBe(30_000)
  first().say({ type: 'bridges', at: '', bridges: { b1: [3, 420, ''] } })
  expect(store.bridges?.bridges).toEqual({ b1: [3, 420, ''] })
  expect(Date.now() - store.heardAt).toBe(0)
})

test('a sign-in that was ended while the issuer is away is a lost line, and is tried again', async () => {
  const issuer = globalThis.fetch
  vi.stubGlobal('fetch', (url: string, init?: RequestInit) => (url.startsWith('/api/meetings') ? issuer(url, init) : Promise.reject(new TypeError('network'))))
  first().say(snapshot(5))
  first().onclose({ code: 4401, reason: '' })
  await vi.waitFor(() => expect(store.line).toBe('returning'))
  expect(world.left).toEqual([])
  world.serve(() => refusal('session-ended', 401))
  vi.stubGlobal('fetch', issuer)
  await vi.advanceTimersByTimeAsync(2000)
  await vi.waitFor(() => expect(world.left).toHaveLength(1))
})

test('who is told twice to hurry opens one line', async () => {
  let answer: (told: Response) => void = () => {}
  const held = (): Promise<Response> => new Promise((done) => (answer = done))
  world.serve((asked) => (asked.path.endsWith('/ticket') ? held() : refusal('unavailable', 503)))
  first().onclose({ code: 1006, reason: '' })
  await vi.advanceTimersByTimeAsync(1000)
  await settle()
  const early = answer
  world.hear('online')
  await settle()
  answer(json({ ticket: 'u' }, 201))
  early(json({ ticket: 'v' }, 201))
  await settle()
  expect(Socket.all.map((socket) => socket.url.at(-1))).toEqual(['t', 'u'])
})

test('a ticket that does not come is asked for anew', async () => {
  world.serve((asked) => (asked.path.endsWith('/ticket') ? 'silence' : refusal('unavailable', 503)))
  first().onclose({ code: 1006, reason: '' })
  await vi.advanceTimersByTimeAsync(1000)
  await settle()
  const tickets = (): number => world.asked.filter((asked) => asked.path.endsWith('/ticket')).length
  expect(tickets()).toBe(2)
  await vi.advanceTimersByTimeAsync(25_000)
  await settle()
  expect(tickets()).toBeGreaterThan(2)
})

test('a screen that began from what was kept learns its seat and the clock once the line is back', async () => {
  const seat = { member_id: 'anh', role: 'delegate', votes: true, is_chair: false, is_secretary: false }
  sessionStorage.setItem('id', ANH)
  store.hear(snapshot(5))
  store.seat = seat as never
  world.hear('pagehide')
  store.end()
  const { MeetingStore } = await import('./state.svelte')
  store = new MeetingStore('m1') // as after a reload, with the line down
  await settle()
  expect([store.seat, store.skew]).toEqual([seat, 0])
  const ahead = new Date(Date.now() + 60_000).toISOString()
  world.serve(() => json({ ...seat, is_chair: true, now: ahead }))
  Socket.all.at(-1)!.say({ type: 'heartbeat', head: 5 })
  await settle()
  expect([store.seat?.is_chair, Math.round(store.skew / 1000)]).toEqual([true, 60])
})

test('nothing of a meeting is kept for one who has signed out', async () => {
  sessionStorage.setItem('id', ANH)
  first().say(snapshot(5))
  store.seat = { member_id: 'anh' } as never
  void (await import('../wire/login')).signOut()
  await vi.waitFor(() => expect(world.left).toHaveLength(1))
  world.hear('pagehide')
  expect(sessionStorage.length).toBe(0)
})
