import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { json, surroundings } from '../../tests/province'
import type { Note } from './notes'
import type { NoteShelf as ShelfType } from './shelf.svelte'

let world: ReturnType<typeof surroundings>
let NoteShelf: typeof ShelfType
let shelf: ShelfType
const server = new Map<string, Note>()
const remark = (text: string, over: Partial<Note> = {}): Note => {
  const bare = { version: 1, page: 0, kind: 'text' as const, strokes: [], quads: [], at: [1, 1], color: '#1E4C9A', width: 18, shared: false, deleted: false }
  return { id: 'a', paper_id: 'p', ...bare, text, rev: 0, author_id: '', mine: true, modified_at: '', ...over }
}

/** Lets the pauses between two rounds pass, until `seen` does not throw. */
async function until(seen: () => void): Promise<void> {
  for (let turn = 0; turn < 40; turn += 1) {
    await vi.advanceTimersByTimeAsync(200)
    for (let rest = 0; rest < 20; rest += 1) await new Promise((done) => setImmediate(done))
    try {
      return seen()
    } catch {
      // not yet
    }
  }
  seen()
}

beforeEach(async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  world = surroundings()
  server.clear()
  world.serve((asked) => {
    if (asked.method === 'GET') return json([...server.values()])
    const id = asked.path.split('/').at(-1)!
    const note = { ...remark(''), ...(asked.body as Note), id, rev: (asked.body as Note).rev + 1 }
    server.set(id, note)
    return json(note)
  })
  vi.resetModules()
  ;({ NoteShelf } = await import('./shelf.svelte'))
  shelf = new NoteShelf('m', 'p')
  await shelf.start('anh')
})
afterEach(() => {
  shelf.end()
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

test('what the device does not take is told, and kept and sent once it takes it', async () => {
  const kept = IDBObjectStore.prototype.put
  IDBObjectStore.prototype.put = () => {
    throw new DOMException('full', 'QuotaExceededError')
  }
  shelf.change([remark('một')])
  await until(() => expect(shelf.unkept).toBe(1))
  IDBObjectStore.prototype.put = kept
  expect(shelf.notes.map((note) => note.text)).toEqual(['một'])
  await until(() => expect(server.get('a')?.text).toBe('một'))
  expect(shelf.unkept).toBe(0)
})

test('notes are kept also after another tab has wiped the device', async () => {
  shelf.change([remark('một')])
  await until(() => expect(server.size).toBe(1))
  await new Promise<void>((gone) => (indexedDB.deleteDatabase('notes-anh').onsuccess = () => gone()))
  shelf.change([remark('hai', { id: 'b' })])
  await until(() => expect(server.get('b')?.text).toBe('hai'))
})

test('what one tab writes is not undone by another that had not heard of it', async () => {
  shelf.change([remark('một')])
  await until(() => expect(server.size).toBe(1))
  const other = new NoteShelf('m', 'p')
  await other.start('anh')
  await until(() => expect(other.find('a')?.rev).toBe(1))
  shelf.change([remark('một, hai', { rev: 1 })])
  await until(() => expect(other.find('a')?.text).toBe('một, hai'))
  other.end()
})
