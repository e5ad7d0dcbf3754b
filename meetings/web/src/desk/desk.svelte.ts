// What the parts of the desk share: the meeting, its papers, what is on its way, and which item and paper are looked at.
import { untrack } from 'svelte'
import { rows, type Item, type Place } from './tree'
import { DeskPapers } from './papers.svelte'
import { Doing } from '../kit/doing.svelte'
import { sendTo, Uploads } from './uploads.svelte'
import type { State } from '../meeting/apply'
import type { MeetingStore } from '../meeting/state.svelte'
import { call, type Schemas } from '../wire/http'

export class Desk {
  readonly papers: DeskPapers
  readonly uploads: Uploads
  readonly doing = new Doing()
  #chosen = $state<string | null>(location.hash.slice(1) || null)
  paper = $state<string | null>(null)
  /** So many forms stand open, with words that were not saved. */
  editing = $state(0)

  constructor(readonly store: MeetingStore) {
    this.papers = new DeskPapers(store.id)
    this.uploads = new Uploads(sendTo(store.id), () => void this.papers.load())
  }

  get state(): State {
    if (!this.store.state) throw new Error('the desk is shown only when the meeting is known')
    return this.store.state
  }

  /** The item in the middle: the chosen one, or the first. */
  get item(): Item | undefined {
    const { agenda } = this.state
    return (this.#chosen ? agenda[this.#chosen] : undefined) ?? rows(agenda)[0]?.item
  }

  /** A form stands open until the returned function is called; for `$effect`. */
  edit(): () => void {
    untrack(() => this.editing++)
    return () => this.editing--
  }

  /** Kept in the address, so that it is there again after a reload or a sign-in. */
  choose(item: string): void {
    if (item !== this.#chosen) this.paper = null
    this.#chosen = item
    history.replaceState(null, '', `#${item}`)
  }

  /** Nothing of the agenda changes any more once the meeting is closed. */
  get frozen(): boolean {
    return this.state.meeting.stage === 'closed'
  }

  get offline(): boolean {
    return this.store.line === 'lost' || this.store.line === 'returning'
  }

  async add(title: string, parent_id: string | null): Promise<boolean> {
    return this.doing.run(async () => {
      const made = await call('post', '/api/meetings/{meeting_id}/items', { path: this.#at, body: { title, parent_id, presenter: '' } })
      this.choose(made.id)
    })
  }

  async change(item: string, plan: Schemas['ItemPlan'], doing = this.doing): Promise<boolean> {
    return doing.run(() => call('put', '/api/meetings/{meeting_id}/items/{item_id}', { path: { ...this.#at, item_id: item }, body: plan }))
  }

  async move(item: string, { parent_id, position }: Place): Promise<boolean> {
    const path = { ...this.#at, item_id: item }
    return this.doing.run(() => call('post', '/api/meetings/{meeting_id}/items/{item_id}/move', { path, body: { parent_id, position } }))
  }

  async remove(item: string): Promise<boolean> {
    return this.doing.run(() => call('delete', '/api/meetings/{meeting_id}/items/{item_id}', { path: { ...this.#at, item_id: item } }))
  }

  get #at(): { meeting_id: string } {
    return { meeting_id: this.store.id }
  }
}
