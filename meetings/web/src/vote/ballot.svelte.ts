// One member's ballot in one poll: what is chosen, whether it has left the device, and what the server said.
// "Recorded" is never shown without a receipt, "not counted" never unless nothing has left or the server said so.
import { call, Problem, type Schemas } from '../wire/http'
import { backoff } from '../wire/socket'
import { within } from '../wire/within'
import type { Choice } from './choices'
import { forgetPending, keepPending, pendingOf, type Pending } from './pending'

type Phase =
  | 'reading' // asking the server and the device what is
  | 'choosing'
  | 'sending'
  | 'unsent' // nothing has left the device
  | 'unanswered' // it has left, and no answer came
  | 'recorded'
  | 'refused' // the server said that it does not count

const PATIENCE = 3000 // ms without an answer until that is told
const GIVE_UP = 10_000 // ms after which one attempt is cut and the next begins

interface Around {
  meetingId: string
  pollId: string
  memberId: string
  /** Over the live line: the receipt, or null where another way has to tell. */
  live?(vote: Omit<Schemas['VoteCast'], 'type'>): Promise<Schemas['Receipt'] | null>
  lineIsUp(): boolean
  /** Now by the server's clock. */
  now(): string
}

export class Ballot {
  phase = $state<Phase>('reading')
  /** What is on its way or, once recorded, what counts. */
  choice = $state<Choice | null>(null)
  receipt = $state.raw<Schemas['Receipt'] | null>(null)
  refusal = $state.raw<Problem | null>(null)
  /** Another device of the member was first, and its ballot counts. */
  elsewhere = $state(false)
  /** The house came back from a backup without the ballot that it had recorded. */
  lost = $state(false)
  sentAt = $state<string | null>(null)
  /** Since when the line has been failing this ballot. */
  troubleAt = $state<string | null>(null)

  #pending: Pending | null = null
  #attempt = 0
  #timer: ReturnType<typeof setTimeout> | undefined
  #busy = false
  #ended = false

  constructor(readonly around: Around) {}

  /** Finds the truth: a ballot on the device that has had no answer goes again, else the server tells what it has. */
  async start(): Promise<void> {
    const kept = await pendingOf(this.around.pollId, this.around.memberId).catch(() => undefined)
    if (this.#pending) return // chosen anew meanwhile
    if (!kept) return this.#readMine()
    this.#pending = kept
    this.choice = kept.choice
    this.sentAt = kept.sent_at
    this.phase = kept.sent_at ? 'unanswered' : 'unsent'
    await this.#deliver()
  }

  end(): void {
    this.#ended = true
    clearTimeout(this.#timer)
  }

  async cast(choice: Choice): Promise<void> {
    const { pollId: poll_id, memberId: member_id } = this.around
    const pending: Pending = { poll_id, member_id, choice, key: newKey(), replaces: this.receipt?.receipt ?? null, sent_at: null }
    this.#pending = pending
    this.choice = choice
    this.sentAt = this.troubleAt = null
    this.elsewhere = this.lost = false
    this.phase = 'sending'
    await this.#deliver()
  }

  /** Back to choosing: after a receipt, to change it; before anything left, to send another. */
  async reconsider(): Promise<void> {
    if (this.phase === 'unsent' && this.#pending) {
      const dropped = this.#pending
      this.#pending = null
      clearTimeout(this.#timer)
      await forgetPending(dropped).catch(() => undefined)
    }
    if (this.phase === 'unsent' || this.phase === 'recorded') this.phase = 'choosing'
  }

  /** The recorded ballot stays as it is. */
  leaveAsIs(): void {
    if (!this.receipt) return
    this.choice = this.receipt.choice
    this.phase = 'recorded'
  }

  /** No pause any more: the line is back, or the person asks. */
  hurry(): void {
    void this.#deliver()
  }

  /** What counts by now: another device may have changed it. A house that came back from a backup (`anew`) may not have it. */
  async reread({ anew = false } = {}): Promise<void> {
    if (this.phase !== 'recorded') return
    try {
      const mine = await this.#mine()
      if (this.phase === 'recorded' && mine.receipt !== this.receipt?.receipt) this.#record(mine)
    } catch (error) {
      if (!anew || this.phase !== 'recorded') return
      if (!(error instanceof Problem && error.final)) return this.#again(() => this.reread({ anew }))
      this.receipt = this.choice = null
      this.lost = true
      this.phase = 'choosing'
    }
  }

  /** Without a line one may choose already: should another device have voted, the server will say so. */
  async #readMine(): Promise<void> {
    if (this.#pending || this.receipt) return
    try {
      const mine = await this.#mine()
      if (!this.#pending) this.#record(mine)
    } catch (error) {
      if (this.#pending) return
      const final = error instanceof Problem && error.final
      if (this.phase === 'reading' || final) this.phase = 'choosing'
      if (!final) this.#again(() => this.#readMine())
    }
  }

  async #deliver(): Promise<void> {
    const pending = this.#pending
    if (!pending || this.#busy || this.#ended) return
    this.#busy = true
    clearTimeout(this.#timer)
    try {
      await keepPending(pending).catch(() => undefined) // a device without storage may still vote
      const reachable = pending.sent_at !== null || (await this.#reachable())
      if (this.#pending === pending) await (reachable ? this.#send(pending) : this.#trouble('unsent')) // else taken back while asking
    } finally {
      this.#busy = false
    }
    if (this.#pending !== pending) await this.#deliver() // another was chosen meanwhile
  }

  /** Before a ballot first leaves: whether the line stands, so that "not sent" is certain where it does not. */
  async #reachable(): Promise<boolean> {
    if (!navigator.onLine) return false
    if (this.around.lineIsUp()) return true
    return within(GIVE_UP, (signal) => call('get', '/api/meetings/{meeting_id}/seat', { path: this.#path(), signal })).then(
      () => true,
      (error: unknown) => error instanceof Problem,
    )
  }

  async #send(pending: Pending): Promise<void> {
    pending.sent_at ??= this.around.now()
    this.sentAt = pending.sent_at
    if (this.phase !== 'unanswered') this.phase = 'sending'
    await keepPending(pending).catch(() => undefined)
    const patience = setTimeout(() => this.#say('unanswered'), PATIENCE)
    try {
      const { choice, replaces, key } = pending
      const heard = await this.around.live?.({ poll_id: pending.poll_id, choice, replaces, key })
      const path = '/api/meetings/{meeting_id}/polls/{poll_id}/ballots'
      const cast = (signal: AbortSignal): Promise<Schemas['Receipt']> =>
        call('post', path, { path: this.#path(), body: { choice, replaces }, headers: { 'Idempotency-Key': key }, signal })
      const receipt = heard ?? (await within(GIVE_UP, cast))
      await this.#settle(pending)
      this.#record(receipt)
    } catch (error) {
      if (error instanceof Problem && error.final) await this.#refused(pending, error)
      else this.#trouble('unanswered')
    } finally {
      clearTimeout(patience)
    }
  }

  async #refused(pending: Pending, problem: Problem): Promise<void> {
    await this.#settle(pending)
    if (problem.code === 'already-voted') {
      this.elsewhere = true
      this.receipt = null
      return this.#readMine()
    }
    this.refusal = problem
    this.phase = 'refused'
  }

  async #settle(pending: Pending): Promise<void> {
    this.#pending = null
    this.#attempt = 0
    this.troubleAt = null
    await forgetPending(pending).catch(() => undefined)
  }

  #record(receipt: Schemas['Receipt']): void {
    this.receipt = receipt
    this.choice = receipt.choice
    this.refusal = null
    this.phase = 'recorded'
  }

  #trouble(phase: 'unsent' | 'unanswered'): void {
    this.#say(phase)
    this.#again(() => this.#deliver())
  }

  #say(phase: 'unsent' | 'unanswered'): void {
    this.troubleAt ??= this.around.now()
    this.phase = phase
  }

  #again(deed: () => Promise<void>): void {
    clearTimeout(this.#timer)
    if (!this.#ended) this.#timer = setTimeout(() => void deed(), backoff(this.#attempt++))
  }

  #mine(): Promise<Schemas['Receipt']> {
    return call('get', '/api/meetings/{meeting_id}/polls/{poll_id}/ballots/mine', { path: this.#path() })
  }

  #path(): { meeting_id: string; poll_id: string } {
    return { meeting_id: this.around.meetingId, poll_id: this.around.pollId }
  }
}

function newKey(): string {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, '0')).join('')
}
