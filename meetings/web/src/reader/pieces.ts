// Pieces of papers on this device, so that reading goes on without a line. They are kept by what the paper's bytes hash to, which
// only those are told who may open it; signing out wipes them.
import type { DBSchema } from 'idb'
import { DeviceStore } from '../kit/device'

interface Shape extends DBSchema {
  pieces: { key: [sha256: string, piece: number]; value: Uint8Array<ArrayBuffer> }
}

export const PIECE = 128 * 1024 // bytes

const store = new DeviceStore<Shape>('papers', (fresh) => void fresh.createObjectStore('pieces'))

const first = (begin: number): number => Math.floor(begin / PIECE)
const count = (begin: number, end: number): number => Math.ceil(end / PIECE) - first(begin)

/** The bytes from `begin` (where a piece begins) up to `end`, if all of them are here. */
export async function recall(sha256: string, begin: number, end: number): Promise<Uint8Array<ArrayBuffer> | null> {
  try {
    const range = IDBKeyRange.bound([sha256, first(begin)], [sha256, first(begin) + count(begin, end) - 1])
    const pieces = await store.use((db) => db.getAll('pieces', range))
    const whole = new Uint8Array(end - begin)
    if (pieces.length < count(begin, end) || pieces.reduce((sum, piece) => sum + piece.length, 0) !== whole.length) return null
    for (const [at, piece] of pieces.entries()) whole.set(piece, at * PIECE)
    return whole
  } catch {
    return null // a device that keeps nothing reads over the line
  }
}

export async function keep(sha256: string, begin: number, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
  try {
    await store.use((db) => {
      const tx = db.transaction('pieces', 'readwrite')
      for (let at = 0; at < bytes.length; at += PIECE) void tx.store.put(bytes.slice(at, at + PIECE), [sha256, first(begin + at)])
      return tx.done
    })
  } catch {
    // No room left: the line will do.
  }
}

/** Where the pieces begin that are not here, of a paper of `size` bytes. */
export async function missing(sha256: string, size: number): Promise<number[]> {
  try {
    const keys = await store.use((db) => db.getAllKeys('pieces', IDBKeyRange.bound([sha256, 0], [sha256, count(0, size)])))
    const here = new Set(keys.map(([, piece]) => piece))
    return Array.from({ length: count(0, size) }, (_, piece) => piece).flatMap((piece) => (here.has(piece) ? [] : [piece * PIECE]))
  } catch {
    return []
  }
}
