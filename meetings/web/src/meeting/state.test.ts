import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { json, refusal, surroundings } from '../../tests/province'
import type { Frame } from '../wire/socket'
import type { MeetingStore as StoreType } from './state.svelte'

class Socket {
  static OPEN = 1
  static all: Socket[] = []
  readyState = 1
  sent: { epoch: string | null; since: number | null }[] = []
  onopen = (): void => {}
  onmessage = (_: { data: string }): void => {}
  onclose = (_: { code: number }): void => {}
  constructor(readonly url: string) {
    Socket.all.push(this)
  }
  send(text: string): void {
    this.sent.push(JSON.parse(text) as { epoch: string | null; since: number | null })
  }
  close(): void {
    this.onclose({ code: 1000 })
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
  first().onclose({ code: 1006 })
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
  first().onclose({ code: 1006 })
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
  first().onclose({ code: 4401 })
  await vi.waitFor(() => expect(world.left).toHaveLength(1))
})
