// The live socket: reads the meeting's log aloud. Coming back is the same as starting: a ticket, and a `hello` that says
// what is already known.
import { call, Problem, type Schemas } from './http'
import { signIn, stay } from './login'
import { within } from './within'

type Named<Type extends string, Shape> = Shape & { type: Type }
export type Frame =
  | Named<'snapshot', Schemas['SnapshotFrame']>
  | Named<'events', Schemas['EventsFrame']>
  | Named<'turnout', Schemas['TurnoutFrame']>
  | Named<'presence', Schemas['PresenceFrame']>
  | Named<'bridges', Schemas['BridgesFrame']>
  | Named<'heartbeat', Schemas['HeartbeatFrame']>
  | Named<'vote.receipt', Schemas['VoteReceipt']>
  | Named<'vote.refused', Schemas['VoteRefused']>
interface Position {
  epoch: string | null
  seq: number | null
}
interface Ear {
  /** Where the listener stands: sent with each `hello`. */
  position(): Position
  frame(frame: Frame): void
  line(up: boolean): void
  refused(problem: Problem): void
}

const BASE = 500 // ms
const CAP = 15_000 // ms
const SILENCE = 40_000 // ms without any frame: two heartbeats were missed
const NO_TICKET = 20_000 // ms without an answer, after which it is asked for anew
const SIGNED_OUT = 4401
const VOTE_WITHIN = 3000 // ms; then the same ballot goes over HTTPS

/** When the server wants to see this one again: it spreads a crowd that it cannot let in at once, or sends away. */
export function hinted(reason: string): number | undefined {
  const found = /^retry_after_ms=(\d{1,6})$/.exec(reason)
  return found ? Number(found[1]) : undefined
}

/** Full jitter: any moment up to the doubled base, so that a hall full of tablets does not come back at once. */
export function backoff(attempt: number, random: () => number = Math.random): number {
  return random() * Math.min(CAP, BASE * 2 ** attempt)
}

export class LiveSocket {
  #socket: WebSocket | undefined
  #timer: ReturnType<typeof setTimeout> | undefined
  #watchdog: ReturnType<typeof setTimeout> | undefined
  #attempt = 0
  #turn = 0 // of those who connect, the last one may
  #ended = false
  #votes = new Map<string, (receipt: Schemas['Receipt'] | null) => void>()

  constructor(
    readonly meetingId: string,
    readonly ear: Ear,
  ) {
    addEventListener('online', this.#hurry)
    document.addEventListener('visibilitychange', this.#hurry)
    void this.#connect()
  }

  end(): void {
    this.#ended = true
    removeEventListener('online', this.#hurry)
    document.removeEventListener('visibilitychange', this.#hurry)
    clearTimeout(this.#timer)
    clearTimeout(this.#watchdog)
    this.#socket?.close(1000)
  }

  /** Asks again for what is missing after the listener's position. */
  hello(): void {
    const { epoch, seq } = this.ear.position()
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify({ type: 'hello', epoch, since: seq }))
  }

  /** Casts a ballot over the open line; null where that brought no receipt, and another way has to tell. */
  cast(vote: Omit<Schemas['VoteCast'], 'type'>): Promise<Schemas['Receipt'] | null> {
    const socket = this.#socket
    if (socket?.readyState !== WebSocket.OPEN) return Promise.resolve(null)
    return new Promise((tell) => {
      const end = (receipt: Schemas['Receipt'] | null): void => {
        clearTimeout(timer)
        if (this.#votes.get(vote.key) === end) this.#votes.delete(vote.key)
        tell(receipt)
      }
      const timer = setTimeout(() => end(null), VOTE_WITHIN)
      this.#votes.set(vote.key, end)
      socket.send(JSON.stringify({ type: 'vote.cast', ...vote }))
    })
  }

  async #connect(): Promise<void> {
    const turn = ++this.#turn
    const path = { meeting_id: this.meetingId }
    try {
      const { ticket } = await within(NO_TICKET, (signal) => call('post', '/api/meetings/{meeting_id}/ticket', { path, signal }))
      if (turn === this.#turn && !this.#ended) this.#open(ticket)
    } catch (error) {
      if (turn !== this.#turn || this.#ended) return
      if (error instanceof Problem && error.final) this.ear.refused(error)
      else this.#again()
    }
  }

  #open(ticket: string): void {
    const socket = new WebSocket(`${location.origin.replace('http', 'ws')}/api/live?ticket=${encodeURIComponent(ticket)}`)
    this.#socket = socket
    this.#listenFor(SILENCE)
    socket.onopen = () => this.hello()
    socket.onmessage = (message: MessageEvent<string>) => {
      this.#listenFor(SILENCE)
      this.#attempt = 0
      this.ear.line(true)
      const frame = JSON.parse(message.data) as Frame
      if (frame.type === 'heartbeat') void stay()
      if (frame.type === 'vote.receipt') this.#votes.get(frame.key)?.(frame.receipt)
      else if (frame.type === 'vote.refused') this.#votes.get(frame.key)?.(null)
      else this.ear.frame(frame)
    }
    socket.onclose = ({ code, reason }) => {
      if (this.#socket !== socket) return
      for (const end of [...this.#votes.values()]) end(null)
      if (this.#ended) return
      if (code === SIGNED_OUT) signIn().catch(() => this.#again())
      else this.#again(hinted(reason))
    }
  }

  /** A line that died without a word is cut here and made anew. */
  #listenFor(ms: number): void {
    clearTimeout(this.#watchdog)
    this.#watchdog = setTimeout(() => this.#socket?.close(), ms)
  }

  #again(wait?: number): void {
    if (this.#ended) return
    clearTimeout(this.#watchdog)
    this.#socket = undefined
    this.ear.line(false)
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => void this.#connect(), wait ?? backoff(this.#attempt++))
  }

  /** The device is back on the network, or the page on the screen: no reason to wait out the pause. */
  #hurry = (): void => {
    if (this.#socket || this.#ended || document.visibilityState === 'hidden') return
    clearTimeout(this.#timer)
    void this.#connect()
  }
}
