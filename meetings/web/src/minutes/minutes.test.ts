import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { json, refusal, surroundings, type Answer, type Asked } from '../../tests/province'
import type { Draft, MinutesDesk } from './minutes.svelte'

let world: ReturnType<typeof surroundings>
let desk: MinutesDesk
/** What the service has. */
let stored: Draft

const section = (key: Draft['sections'][number]['key'], text: string): Draft['sections'][number] => ({ key, title: key, paragraphs: [], votes: [], text })
const textOf = (key: string): string | undefined => stored.sections.find((one) => one.key === key)?.text

function serve({ method, path, body }: Asked): Answer {
  if (path.endsWith('/minutes') && method === 'GET') return json(stored)
  if (path.endsWith('/minutes.pdf')) return new Response(`pages of ${stored.revision}`)
  if (method !== 'PUT') return refusal('fresh-sign-in-needed', 401, { max_age: 300 })
  const { revision, texts } = body as { revision: number; texts: Record<string, string> }
  if (revision !== stored.revision) return refusal('minutes-changed', 409, { revision: stored.revision })
  someoneSaves(texts)
  return new Response(null, { status: 204 })
}

function someoneSaves(texts: Record<string, string>): void {
  const sections = stored.sections.map((one) => ({ ...one, text: texts[one.key] ?? one.text }))
  stored = { ...stored, revision: stored.revision + 1, sections }
}

beforeEach(async () => {
  world = surroundings()
  world.serve(serve)
  vi.resetModules()
  stored = {
    stage: 'draft',
    revision: 1,
    sections: [section('opening', ''), section('content', 'có sẵn')],
    signatures: [],
    sha256: 'a1'.repeat(32),
    verify_url: 'https://hop.test/verify',
    events: 7,
    returned: '',
  }
  const { MinutesDesk } = await import('./minutes.svelte')
  desk = new MinutesDesk('m1')
  await desk.refresh()
})
afterEach(() => vi.unstubAllGlobals())

test('what is typed is saved with the revision it was typed upon', async () => {
  expect(desk.dirty).toBe(false)
  desk.texts.opening = 'Chào cờ.'
  expect(desk.dirty).toBe(true)
  expect(await desk.save()).toBe(true)
  expect([textOf('opening'), textOf('content'), desk.dirty, desk.draft?.revision]).toEqual(['Chào cờ.', 'có sẵn', false, 2])
})

test('where somebody was faster both versions are shown, and nothing is overwritten until one has seen them', async () => {
  desk.texts.content = 'của máy này'
  someoneSaves({ content: 'của người khác' })
  expect(await desk.save()).toBe(false)
  expect(desk.texts.content).toBe('của máy này')
  expect(desk.theirs?.sections[1]?.text).toBe('của người khác')
  expect(textOf('content')).toBe('của người khác')
  expect(await desk.save()).toBe(true)
  expect([textOf('content'), desk.theirs]).toEqual(['của máy này', null])
})

test('what somebody else saves comes in by itself where nothing is being typed', async () => {
  someoneSaves({ content: 'của người khác' })
  await desk.refresh()
  expect([desk.texts.content, desk.theirs, desk.draft?.revision]).toEqual(['của người khác', null, 2])
})

test('a change that arrives while the pages are fetched is fetched too', async () => {
  const first = desk.refresh()
  someoneSaves({ content: 'mới' })
  await Promise.all([first, desk.refresh()])
  expect(new TextDecoder().decode(desk.bytes!)).toBe('pages of 2')
})

test('the code of the document is worked out from the pages shown', () => {
  expect(desk.shownHash).toMatch(/^[0-9a-f]{64}$/)
})

test('signing waits until all pages were seen', () => {
  expect(desk.allSeen).toBe(false)
  desk.seen = { pages: [1, 3], of: 3 }
  expect([desk.allSeen, desk.unseen]).toEqual([false, [2]])
  desk.seen = { pages: [1, 3, 2], of: 3 }
  expect(desk.allSeen).toBe(true)
})

test('a signature that needs a fresh sign-in is taken up again afterwards, for the same bytes only', async () => {
  void desk.sign()
  await vi.waitFor(() => expect(world.left).toHaveLength(1))
  const { MinutesDesk } = await import('./minutes.svelte')
  const back = new MinutesDesk('m1')
  await back.load()
  expect(back.resumed).toBe(true)
  const later = new MinutesDesk('m1')
  await later.load()
  expect(later.resumed).toBe(false) // it is asked once
})

test('where the bytes changed meanwhile the signature is not taken up', async () => {
  void desk.sign()
  await vi.waitFor(() => expect(world.left).toHaveLength(1))
  stored = { ...stored, sha256: 'b2'.repeat(32) }
  const { MinutesDesk } = await import('./minutes.svelte')
  const back = new MinutesDesk('m1')
  await back.load()
  expect(back.resumed).toBe(false)
})

test('what was typed outlasts another screen, a reload and a new sign-in', async () => {
  desk.texts.opening = 'Chào cờ.'
  desk.remember()
  const { MinutesDesk } = await import('./minutes.svelte')
  const back = new MinutesDesk('m1')
  await back.refresh()
  expect([back.texts.opening, back.texts.content, back.dirty, back.theirs]).toEqual(['Chào cờ.', 'có sẵn', true, null])
  await back.save()
  back.remember()
  const later = new MinutesDesk('m1')
  await later.refresh()
  expect([later.dirty, later.texts.opening]).toEqual([false, 'Chào cờ.'])
})

test('what was typed comes back beside what somebody else saved meanwhile, and to nobody else', async () => {
  desk.texts.content = 'của máy này'
  desk.remember()
  someoneSaves({ content: 'của người khác' })
  const { MinutesDesk } = await import('./minutes.svelte')
  const back = new MinutesDesk('m1')
  await back.refresh()
  expect([back.texts.content, back.theirs?.sections[1]?.text]).toEqual(['của máy này', 'của người khác'])
  sessionStorage.setItem('id', `x.${btoa(JSON.stringify({ sub: 'binh' }))}.x`)
  const other = new MinutesDesk('m1')
  await other.refresh()
  expect(other.texts.content).toBe('của người khác')
})

test('pages that did not come are to be fetched again; a refusal is an answer', async () => {
  world.serve(() => 'lost')
  await expect(desk.refresh()).rejects.toThrow()
  world.serve(() => refusal('forbidden', 403))
  await desk.refresh()
  expect(desk.loading.refusal?.code).toBe('forbidden')
})

test('a file that does not come is told apart from what the desk does', async () => {
  world.serve(() => 'lost')
  expect(await desk.file('minutes.pdf')).toBeNull()
  expect([desk.fetching.refusal?.code, desk.doing.refusal]).toEqual(['line-lost', null])
})
