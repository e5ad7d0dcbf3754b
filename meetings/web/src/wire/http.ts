// Requests to the service, typed by its OpenAPI schema.
import { t } from '../kit/words.svelte'
import { accessToken, renew, signIn } from './login'
import type { components, paths } from './types'

export type Schemas = components['schemas']
type Method = 'get' | 'post' | 'put' | 'patch' | 'delete'
type PathWith<M extends Method> = { [P in keyof paths]: paths[P][M] extends object ? P : never }[keyof paths]
type JsonOf<R> = R extends { content: { 'application/json': infer J } } ? J : void
type Success<O> = O extends { responses: infer R } ? (R extends { 200: infer A } ? JsonOf<A> : R extends { 201: infer A } ? JsonOf<A> : void) : void
type PathOf<O> = O extends { parameters: { path: infer V } } ? { path: V } : { path?: never }
type BodyOf<O> = O extends { requestBody: { content: { 'application/json': infer B } } }
  ? { body: B }
  : O extends { requestBody: unknown }
    ? { body: FormData }
    : { body?: never }
type QueryOf<O> = O extends { parameters: { query?: infer Q } } ? { query?: Q } : { query?: never }
type Ask<O> = PathOf<O> & BodyOf<O> & QueryOf<O> & { headers?: Record<string, string>; signal?: AbortSignal }

/** A refusal of the server (RFC 9457): a stable code, facts, and words in the reader's language. */
export class Problem extends Error {
  constructor(
    readonly code: string,
    readonly status: number,
    readonly title: string,
    readonly facts: Record<string, unknown> = {},
  ) {
    super(title)
  }

  /** The server has decided: the same asked again gets the same. Else it was not itself, or had too much to do. */
  get final(): boolean {
    return this.status < 500 && this.status !== 429
  }
}

/** The line was down before or while the request was on its way: whether the server has it is not known. */
export class LineLost extends Error {}

/** Calls a route; throws `Problem` for a refusal, `LineLost` where no answer came. */
export async function call<M extends Method, P extends PathWith<M>>(
  method: M,
  path: P,
  ask: Ask<paths[P][M]>,
): Promise<Success<paths[P][M]>> {
  const body: unknown = ask.body
  const answer = await request(fillPath(path, ask.path, ask.query), {
    method: method.toUpperCase(),
    headers: { ...(body !== undefined && !(body instanceof FormData) ? { 'Content-Type': 'application/json' } : {}), ...ask.headers },
    body: body === undefined || body instanceof FormData ? body : JSON.stringify(body),
    signal: ask.signal,
  })
  const json = answer.status !== 204 && answer.headers.get('content-type')?.includes('json')
  return (json ? await overTheLine(answer.json()) : undefined) as Success<paths[P][M]>
}

function fillPath(path: string, values: Record<string, unknown> = {}, query: Record<string, unknown> = {}): string {
  const filled = path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(String(values[name])))
  const asked = Object.entries(query).filter(([, value]) => value !== undefined && value !== null)
  return asked.length ? `${filled}?${new URLSearchParams(asked.map(([name, value]) => [name, String(value)]))}` : filled
}

/** A request with the caller's token: for files and whatever is not JSON. Renews the token once, steps up where asked to. */
export async function request(path: string, init: RequestInit = {}): Promise<Response> {
  let answer = await send(path, init)
  let problem = answer.ok ? null : await readProblem(answer)
  if (problem?.status === 401 && problem.code === 'invalid-token' && (await renewed())) {
    answer = await send(path, init)
    problem = answer.ok ? null : await readProblem(answer)
  }
  if (problem?.code === 'fresh-sign-in-needed') return leave({ maxAge: Number(problem.facts.max_age ?? 300) })
  if (problem?.status === 401) return leave()
  if (problem) throw problem
  return answer
}

async function send(path: string, init: RequestInit): Promise<Response> {
  const token = await tokenOrSignIn()
  try {
    return await fetch(path, { ...init, headers: { ...init.headers, Authorization: `Bearer ${token}` } })
  } catch (error) {
    throw init.signal?.aborted ? error : new LineLost()
  }
}

/** What breaks off on its way is a lost line. So is an issuer that does not answer: nobody is signed out by that. */
export function overTheLine<T>(answer: Promise<T>): Promise<T> {
  return answer.catch(() => {
    throw new LineLost()
  })
}

const leave = (how?: { maxAge: number }): Promise<never> => overTheLine(signIn(how))
const renewed = (): Promise<boolean> => overTheLine(renew())
const tokenOrSignIn = async (): Promise<string> => (await overTheLine(accessToken())) ?? leave()

async function readProblem(answer: Response): Promise<Problem> {
  const told = (await answer.json().catch(() => ({}))) as Partial<Problem>
  return new Problem(told.code ?? 'internal', answer.status, told.title || t('problem.unknown'), told.facts ?? {})
}

/** The `Authorization` header for a library that sends its own requests. */
export async function authorization(): Promise<Record<string, string>> {
  return { Authorization: `Bearer ${await tokenOrSignIn()}` }
}
