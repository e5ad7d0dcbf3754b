// What the device keeps of one person's notes: all of them, and which of them the server does not have yet. A change is on the
// device before it is sent, and leaves the list only when the server has answered.
import { openDB, type DBSchema, type IDBPDatabase } from 'idb'
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
const UNANSWERED = 5 // so many are remembered

interface Shape extends DBSchema {
  notes: { key: string; value: Note; indexes: { paper_id: string } }
  outbox: { key: string; value: Waiting }
}

export class Outbox {
  private constructor(readonly db: IDBPDatabase<Shape>) {}

  /** Each person has a store of their own, so that a shared tablet never sends one's notes as another's. */
  static async open(memberId: string): Promise<Outbox> {
    const db = await openDB<Shape>(`notes-${memberId}`, 1, {
      upgrade(fresh) {
        fresh.createObjectStore('notes', { keyPath: 'id' }).createIndex('paper_id', 'paper_id')
        fresh.createObjectStore('outbox', { keyPath: 'id' })
      },
      blocking: (_from, _to, event) => (event.target as IDBDatabase).close(), // signing out wipes the device
    })
    return new Outbox(db)
  }

  notes(paperId: string): Promise<Note[]> {
    return this.db.getAllFromIndex('notes', 'paper_id', paperId)
  }

  waiting(): Promise<Waiting[]> {
    return this.db.getAll('outbox')
  }

  /** Keeps changed notes and the wish to send them, both or neither. A note keeps the revision that the server last told. */
  async write(meetingId: string, notes: Note[]): Promise<void> {
    const tx = this.db.transaction(['notes', 'outbox'], 'readwrite', { durability: 'strict' })
    for (const note of notes) {
      const before = await tx.objectStore('notes').get(note.id)
      const wish = await tx.objectStore('outbox').get(note.id)
      await tx.objectStore('notes').put({ ...note, rev: before?.rev ?? note.rev })
      await tx.objectStore('outbox').put(newWish(note, meetingId, wish?.sent))
    }
    await tx.done
  }

  /** Takes in all that the server has of a paper. */
  async merge(meetingId: string, paperId: string, server: Note[]): Promise<void> {
    const tx = this.db.transaction(['notes', 'outbox'], 'readwrite')
    const waiting = new Set(await tx.objectStore('outbox').getAllKeys())
    const merged = merge(await tx.objectStore('notes').index('paper_id').getAll(paperId), server, waiting)
    for (const note of merged.keep) await tx.objectStore('notes').put(note)
    for (const id of merged.drop) await tx.objectStore('notes').delete(id)
    for (const note of merged.resend) {
      await tx.objectStore('notes').put(note)
      await tx.objectStore('outbox').put(newWish(note, meetingId))
    }
    await tx.done
  }

  /** The note to be sent for a wish, remembered as sent; undefined where there is nothing to send any more. */
  async take(wish: Waiting): Promise<Note | undefined> {
    const tx = this.db.transaction(['notes', 'outbox'], 'readwrite')
    const [note, now] = await Promise.all([tx.objectStore('notes').get(wish.id), tx.objectStore('outbox').get(wish.id)])
    if (note && now) await tx.objectStore('outbox').put({ ...now, sent: [...now.sent, note].slice(-UNANSWERED) })
    await tx.done
    return now?.stamp === wish.stamp ? note : undefined
  }

  /** The server took `sent`. */
  async acknowledge(wish: Waiting, sent: Note, answer: Note): Promise<void> {
    const tx = this.db.transaction(['notes', 'outbox'], 'readwrite')
    const local = await tx.objectStore('notes').get(wish.id)
    if (local) await tx.objectStore('notes').put(acknowledge(local, sent, answer))
    const now = await tx.objectStore('outbox').get(wish.id)
    if (now?.stamp === wish.stamp) await tx.objectStore('outbox').delete(wish.id)
    else if (now) await tx.objectStore('outbox').put({ ...now, sent: [] })
    await tx.done
  }

  /** The server has another note than the one that was changed here. */
  async settle(wish: Waiting, theirs: Note): Promise<void> {
    const tx = this.db.transaction(['notes', 'outbox'], 'readwrite')
    const local = await tx.objectStore('notes').get(wish.id)
    const sent = (await tx.objectStore('outbox').get(wish.id))?.sent
    const settled = settle(local ?? theirs, theirs, crypto.randomUUID(), sent)
    await tx.objectStore('notes').put(settled.keep)
    await tx.objectStore('outbox').delete(wish.id)
    if (settled.again) await tx.objectStore('notes').put(settled.again)
    for (const note of [settled.waits && settled.keep, settled.again]) {
      if (note) await tx.objectStore('outbox').put(newWish(note, wish.meeting_id))
    }
    await tx.done
  }

  async refuse(wish: Waiting, words: string): Promise<void> {
    const tx = this.db.transaction('outbox', 'readwrite')
    const now = await tx.store.get(wish.id)
    if (now?.stamp === wish.stamp) await tx.store.put({ ...now, refused: words })
    await tx.done
  }

  close(): void {
    this.db.close()
  }
}

function newWish(note: Note, meetingId: string, sent: Note[] = []): Waiting {
  return { id: note.id, meeting_id: meetingId, stamp: crypto.randomUUID(), sent, refused: null }
}
