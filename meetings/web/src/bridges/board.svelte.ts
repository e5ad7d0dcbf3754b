// What the parts of the board share: the rooms as they are now, the chosen one, and what is known of it alone.
import type { MeetingStore } from '../meeting/state.svelte'
import { call, LineLost, Problem, type Schemas } from '../wire/http'
import { clustersOf, roomsOf, sumsOf, troublesOf, type Room } from './rooms'

type Detail = Schemas['BridgeDetail']
interface Remark {
  at: string
  text: string
}

export class Board {
  #chosen = $state<string | null>(null)
  #detail = $state.raw<Detail | null>(null)
  #remarks = $state.raw<Record<string, Remark>>({})
  #asked = new Set<string>()

  readonly rooms = $derived.by(() => (this.meeting.state ? roomsOf(this.meeting.state, this.meeting.bridges?.bridges ?? {}) : []))
  readonly clusters = $derived(clustersOf(this.rooms))
  readonly sums = $derived(sumsOf(this.rooms))
  readonly troubles = $derived(troublesOf(this.rooms))
  readonly room = $derived<Room | null>(this.rooms.find((room) => room.bridge.id === this.#chosen) ?? null)

  constructor(readonly meeting: MeetingStore) {}

  /** Of the chosen room; null until it is known. */
  get detail(): Detail | null {
    return this.#detail?.bridge.id === this.#chosen ? this.#detail : null
  }

  /** The last remark on a room, where it was heard or fetched. */
  remark(id: string): Remark | undefined {
    return this.#remarks[id]
  }

  /** Hears what the house says of the rooms beside their state, until the returned function is called. */
  listen(): () => void {
    return this.meeting.listen((event) => {
      if (event.type === 'bridge.noted') {
        const at = new Date(Date.now() + this.meeting.skew).toISOString()
        this.#remarks = { ...this.#remarks, [event.bridge_id]: { at, text: event.text } }
        if (event.bridge_id === this.#chosen) void this.load()
      } else if ('bridge' in event && event.bridge.id === this.#chosen) void this.load()
    })
  }

  choose(id: string): void {
    this.#chosen = id
    void this.load()
  }

  async load(): Promise<void> {
    const id = this.#chosen
    const detail = id && (await this.#fetch(id))
    if (detail && this.#chosen === id) this.#detail = detail
  }

  /** Fetches the last remark on each of these rooms, until it is known. */
  async remind(ids: string[]): Promise<void> {
    for (const id of ids.filter((one) => !this.#asked.has(one))) {
      this.#asked.add(id)
      const found = await this.#fetch(id)
      if (!found) this.#asked.delete(id)
      const last = found?.notes.at(-1)
      if (last && !this.#remarks[id]) this.#remarks = { ...this.#remarks, [id]: last }
    }
  }

  async #fetch(bridge_id: string): Promise<Detail | null> {
    try {
      return await call('get', '/api/meetings/{meeting_id}/bridges/{bridge_id}', { path: { meeting_id: this.meeting.id, bridge_id } })
    } catch (error) {
      if (error instanceof LineLost || error instanceof Problem) return null // the board tells by itself how old it is
      throw error
    }
  }
}
