import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { json, refusal, surroundings } from '../../tests/province'

let world: ReturnType<typeof surroundings>
let http: typeof import('./http')

beforeEach(async () => {
  world = surroundings()
  vi.resetModules()
  http = await import('./http')
})
afterEach(() => vi.unstubAllGlobals())

const seat = (): Promise<unknown> => http.call('get', '/api/meetings/{meeting_id}/seat', { path: { meeting_id: 'a/b' } })

test('a request carries the token, and its path is filled and escaped', async () => {
  world.serve(() => json({ member_id: 'anh' }))
  expect(await seat()).toEqual({ member_id: 'anh' })
  expect(world.asked[0]).toMatchObject({ method: 'GET', path: '/api/meetings/a%2Fb/seat', headers: { Authorization: 'Bearer access' } })
})

test('a refusal is thrown with its code and facts', async () => {
  world.serve(() => refusal('no-quorum', 409, { needed: 40 }))
  await expect(seat()).rejects.toMatchObject({ code: 'no-quorum', status: 409, facts: { needed: 40 } })
  await expect(seat()).rejects.toBeInstanceOf(http.Problem)
})

test('no answer is a lost line, not a refusal', async () => {
  world.serve(() => 'lost')
  await expect(seat()).rejects.toBeInstanceOf(http.LineLost)
})

test('an answer that breaks off is a lost line, too', async () => {
  world.serve(() => new Response('{"member_id": "a', { headers: { 'content-type': 'application/json' } }))
  await expect(seat()).rejects.toBeInstanceOf(http.LineLost)
})

test('a page of a gateway is told in words of ours', async () => {
  world.serve(() => new Response('<h1>Bad gateway</h1>', { status: 502 }))
  await expect(seat()).rejects.toMatchObject({ status: 502, title: 'Chưa làm được. Thử lại sau giây lát.' })
})

test('a token that has run out is renewed, and the request made once more', async () => {
  let first = true
  world.serve(() => {
    if (!first) return json({ member_id: 'anh' })
    first = false
    return refusal('invalid-token', 401)
  })
  expect(await seat()).toEqual({ member_id: 'anh' })
  expect(world.asked).toHaveLength(2)
  expect(world.left).toEqual([])
})

test('a deed that needs a fresh sign-in leads to the issuer with the age that is asked', async () => {
  world.serve(() => refusal('fresh-sign-in-needed', 401, { max_age: 300 }))
  void seat()
  await vi.waitFor(() => expect(world.left).toHaveLength(1))
  expect(new URL(world.left[0]!).searchParams.get('max_age')).toBe('300')
})

test('a sign-in that was ended elsewhere leads to the issuer', async () => {
  world.serve(() => refusal('session-ended', 401))
  void seat()
  await vi.waitFor(() => expect(world.left).toHaveLength(1))
  expect(new URL(world.left[0]!).searchParams.get('max_age')).toBeNull()
})
