// How the notes on a device and those of the server become one, so that nothing written is lost. Pure.
import type { Schemas } from '../wire/http'

export type Note = Schemas['NoteView']
export type Kind = Note['kind']

const CONTENT = ['version', 'page', 'kind', 'strokes', 'quads', 'at', 'color', 'width', 'text', 'shared', 'deleted'] as const
const BESIDE = 220 // tenths of a point: two remarks on one place would hide each other
type Content = Pick<Note, (typeof CONTENT)[number]>

function content(note: Note): Content {
  return Object.fromEntries(CONTENT.map((name) => [name, note[name]])) as Content
}

/** What is sent of a note. */
export function bodyOf(note: Note): Schemas['NoteBody'] {
  return { ...content(note), rev: note.rev }
}

/** Whether two notes say the same; the server keeps text in NFC without outer blanks. */
export function same(one: Note, other: Note): boolean {
  const plain = (note: Note): string => JSON.stringify({ ...content(note), text: note.text.normalize('NFC').trim() })
  return plain(one) === plain(other)
}

interface Merged {
  /** To be kept on the device as they are here. */
  keep: Note[]
  /** Ids that are no longer to be seen. */
  drop: string[]
  /** The person's own notes that the server has lost: kept, and sent again. */
  resend: Note[]
}

/**
 * The device's notes of a paper after the server told all of its own. What waits to be sent stays as the device has it: the
 * server will say whether another device was first.
 */
export function merge(device: Note[], server: Note[], waiting: ReadonlySet<string>): Merged {
  const known = new Map(device.map((note) => [note.id, note]))
  const told = new Set(server.map((note) => note.id))
  const newer = (note: Note): boolean => note.rev >= (known.get(note.id)?.rev ?? 0)
  const keep = server.filter((note) => !waiting.has(note.id) && newer(note))
  const missing = device.filter((note) => !told.has(note.id) && !waiting.has(note.id))
  const lost = missing.filter((note) => note.mine && !note.deleted)
  return {
    keep,
    drop: missing.filter((note) => !lost.includes(note)).map((note) => note.id),
    resend: lost.map((note) => ({ ...note, rev: 0 })),
  }
}

/** The note after the server took `sent`; `local` is what stands on the device by now. */
export function acknowledge(local: Note, sent: Note, answer: Note): Note {
  return local === sent || same(local, sent) ? answer : { ...local, rev: answer.rev }
}

interface Settled {
  keep: Note
  /** `keep` is still to be sent. */
  waits: boolean
  /** A further note, to be sent too. */
  again: Note | null
}

/**
 * The server has another note than the one that was changed here. Where it is one that this device sent (`sent`) and got no
 * answer for, nobody else was first. Otherwise two devices of one person changed the same note: the server's stays under its
 * name, and what only this device has becomes a note of its own, named `id`.
 */
export function settle(local: Note, theirs: Note, id: string, sent: Note[] = []): Settled {
  if (same(local, theirs)) return { keep: theirs, waits: false, again: null }
  if (sent.some((note) => same(note, theirs))) return { keep: { ...local, rev: theirs.rev }, waits: true, again: null }
  if (local.deleted) return { keep: theirs, waits: false, again: null }
  const at = local.at && [local.at[0] as number, (local.at[1] as number) - BESIDE]
  const again = { ...local, id, at, rev: 0 }
  if (local.kind !== 'ink' || theirs.deleted) return { keep: theirs, waits: false, again }
  const there = new Set(theirs.strokes.map((stroke) => JSON.stringify(stroke)))
  const strokes = local.strokes.filter((stroke) => !there.has(JSON.stringify(stroke)))
  return { keep: theirs, waits: false, again: strokes.length ? { ...again, strokes } : null }
}
