// A browser's surroundings for tests in Node, and a service at the other end of `fetch` that answers as the test says.
import 'fake-indexeddb/auto'
import { IDBFactory } from 'fake-indexeddb'
import { vi } from 'vitest'

export interface Asked {
  method: string
  path: string
  headers: Record<string, string>
  body: unknown
}
export type Answer = Response | 'lost' | 'silence'
type Service = (asked: Asked) => Answer | Promise<Answer>

const ISSUER = 'https://sso.test'

export const json = (body: unknown, status = 200): Response =>
  new Response(JSON.stringify(body), { status, headers: { 'content-type': 'application/json' } })

export const refusal = (code: string, status: number, facts: Record<string, unknown> = {}): Response =>
  new Response(JSON.stringify({ code, status, title: code, facts }), { status, headers: { 'content-type': 'application/problem+json' } })

function storage(): Storage {
  const kept = new Map<string, string>()
  return {
    getItem: (key) => kept.get(key) ?? null,
    setItem: (key, value) => void kept.set(key, value),
    removeItem: (key) => void kept.delete(key),
    clear: () => kept.clear(),
    key: (at) => [...kept.keys()][at] ?? null,
    get length() {
      return kept.size
    },
  }
}

interface World {
  online: boolean
  left: string[]
  asked: Asked[]
  serve: (service: Service) => void
  /** Tells an event of the window or the document. */
  hear: (event: string) => void
}

/** Puts up the surroundings; `online` is the device's own word, `left` are the addresses that the app went away to. */
export function surroundings(): World {
  let service: Service = () => refusal('not-found', 404)
  const ears = new Map<string, Set<() => void>>()
  const listen = (name: string, ear: () => void): void => void ears.set(name, (ears.get(name) ?? new Set()).add(ear))
  const forget = (name: string, ear: () => void): void => void ears.get(name)?.delete(ear)
  const world: World = {
    online: true,
    left: [],
    asked: [],
    serve: (next) => (service = next),
    hear: (name) => ears.get(name)?.forEach((ear) => ear()),
  }
  const location = { origin: 'https://hop.test', pathname: '/m/m1', search: '', hash: '', assign: (to: string) => void world.left.push(to) }
  const session = storage()
  session.setItem('refresh', 'first')
  vi.stubGlobal('sessionStorage', session)
  vi.stubGlobal('location', location)
  vi.stubGlobal('document', { documentElement: { lang: 'vi' }, visibilityState: 'visible', addEventListener: listen, removeEventListener: forget, querySelector: () => null })
  vi.stubGlobal('addEventListener', listen)
  vi.stubGlobal('removeEventListener', forget)
  vi.stubGlobal('indexedDB', new IDBFactory())
  vi.stubGlobal('navigator', {
    get onLine() {
      return world.online
    },
  })
  vi.stubGlobal('fetch', async (url: string, init: RequestInit = {}) => {
    const signin = signInAnswer(String(url))
    if (signin) return signin
    const headers = Object.fromEntries(Object.entries((init.headers ?? {}) as Record<string, string>))
    const asked = { method: init.method ?? 'GET', path: String(url), headers, body: init.body ? (JSON.parse(String(init.body)) as unknown) : undefined }
    world.asked.push(asked)
    const answer = await service(asked)
    if (answer === 'lost') throw new TypeError('network')
    if (answer !== 'silence') return answer
    return new Promise((_, reject) => init.signal?.addEventListener('abort', () => reject(new DOMException('cut', 'AbortError'))))
  })
  return world
}

function signInAnswer(url: string): Response | null {
  if (url === '/api/config') return json({ issuer: ISSUER, client_id: 'web', audience: 'meetings', province: 'tỉnh' })
  if (url === `${ISSUER}/.well-known/openid-configuration`)
    return json({
      issuer: ISSUER,
      authorization_endpoint: `${ISSUER}/authorize`,
      token_endpoint: `${ISSUER}/token`,
      authorization_response_iss_parameter_supported: true,
    })
  if (url === `${ISSUER}/token`) return json({ access_token: 'access', expires_in: 300, refresh_token: 'next' })
  return null
}
