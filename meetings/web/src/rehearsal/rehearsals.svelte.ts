// The rehearsals of a meeting, newest first; asked for again and again while one is under way.
import { Doing } from '../kit/doing.svelte'
import type { Key } from '../kit/words.svelte'
import { call, LineLost, Problem, type Schemas } from '../wire/http'

export type Rehearsal = Schemas['RehearsalView']
export type Figure = Schemas['FigureView']

const PAUSE = 1500 // ms
export const LEAST = 2
export const MOST = 5000

export const underWay = (one: Rehearsal): boolean => one.state === 'waiting' || one.state === 'running'

/** The word for where it stands. */
export const verdictOf = (one: Rehearsal): Key => `rehearsal.${one.state}`

export class Rehearsals {
  readonly loading = new Doing()
  list = $state.raw<Rehearsal[] | null>(null)
  #timer: ReturnType<typeof setTimeout> | undefined
  #ended = false

  constructor(readonly meetingId: string) {}

  get running(): Rehearsal | undefined {
    return this.list?.find(underWay)
  }

  async load(): Promise<void> {
    this.#ended = false
    clearTimeout(this.#timer)
    await this.loading.run(async () => {
      this.list = await call('get', '/api/meetings/{meeting_id}/rehearsals', { path: { meeting_id: this.meetingId } })
    })
    this.#again()
  }

  end(): void {
    this.#ended = true
    clearTimeout(this.#timer)
  }

  /** A line that is lost for a moment changes nothing: the rehearsal goes on without this page. */
  #again(): void {
    if (!this.running || this.#ended) return
    this.#timer = setTimeout(async () => {
      try {
        this.list = await call('get', '/api/meetings/{meeting_id}/rehearsals', { path: { meeting_id: this.meetingId } })
      } catch (error) {
        if (!(error instanceof LineLost || error instanceof Problem)) throw error
      }
      this.#again()
    }, PAUSE)
  }
}
