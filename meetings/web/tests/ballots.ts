// What the tests of a ballot share: the server's receipt, what is a ballot among what was asked, and the passing of time.
import { afterEach, beforeEach, vi } from 'vitest'
import type { Ballot } from '../src/vote/ballot.svelte'
import type { Pending } from '../src/vote/pending'
import { surroundings, type Asked } from './province'

type Around = ConstructorParameters<typeof Ballot>[0]

interface Browser {
  world: ReturnType<typeof surroundings>
  lineIsUp: boolean
  pendingOf: (poll: string, member: string) => Promise<Pending | undefined>
  made: (more?: Partial<Around>) => Ballot
  casts: () => Asked[]
}

/** For each test a fresh browser: nothing in memory, only what the device keeps. */
export function browser(): Browser {
  const one = {} as Browser
  beforeEach(async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] })
    vi.resetModules()
    const world = surroundings()
    const { Ballot } = await import('../src/vote/ballot.svelte')
    const { pendingOf } = await import('../src/vote/pending')
    const around = { meetingId: 'm1', pollId: 'p1', memberId: 'anh', lineIsUp: () => one.lineIsUp, now: () => new Date().toISOString() }
    const made = (more: Partial<Around> = {}): Ballot => new Ballot({ ...around, ...more })
    Object.assign(one, { world, lineIsUp: true, pendingOf, made, casts: () => world.asked.filter(isCast) })
  })
  afterEach(() => {
    vi.useRealTimers()
    vi.unstubAllGlobals()
  })
  return one
}

export const receipt = (choice = 'in_favour', turn = 1): Record<string, unknown> => ({
  poll_id: 'p1',
  member_id: 'anh',
  turn,
  choice,
  cast_at: '2026-12-09T03:42:07Z',
  receipt: `receipt-${turn}`,
  code: '7KQ-4MX',
})
export const isCast = (asked: Asked): boolean => asked.method === 'POST' && asked.path.endsWith('/polls/p1/ballots')
/** Lets what is under way come to rest without letting time pass. */
export const settle = async (): Promise<void> => {
  for (let turn = 0; turn < 60; turn += 1) await new Promise((done) => setImmediate(done))
}
export const pass = async (ms: number): Promise<void> => {
  await vi.advanceTimersByTimeAsync(ms)
  await settle()
}
