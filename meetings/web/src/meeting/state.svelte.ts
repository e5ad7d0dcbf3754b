// What this screen knows of a meeting: one state, folded from the log, and where the line stands.
import { call, type Problem, type Schemas } from '../wire/http'
import { LiveSocket, type Frame } from '../wire/socket'
import { apply, type AnyEvent, type State } from './apply'
import { forgetMeeting, keepMeeting, recallMeeting } from './kept'

export type Line = 'starting' | 'up' | 'returning' | 'lost'
const CALM = 5000 // ms of silence before a broken line is told

export class MeetingStore {
  state = $state.raw<State | null>(null)
  seat = $state.raw<Schemas['MySeat'] | null>(null)
  turnout = $state.raw<Schemas['TurnoutFrame'] | null>(null)
  presence = $state.raw<string[] | null>(null)
  /** How the remote rooms are heard, told to the desk alone. */
  bridges = $state.raw<Schemas['BridgesFrame'] | null>(null)
  /** When the house was last heard, in milliseconds of the device's clock. */
  heardAt = $state(Date.now())
  line = $state<Line>('starting')
  lostAt = $state<string | null>(null)
  refusal = $state.raw<Problem | null>(null)
  /** Milliseconds by which the server's clock is ahead of the device's. */
  skew = $state(0)

  /** Changes when the house comes back from a backup, which may lack what was told last. */
  epoch = $state<string | null>(null)
  #seq: number | null = null
  #seated = false
  #socket: LiveSocket
  #calm: ReturnType<typeof setTimeout> | undefined
  #ears = new Set<(event: AnyEvent) => void>()

  constructor(readonly id: string) {
    const kept = recallMeeting(id)
    if (kept) {
      this.state = kept.state
      this.seat = kept.seat
      this.epoch = kept.epoch
      this.#seq = kept.seq
    }
    document.addEventListener('visibilitychange', this.#keep)
    addEventListener('pagehide', this.#keep)
    this.#socket = new LiveSocket(id, {
      position: () => ({ epoch: this.epoch, seq: this.#seq }),
      frame: (frame) => this.hear(frame),
      line: (up) => this.#onLine(up),
      refused: (problem) => this.#refuse(problem),
    })
    void this.#takeSeat()
  }

  /** Casts a ballot over the live line; null where that brought no receipt. */
  cast(vote: Parameters<LiveSocket['cast']>[0]): ReturnType<LiveSocket['cast']> {
    return this.#socket.cast(vote)
  }

  end(): void {
    clearTimeout(this.#calm)
    document.removeEventListener('visibilitychange', this.#keep)
    removeEventListener('pagehide', this.#keep)
    this.#socket.end()
  }

  /** Before the page goes, or may go: so that it starts again without a line, where it was. */
  #keep = (): void => {
    const { state, seat } = this
    if (state && seat) keepMeeting(this.id, { epoch: this.epoch, seq: this.#seq, state, seat })
  }

  /** Who may not see the meeting any more sees nothing of it that was kept. */
  #refuse(problem: Problem): void {
    forgetMeeting(this.id)
    this.state = null
    this.refusal = problem
  }

  /** Tells each event as it comes, until the returned function is called: for what does not show in the state. */
  listen(ear: (event: AnyEvent) => void): () => void {
    this.#ears.add(ear)
    return () => this.#ears.delete(ear)
  }

  /** Applies a frame; events are applied in order and once, a gap is asked for again. */
  hear(frame: Frame): void {
    this.heardAt = Date.now()
    if (frame.type === 'snapshot') {
      this.epoch = frame.snapshot.epoch
      this.#seq = frame.snapshot.seq
      this.state = frame.snapshot.state
    } else if (frame.type === 'events') {
      this.#fold(frame)
    } else if (frame.type === 'turnout') {
      this.turnout = frame
    } else if (frame.type === 'presence') {
      this.presence = frame.members
    } else if (frame.type === 'bridges') {
      this.bridges = frame
    } else if (frame.type === 'heartbeat' && this.#seq !== null && frame.head > this.#seq) {
      this.#socket.hello()
    }
  }

  #fold(frame: Schemas['EventsFrame']): void {
    if (!this.state || this.#seq === null) return
    if (frame.after > this.#seq) {
      this.#socket.hello()
      return
    }
    const seq = this.#seq
    const fresh = frame.events.filter((one) => one.seq > seq).map((one) => one.event)
    this.state = fresh.reduce(apply, this.state)
    this.#seq = Math.max(seq, frame.up_to)
    for (const event of fresh) for (const ear of this.#ears) ear(event)
  }

  #onLine(up: boolean): void {
    if (up) {
      clearTimeout(this.#calm)
      this.#calm = undefined
      this.line = 'up'
      this.lostAt = null
      void this.#takeSeat()
    } else if (!this.#calm) {
      const since = new Date(Date.now() + this.skew).toISOString()
      this.line = 'returning'
      this.#calm = setTimeout(() => {
        this.line = 'lost'
        this.lostAt = since
      }, CALM)
    }
  }

  /** Once, however the screen began: what was kept of the seat may be old, and nothing tells how the clock runs. */
  async #takeSeat(): Promise<void> {
    if (this.#seated) return
    this.#seated = true
    const sent = Date.now()
    try {
      const seat = await call('get', '/api/meetings/{meeting_id}/seat', { path: { meeting_id: this.id } })
      this.skew = Date.parse(seat.now) - (sent + Date.now()) / 2
      this.seat = seat
    } catch {
      this.#seated = false // the first frame over an open line asks again
    }
  }
}
