// The notes on one paper as this screen shows them: drawn at once, kept on the device first, then brought to the server.
import { call, LineLost, Problem } from '../wire/http'
import { backoff } from '../wire/socket'
import { bodyOf, type Note } from './notes'
import { Outbox, type Waiting } from './outbox'

const QUIET = 700 // ms after the last change before it is sent: a word is written in several strokes
const STEPS = 100 // that can be undone

export class NoteShelf {
  notes = $state.raw<Note[]>([])
  waiting = $state.raw<Waiting[]>([])
  /** Something was written here since the paper was opened. */
  touched = $state(false)
  undoable = $state(0)
  me = ''

  #outbox: Outbox | undefined
  #early: Note[] = []
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
    const outbox = await Outbox.open(memberId)
    if (this.#ended) return outbox.close()
    this.#outbox = outbox
    addEventListener('online', this.refresh)
    addEventListener('focus', this.refresh)
    document.addEventListener('visibilitychange', this.refresh)
    await this.#reload()
    if (this.#early.length) void this.#keep(this.#early.splice(0))
    this.#sync()
  }

  end(): void {
    this.#ended = true
    clearTimeout(this.#timer)
    removeEventListener('online', this.refresh)
    removeEventListener('focus', this.refresh)
    document.removeEventListener('visibilitychange', this.refresh)
    if (!this.#running) this.#outbox?.close()
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
    if (!this.#outbox) {
      this.#early.push(...stamped)
      return
    }
    this.#writing++
    await this.#outbox.write(this.meetingId, stamped)
    this.#writing--
    this.waiting = await this.#outbox.waiting()
    this.#later(QUIET)
  }

  #later(ms: number): void {
    clearTimeout(this.#timer)
    if (!this.#ended) this.#timer = setTimeout(() => this.#sync(), ms)
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
      await this.#send(outbox)
      if (this.#stale) await this.#fetch(outbox)
      this.#attempt = 0
    } catch (error) {
      if (error instanceof LineLost || mayPass(error)) this.#later(backoff(++this.#attempt))
      else if (!(error instanceof Problem)) throw error
    } finally {
      this.#running = false
    }
    if (this.#ended) return outbox.close()
    await this.#reload()
    if (this.#again) {
      this.#again = false
      this.#later(0)
    }
  }

  async #send(outbox: Outbox): Promise<void> {
    for (const wish of await outbox.waiting()) {
      if (wish.refused || this.#ended) continue
      const note = await outbox.take(wish)
      if (!note) continue
      try {
        await outbox.acknowledge(wish, note, await put(wish.meeting_id, note))
      } catch (error) {
        if (!(error instanceof Problem) || mayPass(error)) throw error
        const theirs = error.facts.note as Omit<Note, 'mine'> | undefined
        if (error.code === 'note-conflict' && theirs) await this.#settle(outbox, wish, { ...theirs, mine: true })
        else await outbox.refuse(wish, error.title)
      }
    }
  }

  async #settle(outbox: Outbox, wish: Waiting, theirs: Note): Promise<void> {
    await outbox.settle(wish, theirs)
    this.#again = true
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
    const [notes, waiting] = await Promise.all([outbox.notes(this.paperId), outbox.waiting()])
    this.waiting = waiting
    if (this.#writing || this.notes !== shown) return
    // What did not change stays the same object, whose ink is drawn already.
    const known = new Map(shown.map((note) => [note.id, note]))
    const fresh = (note: Note, old = known.get(note.id)): boolean => old?.rev !== note.rev || old.modified_at !== note.modified_at
    this.notes = notes.map((note) => (fresh(note) ? note : (known.get(note.id) as Note)))
  }
}

/** A trouble of the server's that is over by itself. */
const mayPass = (error: unknown): boolean => error instanceof Problem && (error.status >= 500 || error.status === 429)

async function put(meetingId: string, note: Note): Promise<Note> {
  const path = { meeting_id: meetingId, paper_id: note.paper_id, note_id: note.id }
  return call('put', '/api/meetings/{meeting_id}/papers/{paper_id}/notes/{note_id}', { path, body: bodyOf(note) })
}
