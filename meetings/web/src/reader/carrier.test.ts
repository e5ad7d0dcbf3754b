import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { json, refusal, surroundings, type Answer } from '../../tests/province'
import type { Note } from './notes'
import type { NoteShelf as ShelfType } from './shelf.svelte'

let world: ReturnType<typeof surroundings>
let line: Answer | null
let carry: () => void
let Outbox: typeof import('./outbox').Outbox
let NoteShelf: typeof ShelfType
const server = new Map<string, string>()
const note = (id: string): Note => {
  const bare = { version: 1, page: 0, kind: 'text' as const, strokes: [], quads: [], at: [1, 1], color: '#1E4C9A', width: 18, shared: false, deleted: false }
  return { id, paper_id: 'p', ...bare, text: id, rev: 0, author_id: 'anh', mine: true, modified_at: '' }
}
const has = (...ids: string[]): Promise<void> => vi.waitFor(() => expect([...server.keys()]).toEqual(ids), { timeout: 5000 })

beforeEach(async () => {
  world = surroundings()
  sessionStorage.setItem('id', `.${btoa(JSON.stringify({ sub: 'anh' }))}.`)
  server.clear()
  line = null
  world.serve(({ method, path, body }) => {
    if (line) return line
    if (path.endsWith('/gone/seat')) return refusal('not-found', 404)
    if (path.endsWith('/seat')) return json({ member_id: 'anh' })
    if (method === 'GET') return json([])
    const id = path.split('/').at(-1)!
    server.set(id, path)
    return json({ ...note(id), ...(body as Note), rev: 1 })
  })
  vi.resetModules()
  ;({ carry } = await import('./carrier'))
  ;({ Outbox } = await import('./outbox'))
  ;({ NoteShelf } = await import('./shelf.svelte'))
})
afterEach(() => vi.unstubAllGlobals())

test('what was written without a line goes out without the paper, once the line is back', async () => {
  const outbox = new Outbox('anh')
  await outbox.write('m', [note('a'), note('b')])
  line = 'lost'
  carry()
  await vi.waitFor(() => expect(world.asked.length).toBeGreaterThan(0))
  line = null
  await has('a', 'b')
  await vi.waitFor(async () => expect(await outbox.waiting()).toEqual([]))
})

test('what is written when the paper is left goes out too', async () => {
  const shelf = new NoteShelf('m', 'p')
  await shelf.start('anh')
  shelf.change([note('a')])
  shelf.end()
  await has('a')
})

test('only one’s own go out, also where one of their meetings is not there any more', async () => {
  await new Outbox('binh').write('m', [note('theirs')])
  await new Outbox('anh').write('gone', [note('a')])
  await new Outbox('anh').write('m', [note('b')])
  carry()
  await has('a', 'b')
  expect(await new Outbox('binh').waiting()).toHaveLength(1)
})

test('where nobody is signed in nothing is asked', async () => {
  await new Outbox('anh').write('m', [note('a')])
  sessionStorage.removeItem('id')
  carry()
  await new Promise((done) => setTimeout(done, 20))
  expect(world.asked).toEqual([])
})
