// What the device keeps of one person's notes: all of them, and which of them the server does not have yet. A change is on the
// device before it is sent, and leaves the list only when the server has answered.
import { openDB, type DBSchema, type IDBPDatabase } from 'idb'
import { acknowledge, merge, settle, type Note } from './notes'

export interface Waiting {
  id: string
  meeting_id: string
  /** Names the change: an answer to an older one does not clear a newer one. */
  stamp: string
  /** Why the server did not take it, in words; it is not sent again before it is changed. */
  refused: string | null
}
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
      await tx.objectStore('notes').put({ ...note, rev: before?.rev ?? note.rev })
      await tx.objectStore('outbox').put(this.#wish(note, meetingId))
    }
    await tx.done
  }

  #wish(note: Note, meetingId: string): Waiting {
    return { id: note.id, meeting_id: meetingId, stamp: crypto.randomUUID(), refused: null }
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
      await tx.objectStore('outbox').put(this.#wish(note, meetingId))
    }
    await tx.done
  }

  /** The note to be sent for a wish. */
  find(wish: Waiting): Promise<Note | undefined> {
    return this.db.get('notes', wish.id)
  }

  /** The server took `sent`. */
  async acknowledge(wish: Waiting, sent: Note, answer: Note): Promise<void> {
    const tx = this.db.transaction(['notes', 'outbox'], 'readwrite')
    const local = await tx.objectStore('notes').get(wish.id)
    if (local) await tx.objectStore('notes').put(acknowledge(local, sent, answer))
    if ((await tx.objectStore('outbox').get(wish.id))?.stamp === wish.stamp) await tx.objectStore('outbox').delete(wish.id)
    await tx.done
  }

  /** Another device was first: its note stays, ours gets a name of its own. */
  async settle(wish: Waiting, theirs: Note): Promise<void> {
    const tx = this.db.transaction(['notes', 'outbox'], 'readwrite')
    const local = await tx.objectStore('notes').get(wish.id)
    const { keep, again } = local ? settle(local, theirs, crypto.randomUUID()) : { keep: theirs, again: null }
    await tx.objectStore('notes').put(keep)
    await tx.objectStore('outbox').delete(wish.id)
    if (again) {
      await tx.objectStore('notes').put(again)
      await tx.objectStore('outbox').put(this.#wish(again, wish.meeting_id))
    }
    await tx.done
  }

  async refuse(wish: Waiting, words: string): Promise<void> {
    const tx = this.db.transaction('outbox', 'readwrite')
    if ((await tx.store.get(wish.id))?.stamp === wish.stamp) await tx.store.put({ ...wish, refused: words })
    await tx.done
  }

  close(): void {
    this.db.close()
  }
}
