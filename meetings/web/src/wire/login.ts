// Signing in: the authorization code flow with PKCE (RFC 6749, 7636) as a public client, by the issuer's discovery document.
// The access token lives in memory, the refresh token in this tab's storage; both end with the tab.
import type { components } from './types'
import { within } from './within'

type Config = components['schemas']['WebConfig']
interface Issuer {
  issuer: string
  authorization_endpoint: string
  token_endpoint: string
  end_session_endpoint?: string
  authorization_response_iss_parameter_supported?: boolean
}
interface Tokens {
  access_token: string
  expires_in?: number
  refresh_token?: string
  id_token?: string
}
interface Pending {
  state: string
  nonce: string
  verifier: string
  back: string
}
interface IdClaims {
  iss: string
  aud: string | string[]
  exp: number
  nonce?: string
  sub: string
  name?: string
}

/** Signing in did not succeed; `reason` is the issuer's error code or what did not agree. */
export class SignInFailed extends Error {
  constructor(
    readonly reason: string,
    readonly status = 0,
  ) {
    super(reason)
  }
}

const SCOPE = 'openid profile email'
const HOUR = 3_600_000 // ms
const PATIENCE = 10_000 // ms
const EARLY = 30 // seconds before its end that an access token is renewed

let config: Promise<Config> | undefined
let issuer: Promise<Issuer> | undefined
let access: { token: string; until: number } | undefined
let leaving: Omit<Pending, 'back'> | undefined // one a page: of two requests that find nobody signed in, either may get there
let told = Date.now() // when the issuer was last told that the sign-in is used
let renewing: Promise<boolean> | undefined

async function json<T>(url: string, init?: RequestInit): Promise<T> {
  const answer = await within(PATIENCE, (signal) => fetch(url, { ...init, signal }))
  if (!answer.ok) {
    const told = (await answer.json().catch(() => ({}))) as { error?: string }
    throw new SignInFailed(told.error ?? `http-${answer.status}`, answer.status)
  }
  return answer.json() as Promise<T>
}

function getConfig(): Promise<Config> {
  config ??= json<Config>('/api/config').catch((error: unknown) => {
    config = undefined
    throw error
  })
  return config
}

function getIssuer(how?: RequestInit): Promise<Issuer> {
  issuer ??= getConfig()
    .then(async (known) => {
      const found = await json<Issuer>(`${known.issuer}/.well-known/openid-configuration`, how)
      if (found.issuer !== known.issuer) throw new SignInFailed('issuer')
      return found
    })
    .catch((error: unknown) => {
      issuer = undefined
      throw error
    })
  return issuer
}

/** Asked just now: whoever leaves for a page that does not open has lost this one. */
function reachIssuer(): Promise<Issuer> {
  issuer = undefined
  return getIssuer({ cache: 'no-store' })
}

function base64url(bytes: ArrayBuffer | Uint8Array): string {
  const signs = String.fromCharCode(...new Uint8Array(bytes))
  return btoa(signs).replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '')
}

function random(): string {
  return base64url(crypto.getRandomValues(new Uint8Array(32)))
}

/** Leaves for the issuer's page and comes back to where one was; `maxAge` in seconds asks for a fresh proof of identity. */
export async function signIn({ maxAge, back = here() }: { maxAge?: number; back?: string } = {}): Promise<never> {
  const [known, at] = await Promise.all([getConfig(), reachIssuer()])
  const pending = (leaving ??= { state: random(), nonce: random(), verifier: random() })
  sessionStorage.setItem('sign-in', JSON.stringify({ ...pending, back } satisfies Pending))
  const challenge = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(pending.verifier))
  const query = new URLSearchParams({
    response_type: 'code',
    client_id: known.client_id,
    redirect_uri: `${location.origin}/signed-in`,
    scope: SCOPE,
    state: pending.state,
    nonce: pending.nonce,
    code_challenge: base64url(challenge),
    code_challenge_method: 'S256',
    ui_locales: document.documentElement.lang,
    ...(maxAge === undefined ? {} : { max_age: String(maxAge) }),
  })
  location.assign(`${at.authorization_endpoint}?${query}`)
  return new Promise<never>(() => {})
}

function here(): string {
  return location.pathname + location.search + location.hash
}

/** Where the sign-in that is under way leads: also to try again where it came to nothing. */
export function comingBackTo(): string {
  return (JSON.parse(sessionStorage.getItem('sign-in') ?? '{}') as Partial<Pending>).back ?? '/'
}

/** Takes the issuer's answer from the address of `/signed-in`; where to go on, or `SignInFailed`. */
export async function finishSignIn(search: string): Promise<string> {
  const answer = new URLSearchParams(search)
  const kept = sessionStorage.getItem('sign-in')
  sessionStorage.removeItem('sign-in')
  if (!kept) throw new SignInFailed('state')
  const pending = JSON.parse(kept) as Pending
  const [known, at] = await Promise.all([getConfig(), getIssuer()])
  if (answer.get('state') !== pending.state) throw new SignInFailed('state')
  // RFC 9207: an answer of another issuer must not be taken for ours.
  const from = answer.get('iss')
  if (from === null ? at.authorization_response_iss_parameter_supported : from !== at.issuer) throw new SignInFailed('iss')
  const code = answer.get('code')
  if (!code) throw new SignInFailed(answer.get('error') ?? 'code')
  const tokens = await redeem({
    grant_type: 'authorization_code',
    code,
    redirect_uri: `${location.origin}/signed-in`,
    code_verifier: pending.verifier,
  })
  if (!tokens.id_token) throw new SignInFailed('id_token')
  checkIdToken(claimsOf(tokens.id_token), at.issuer, known.client_id, pending.nonce, Date.now() / 1000)
  keep(tokens)
  return pending.back
}

/** OpenID Connect Core 3.1.3.7; the signature is vouched for by TLS, as the token came straight from the token endpoint. */
function checkIdToken(claims: IdClaims, iss: string, clientId: string, nonce: string, now: number): void {
  const audiences = Array.isArray(claims.aud) ? claims.aud : [claims.aud]
  if (claims.iss !== iss) throw new SignInFailed('id_token iss')
  if (audiences.length !== 1 || audiences[0] !== clientId) throw new SignInFailed('id_token aud')
  if (!(claims.exp > now - 60)) throw new SignInFailed('id_token exp')
  if (claims.nonce !== nonce) throw new SignInFailed('id_token nonce')
}

function claimsOf(token: string): IdClaims {
  const body = token.split('.')[1] ?? ''
  const bytes = Uint8Array.from(atob(body.replaceAll('-', '+').replaceAll('_', '/')), (sign) => sign.charCodeAt(0))
  return JSON.parse(new TextDecoder().decode(bytes)) as IdClaims
}

async function redeem(fields: Record<string, string>): Promise<Tokens> {
  const [known, at] = await Promise.all([getConfig(), getIssuer()])
  const body = new URLSearchParams({ ...fields, client_id: known.client_id })
  return json<Tokens>(at.token_endpoint, { method: 'POST', body })
}

function keep(tokens: Tokens): void {
  access = { token: tokens.access_token, until: Date.now() + 1000 * ((tokens.expires_in ?? 300) - EARLY) }
  if (tokens.refresh_token) sessionStorage.setItem('refresh', tokens.refresh_token)
  if (tokens.id_token) sessionStorage.setItem('id', tokens.id_token)
}

/** A token that is good for a while, renewed where needed; null where only signing in helps. */
export async function accessToken(): Promise<string | null> {
  if (access && Date.now() < access.until) return access.token
  return (await renew()) ? (access?.token ?? null) : null
}

/** Whose line is open uses the sign-in, though they only look on: the issuer is told once an hour. A lost line ends nothing. */
export async function stay(): Promise<void> {
  if (Date.now() > told + HOUR) await renew().catch(() => false)
}

/** Trades the refresh token, once at a time; false where the sign-in is over. A lost line throws and ends nothing. */
export function renew(): Promise<boolean> {
  renewing ??= tradeRefreshToken().finally(() => (renewing = undefined))
  return renewing
}

async function tradeRefreshToken(): Promise<boolean> {
  const kept = sessionStorage.getItem('refresh')
  told = Date.now()
  access = undefined
  if (!kept) return false
  try {
    keep(await redeem({ grant_type: 'refresh_token', refresh_token: kept }))
    return true
  } catch (error) {
    // Only a word of the issuer on the token ends it: not a crowd, not a trouble of its own.
    if (!(error instanceof SignInFailed) || ![400, 401, 403].includes(error.status)) throw error
    sessionStorage.removeItem('refresh')
    return false
  }
}

/** The ID token's claims about who is signed in: for greeting, and to tell one person's things on the device from another's. */
export function whoIsSignedIn(): { sub: string; name?: string } | null {
  const kept = sessionStorage.getItem('id')
  return kept ? claimsOf(kept) : null
}

/** Ends the sign-in here and at the issuer (OpenID Connect RP-Initiated Logout 1.0), and wipes what the device kept. */
export async function signOut(): Promise<never> {
  const hint = sessionStorage.getItem('id')
  const [known, at] = await Promise.all([getConfig(), reachIssuer()]) // nobody is signed out by halves, with the issuer's door left open
  access = undefined
  sessionStorage.clear()
  for (const { name } of await indexedDB.databases().catch(() => [])) if (name) indexedDB.deleteDatabase(name)
  const query = new URLSearchParams({ client_id: known.client_id, post_logout_redirect_uri: `${location.origin}/signed-out` })
  if (hint) query.set('id_token_hint', hint)
  location.assign(at.end_session_endpoint ? `${at.end_session_endpoint}?${query}` : '/signed-out')
  return new Promise<never>(() => {})
}
