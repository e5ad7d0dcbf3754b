// The verbs of who conducts the meeting, one at a time; the last refusal in words.
import { Doing } from '../kit/doing.svelte'
import { speaker, waiting, type Poll } from '../meeting/read'
import type { State } from '../meeting/apply'
import type { MeetingStore } from '../meeting/state.svelte'
import { call } from '../wire/http'

const MINUTE = 60 // seconds
const MORE = 30 // seconds that a vote is given at a time
const DOUBLE = 600 // ms: a second tap so soon belongs to the first

type OfSpeech = 'give' | 'pause' | 'resume' | 'end' | 'withdraw'
type OfHouse = 'open' | 'adjourn' | 'close'

export class Conduct {
  readonly doing = new Doing()
  #wentOnAt = -DOUBLE

  constructor(readonly meeting: MeetingStore) {}

  get state(): State {
    if (!this.meeting.state) throw new Error('the chair conducts only a meeting that is known')
    return this.meeting.state
  }

  /** Nothing can be done without the house. */
  get cut(): boolean {
    return this.meeting.line === 'lost'
  }

  house(verb: OfHouse): Promise<boolean> {
    return this.doing.run(() => call('post', `/api/meetings/{meeting_id}/${verb}`, { path: this.#at }))
  }

  checkIn(): Promise<boolean> {
    return this.doing.run(() => call('post', '/api/meetings/{meeting_id}/check-in', { path: this.#at, body: {} }))
  }

  async enter(item_id: string): Promise<boolean> {
    return this.#goesOn() && this.doing.run(() => this.#enter(item_id))
  }

  /** Shows a page (from 1) of a paper to all; null lets go. */
  show(paper_id: string | null, page = 1): Promise<boolean> {
    const body = paper_id === null ? { paper_id } : { paper_id, page }
    return this.doing.run(() => call('post', '/api/meetings/{meeting_id}/lead', { path: this.#at, body }))
  }

  speech(verb: OfSpeech, speech_id: string): Promise<boolean> {
    const path = { ...this.#at, speech_id }
    return this.doing.run(() => call('post', `/api/meetings/{meeting_id}/speeches/{speech_id}/${verb}`, { path }))
  }

  move(speech_id: string, place: number): Promise<boolean> {
    const path = { ...this.#at, speech_id }
    return this.doing.run(() => call('post', '/api/meetings/{meeting_id}/speeches/{speech_id}/move', { path, body: { place } }))
  }

  /** Gives the floor to the first who waits. */
  async next(): Promise<void> {
    const first = waiting(this.state)[0]
    if (first && this.#goesOn()) await this.speech('give', first.id)
  }

  /** Not where a button was tapped twice: the first tap has put another item, or another speaker, under the finger. */
  #goesOn(): boolean {
    const now = performance.now()
    const first = now - this.#wentOnAt >= DOUBLE
    this.#wentOnAt = now
    return first
  }

  async pauseOrResume(): Promise<void> {
    const speech = speaker(this.state)
    if (speech) await this.speech(speech.state === 'paused' ? 'resume' : 'pause', speech.id)
  }

  async addMinute(): Promise<void> {
    const speech = speaker(this.state)
    if (!speech) return
    const path = { ...this.#at, speech_id: speech.id }
    await this.doing.run(() => call('post', '/api/meetings/{meeting_id}/speeches/{speech_id}/extend', { path, body: { seconds: MINUTE } }))
  }

  /** Turns the house to the poll's item where it is not there yet, so that every screen shows the vote where it belongs. */
  openPoll(poll: Poll): Promise<boolean> {
    return this.doing.run(async () => {
      if (this.state.meeting.current_item_id !== poll.item_id) await this.#enter(poll.item_id)
      await call('post', '/api/meetings/{meeting_id}/polls/{poll_id}/open', { path: { ...this.#at, poll_id: poll.id } })
    })
  }

  extendPoll(poll_id: string): Promise<boolean> {
    const path = { ...this.#at, poll_id }
    return this.doing.run(() => call('post', '/api/meetings/{meeting_id}/polls/{poll_id}/extend', { path, body: { seconds: MORE } }))
  }

  poll(verb: 'close' | 'declare', poll_id: string): Promise<boolean> {
    return this.doing.run(() => call('post', `/api/meetings/{meeting_id}/polls/{poll_id}/${verb}`, { path: { ...this.#at, poll_id } }))
  }

  #enter(item_id: string): Promise<void> {
    return call('post', '/api/meetings/{meeting_id}/enter', { path: this.#at, body: { item_id } })
  }

  get #at(): { meeting_id: string } {
    return { meeting_id: this.meeting.id }
  }
}
