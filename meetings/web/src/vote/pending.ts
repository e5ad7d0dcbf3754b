// A ballot on its way, kept on the device before it is sent: a browser killed in between sends the same one again.
import type { DBSchema } from 'idb'
import { DeviceStore } from '../kit/device'
import type { Choice } from './choices'

export interface Pending {
  poll_id: string
  member_id: string
  choice: Choice
  /** The idempotency key: however often it is sent, it counts once. */
  key: string
  /** The receipt of the ballot that this one changes. */
  replaces: string | null
  /** When it first left the device, or null while nothing has. */
  sent_at: string | null
}

interface Kept extends DBSchema {
  ballots: { key: [string, string]; value: Pending }
}

const store = new DeviceStore<Kept>('ballots', (fresh) => void fresh.createObjectStore('ballots', { keyPath: ['poll_id', 'member_id'] }))

export async function keepPending(pending: Pending): Promise<void> {
  await store.use(async (db) => {
    const change = db.transaction('ballots', 'readwrite', { durability: 'strict' }) // on the disk: a tablet may lose its power
    await Promise.all([change.store.put(pending), change.done])
  })
}

export async function pendingOf(pollId: string, memberId: string): Promise<Pending | undefined> {
  return store.use((db) => db.get('ballots', [pollId, memberId]))
}

export async function forgetPending(pending: Pending): Promise<void> {
  await store.use((db) => db.delete('ballots', [pending.poll_id, pending.member_id]))
}

/** Every ballot of the member that has had no answer yet. */
export async function unanswered(memberId: string): Promise<Pending[]> {
  return (await store.use((db) => db.getAll('ballots'))).filter((pending) => pending.member_id === memberId)
}
