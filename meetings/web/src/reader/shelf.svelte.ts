// The notes on one paper as this screen shows them: drawn at once, kept on the device first, then brought to the server.
import { call, Problem } from '../wire/http'
import { backoff } from '../wire/socket'
import { carry, send } from './carrier'
import type { Note } from './notes'
import { Outbox, type Waiting } from './outbox'

const QUIET = 700 // ms after the last change before it is sent: a word is written in several strokes
const STEPS = 100 // that can be undone

export class NoteShelf {
  notes = $state.raw<Note[]>([])
  waiting = $state.raw<Waiting[]>([])
  /** So many changed notes this device could not keep: they are here on the screen only. */
  unkept = $state(0)
  /** Something was written here since the paper was opened. */
  touched = $state(false)
  undoable = $state(0)
  me = ''

  #outbox: Outbox | undefined
  #unkept = new Set<string>()
  #others: BroadcastChannel | undefined // other tabs of this person, with the same store
  #steps: Note[][] = []
  #writing = 0
  #timer: ReturnType<typeof setTimeout> | undefined
  #attempt = 0
  #running = false
  #again = false
  #stale = true // the server may know more than was fetched
  #ended = false

  constructor(
    readonly meetingId: string,
    readonly paperId: string,
  ) {}

  /** Begins once it is known whose notes these are. */
  async start(memberId: string): Promise<void> {
    this.me = memberId
    this.#outbox = new Outbox(memberId)
    this.#others = new BroadcastChannel(`notes-${memberId}`)
    this.#others.onmessage = ({ data }) => data === this.paperId && void this.#reload()
    addEventListener('online', this.refresh)
    addEventListener('focus', this.refresh)
    document.addEventListener('visibilitychange', this.refresh)
    await this.#reload()
    this.#sync()
  }

  /** What still waits is carried on without it. */
  end(): void {
    this.#ended = true
    carry()
    clearTimeout(this.#timer)
    this.#others?.close()
    removeEventListener('online', this.refresh)
    removeEventListener('focus', this.refresh)
    document.removeEventListener('visibilitychange', this.refresh)
  }

  find(id: string): Note | undefined {
    return this.notes.find((note) => note.id === id)
  }

  /** Shows, keeps and sends changed notes; `join` makes one step of this and the last for undoing. */
  change(notes: Note[], { join = false } = {}): void {
    const before = notes.map((note) => this.find(note.id) ?? { ...note, deleted: true })
    const step = join ? this.#steps.at(-1) : undefined
    if (step) step.push(...before.filter((note) => !step.some((known) => known.id === note.id)))
    else this.#steps.push(before)
    if (this.#steps.length > STEPS) this.#steps.shift()
    this.undoable = this.#steps.length
    void this.#keep(notes)
  }

  undo(): void {
    const before = this.#steps.pop()
    this.undoable = this.#steps.length
    if (before) void this.#keep(before)
  }

  /** Asks the server what is new: another device, or somebody who shares. */
  refresh = (): void => {
    if (document.visibilityState === 'hidden') return
    this.#stale = true
    this.#attempt = 0
    this.#sync()
  }

  async #keep(notes: Note[]): Promise<void> {
    const at = new Date().toISOString()
    const stamped = notes.map((note) => ({ ...note, author_id: this.me, modified_at: at }))
    const ids = new Set(stamped.map((note) => note.id))
    this.notes = [...this.notes.filter((note) => !ids.has(note.id)), ...stamped]
    this.touched = true
    for (const id of ids) this.#unkept.add(id)
    await this.#store()
    this.#later(QUIET)
  }

  /** Brings to the device what is not on it; what it does not take is told, stays on the screen and is tried again. */
  async #store(): Promise<void> {
    const ids = [...this.#unkept]
    if (!this.#outbox || !ids.length) return
    this.#unkept.clear()
    this.#writing++
    try {
      const notes = ids.flatMap((id) => this.find(id) ?? [])
      await this.#outbox.write(this.meetingId, notes.map((note) => ({ ...note, author_id: this.me })))
      this.waiting = await this.#outbox.waiting()
      if (!this.#ended) this.#others?.postMessage(this.paperId)
    } catch {
      for (const id of ids) this.#unkept.add(id)
    }
    this.#writing--
    this.unkept = this.#unkept.size
  }

  #later(ms: number): void {
    clearTimeout(this.#timer)
    if (this.#ended) carry()
    else this.#timer = setTimeout(() => this.#sync(), ms)
  }

  /** Tries to bring all that waits to the server, for as long as one round takes. */
  async bring(): Promise<void> {
    if (this.#outbox && this.waiting.length && !this.#running) await this.#round(this.#outbox)
  }

  /** One round at a time; what is asked for meanwhile follows. */
  #sync(): void {
    if (this.#running) this.#again = true
    else if (this.#outbox && !this.#ended) void this.#round(this.#outbox)
  }

  async #round(outbox: Outbox): Promise<void> {
    this.#running = true
    try {
      await this.#store()
      if (await send(outbox, () => this.#ended)) this.#again = true
      if (this.#stale) await this.#fetch(outbox)
      this.#attempt = 0
    } catch (error) {
      if (!(error instanceof Problem && error.final)) this.#later(backoff(++this.#attempt))
    } finally {
      this.#running = false
    }
    await this.#reload()
    if (this.#again) {
      this.#again = false
      this.#later(0)
    }
  }

  async #fetch(outbox: Outbox): Promise<void> {
    const path = { meeting_id: this.meetingId, paper_id: this.paperId }
    this.#stale = false
    try {
      await outbox.merge(this.meetingId, this.paperId, await call('get', '/api/meetings/{meeting_id}/papers/{paper_id}/notes', { path }))
    } catch (error) {
      this.#stale = true
      throw error
    }
  }

  /** What the device has, unless something is just being written to it. */
  async #reload(): Promise<void> {
    const outbox = this.#outbox
    if (!outbox) return
    const shown = this.notes
    const found = await Promise.all([outbox.notes(this.paperId), outbox.waiting()]).catch(() => null)
    if (!found) return
    const [notes, waiting] = found
    this.waiting = waiting
    if (this.#writing || this.#unkept.size || this.notes !== shown) return
    // What did not change stays the same object, whose ink is drawn already.
    const known = new Map(shown.map((note) => [note.id, note]))
    const fresh = (note: Note, old = known.get(note.id)): boolean => old?.rev !== note.rev || old.modified_at !== note.modified_at
    this.notes = notes.map((note) => (fresh(note) ? note : (known.get(note.id) as Note)))
  }
}
