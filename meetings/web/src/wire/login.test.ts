import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { surroundings } from '../../tests/province'

type Login = typeof import('./login')
const ISSUER = 'https://sso.test'
let world: ReturnType<typeof surroundings>
let login: Login

beforeEach(async () => {
  world = surroundings()
  vi.resetModules()
  login = await import('./login')
})
afterEach(() => vi.unstubAllGlobals())

/** Goes to the issuer's page; the parameters that it was asked with. */
async function leave(how?: Parameters<Login['signIn']>[0]): Promise<URLSearchParams> {
  void login.signIn(how)
  await vi.waitFor(() => expect(world.left).toHaveLength(1))
  return new URL(world.left[0]!).searchParams
}
const answer = (asked: URLSearchParams, over: Record<string, string | null> = {}): string => {
  const fields = { code: 'c', state: asked.get('state')!, iss: ISSUER, ...over }
  return '?' + new URLSearchParams(Object.entries(fields).filter(([, value]) => value !== null) as [string, string][])
}
const base64url = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64url')
const token = (claims: object): string => `x.${base64url(new TextEncoder().encode(JSON.stringify(claims)))}.y`

/** The issuer's token endpoint answers with an ID token of these claims. */
function issue(claims: object): { sent: URLSearchParams[] } {
  const plain = globalThis.fetch
  const sent: URLSearchParams[] = []
  vi.stubGlobal('fetch', async (url: string, init?: RequestInit) => {
    if (url !== `${ISSUER}/token`) return plain(url, init)
    sent.push(init?.body as URLSearchParams)
    return Response.json({ access_token: 'access', expires_in: 300, refresh_token: 'r', id_token: token(claims) })
  })
  return { sent }
}
const good = (asked: URLSearchParams): object => ({ iss: ISSUER, aud: 'web', exp: Date.now() / 1000 + 300, nonce: asked.get('nonce'), name: 'Phạm Thị Ngọc Ánh' })

test('signing in asks for a code with a challenge, a state and a nonce, and comes back to where one was', async () => {
  const asked = await leave({ back: '/check-in/m1#door' })
  expect(Object.fromEntries(asked)).toMatchObject({ response_type: 'code', client_id: 'web', code_challenge_method: 'S256', scope: 'openid profile email', redirect_uri: 'https://hop.test/signed-in' })
  const { sent } = issue(good(asked))
  expect(await login.finishSignIn(answer(asked))).toBe('/check-in/m1#door')
  const verifier = sent[0]!.get('code_verifier')!
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(verifier)))
  expect(base64url(digest)).toBe(asked.get('code_challenge'))
  expect(await login.accessToken()).toBe('access')
  expect(login.whoIsSignedIn()?.name).toBe('Phạm Thị Ngọc Ánh')
})

test('a fresh proof of identity is asked for by its age', async () => {
  expect((await leave({ maxAge: 300 })).get('max_age')).toBe('300')
})

test.each([
  ['another state', { state: 'forged' }, 'state'],
  ['another issuer (RFC 9207)', { iss: 'https://evil.test' }, 'iss'],
  ['no issuer, though it promises to name itself', { iss: null }, 'iss'],
  ['a refusal of the issuer', { code: null, error: 'access_denied' }, 'access_denied'],
])('an answer with %s is not taken', async (_, over, reason) => {
  const asked = await leave()
  issue(good(asked))
  await expect(login.finishSignIn(answer(asked, over))).rejects.toMatchObject({ reason })
})

test.each([
  ['iss', { iss: 'https://evil.test' }],
  ['aud', { aud: 'another' }],
  ['aud', { aud: ['web', 'another'] }],
  ['exp', { exp: Date.now() / 1000 - 3600 }],
  ['nonce', { nonce: 'another' }],
])('an ID token with a wrong %s is not taken', async (claim, wrong) => {
  const asked = await leave()
  issue({ ...good(asked), ...wrong })
  await expect(login.finishSignIn(answer(asked))).rejects.toMatchObject({ reason: `id_token ${claim}` })
  expect(sessionStorage.getItem('id')).toBeNull()
})

test('a sign-in that came to nothing is tried again with the same aim', async () => {
  expect(login.comingBackTo()).toBe('/')
  await leave({ back: '/m/m1?paper=p' })
  expect(login.comingBackTo()).toBe('/m/m1?paper=p')
})

test('an answer is taken once', async () => {
  const asked = await leave()
  issue(good(asked))
  await login.finishSignIn(answer(asked))
  await expect(login.finishSignIn(answer(asked))).rejects.toMatchObject({ reason: 'state' })
})

test('many requests at once trade the refresh token once', async () => {
  const { sent } = issue(good(new URLSearchParams()))
  expect(await Promise.all([login.accessToken(), login.accessToken(), login.accessToken()])).toEqual(['access', 'access', 'access'])
  expect(sent).toHaveLength(1)
})

test('an issuer that is away ends no sign-in; one that refuses does', async () => {
  const plain = globalThis.fetch
  const token = (answer: () => Promise<Response>): void =>
    void vi.stubGlobal('fetch', (url: string, init?: RequestInit) => (url === `${ISSUER}/token` ? answer() : plain(url, init)))
  token(() => Promise.reject(new TypeError('network')))
  await expect(login.accessToken()).rejects.toThrow()
  for (const told of [new Response('', { status: 503 }), new Response('', { status: 429 }), Response.json({ error: 'server_error' }, { status: 500 })]) {
    token(() => Promise.resolve(told))
    await expect(login.accessToken()).rejects.toThrow()
  }
  expect(sessionStorage.getItem('refresh')).toBe('first')
  token(() => Promise.resolve(Response.json({ error: 'invalid_grant' }, { status: 400 })))
  expect(await login.accessToken()).toBeNull()
  expect(sessionStorage.getItem('refresh')).toBeNull()
})

test('who only looks on keeps the sign-in in use once an hour, and no oftener where the issuer is away', async () => {
  const { sent } = issue(good(new URLSearchParams()))
  const at = Date.now()
  vi.useFakeTimers({ now: at, toFake: ['Date'] })
  await login.stay()
  expect(sent).toHaveLength(0)
  vi.setSystemTime(at + 3_700_000)
  await Promise.all([login.stay(), login.stay()])
  expect(sent).toHaveLength(1)
  const asked = vi.fn(() => Promise.reject(new TypeError('network')))
  vi.stubGlobal('fetch', asked)
  vi.setSystemTime(at + 7_400_000)
  await login.stay()
  await login.stay()
  expect(asked).toHaveBeenCalledTimes(1)
  vi.useRealTimers()
})

test('signing out wipes nothing while the issuer cannot be reached, for its door would stay open', async () => {
  await login.accessToken()
  const plain = globalThis.fetch
  vi.stubGlobal('fetch', () => Promise.reject(new TypeError('network')))
  await expect(login.signOut()).rejects.toThrow()
  expect(sessionStorage.getItem('refresh')).toBe('next')
  vi.stubGlobal('fetch', plain)
  void login.signOut()
  await vi.waitFor(() => expect(world.left).toHaveLength(1))
  expect(sessionStorage.length).toBe(0)
})

test('an issuer that says nothing is given up for now', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  const silence = (_: string, init?: RequestInit): Promise<never> => new Promise((_, cut) => init?.signal?.addEventListener('abort', () => cut(new DOMException('cut', 'AbortError'))))
  vi.stubGlobal('fetch', silence)
  const token = expect(login.accessToken()).rejects.toThrow()
  await vi.advanceTimersByTimeAsync(30_000)
  await token
  vi.useRealTimers()
})

test('two requests that both find nobody signed in leave, and the answer to the first is taken', async () => {
  void login.signIn({ back: '/m/m1' })
  void login.signIn({ back: '/m/m1' })
  await vi.waitFor(() => expect(world.left).toHaveLength(2))
  const asked = new URL(world.left[0]!).searchParams
  issue(good(asked))
  expect(await login.finishSignIn(answer(asked))).toBe('/m/m1')
})
