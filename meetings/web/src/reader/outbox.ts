// What the device keeps of one person's notes: all of them, and which of them the server does not have yet. A change is on the
// device before it is sent, and leaves the list only when the server has answered.
import type { DBSchema, IDBPObjectStore, StoreNames } from 'idb'
import { DeviceStore } from '../kit/device'
import { acknowledge, merge, settle, type Note } from './notes'

export interface Waiting {
  id: string
  meeting_id: string
  /** Names the change: an answer to an older one does not clear a newer one. */
  stamp: string
  /** What was sent of it and not answered; the server may have it or not. */
  sent: Note[]
  /** Why the server did not take it, in words; it is not sent again before it is changed. */
  refused: string | null
}
const PREFIX = 'notes-'
const UNANSWERED = 5 // so many are remembered

interface Shape extends DBSchema {
  notes: { key: string; value: Note; indexes: { paper_id: string } }
  outbox: { key: string; value: Waiting }
}

type Stored<Name extends StoreNames<Shape>> = IDBPObjectStore<Shape, ['notes', 'outbox'], Name, 'readwrite'>

const stores = new Map<string, DeviceStore<Shape>>()

/** Each person has a store of their own, so that a shared tablet never sends one's notes as another's. */
function storeOf(memberId: string): DeviceStore<Shape> {
  const known = stores.get(memberId)
  if (known) return known
  const store = new DeviceStore<Shape>(PREFIX + memberId, (fresh) => {
    fresh.createObjectStore('notes', { keyPath: 'id' }).createIndex('paper_id', 'paper_id')
    fresh.createObjectStore('outbox', { keyPath: 'id' })
  })
  stores.set(memberId, store)
  return store
}

export class Outbox {
  readonly #store: DeviceStore<Shape>

  constructor(memberId: string) {
    this.#store = storeOf(memberId)
  }

  notes(paperId: string): Promise<Note[]> {
    return this.#store.use((db) => db.getAllFromIndex('notes', 'paper_id', paperId))
  }

  waiting(): Promise<Waiting[]> {
    return this.#store.use((db) => db.getAll('outbox'))
  }

  /** Keeps changed notes and the wish to send them, both or neither. A note keeps the revision that the server last told. */
  write(meetingId: string, changed: Note[]): Promise<void> {
    return this.#change(async (notes, outbox) => {
      for (const note of changed) {
        const before = await notes.get(note.id)
        const wish = await outbox.get(note.id)
        await notes.put({ ...note, rev: before?.rev ?? note.rev })
        await outbox.put(newWish(note, meetingId, wish?.sent))
      }
    })
  }

  /** Takes in all that the server has of a paper. */
  merge(meetingId: string, paperId: string, server: Note[]): Promise<void> {
    return this.#change(async (notes, outbox) => {
      const waiting = new Set(await outbox.getAllKeys())
      const merged = merge(await notes.index('paper_id').getAll(paperId), server, waiting)
      for (const note of [...merged.keep, ...merged.resend]) await notes.put(note)
      for (const id of merged.drop) await notes.delete(id)
      for (const note of merged.resend) await outbox.put(newWish(note, meetingId))
    })
  }

  /** The note to be sent for a wish, remembered as sent; undefined where there is nothing to send any more. */
  take(wish: Waiting): Promise<Note | undefined> {
    return this.#change(async (notes, outbox) => {
      const [note, now] = await Promise.all([notes.get(wish.id), outbox.get(wish.id)])
      if (note && now) await outbox.put({ ...now, sent: [...now.sent, note].slice(-UNANSWERED) })
      return now?.stamp === wish.stamp ? note : undefined
    })
  }

  /** The server took `sent`. */
  acknowledge(wish: Waiting, sent: Note, answer: Note): Promise<void> {
    return this.#change(async (notes, outbox) => {
      const local = await notes.get(wish.id)
      if (local) await notes.put(acknowledge(local, sent, answer))
      const now = await outbox.get(wish.id)
      if (now?.stamp === wish.stamp) await outbox.delete(wish.id)
      else if (now) await outbox.put({ ...now, sent: [] })
    })
  }

  /** The server has another note than the one that was changed here. */
  settle(wish: Waiting, theirs: Note): Promise<void> {
    return this.#change(async (notes, outbox) => {
      const local = await notes.get(wish.id)
      const sent = (await outbox.get(wish.id))?.sent
      const settled = settle(local ?? theirs, theirs, crypto.randomUUID(), sent)
      await notes.put(settled.keep)
      await outbox.delete(wish.id)
      if (settled.again) await notes.put(settled.again)
      for (const note of [settled.waits && settled.keep, settled.again]) if (note) await outbox.put(newWish(note, wish.meeting_id))
    })
  }

  refuse(wish: Waiting, words: string): Promise<void> {
    return this.#change(async (_, outbox) => {
      const now = await outbox.get(wish.id)
      if (now?.stamp === wish.stamp) await outbox.put({ ...now, refused: words })
    })
  }

  /** All that `deed` does, or nothing of it. */
  #change<T>(deed: (notes: Stored<'notes'>, outbox: Stored<'outbox'>) => Promise<T>): Promise<T> {
    return this.#store.use(async (db) => {
      const tx = db.transaction(['notes', 'outbox'], 'readwrite', { durability: 'strict' })
      const [done] = await Promise.all([deed(tx.objectStore('notes'), tx.objectStore('outbox')), tx.done])
      return done
    })
  }
}

/** How many changed notes on this device, whoever wrote them, the server does not have: signing out would lose them. */
export async function unsent(): Promise<number> {
  const waiting = await Promise.all((await outboxes()).map(([, outbox]) => outbox.waiting()))
  return waiting.flat().length
}

/** Those on this device, by whose they are. */
export async function outboxes(): Promise<[string, Outbox][]> {
  const names = (await indexedDB.databases()).flatMap(({ name }) => (name?.startsWith(PREFIX) ? [name.slice(PREFIX.length)] : []))
  return names.map((memberId) => [memberId, new Outbox(memberId)])
}

function newWish(note: Note, meetingId: string, sent: Note[] = []): Waiting {
  return { id: note.id, meeting_id: meetingId, stamp: crypto.randomUUID(), sent, refused: null }
}
