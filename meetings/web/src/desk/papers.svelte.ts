// The papers as the desk sees them, with what is not published yet. Uploads and read receipts are not events, so the list is
// fetched anew after each deed and from time to time.
import { call } from '../wire/http'
import type { DeskPaper } from './readiness'

const OFTEN = 20_000 // ms

export class DeskPapers {
  list = $state.raw<DeskPaper[] | null>(null)
  #turn = 0

  constructor(readonly meetingId: string) {}

  /** The server's list; throws where it could not be had. */
  async look(): Promise<DeskPaper[]> {
    const turn = ++this.#turn
    const found = await call('get', '/api/meetings/{meeting_id}/papers/desk', { path: { meeting_id: this.meetingId } })
    if (turn === this.#turn) this.list = found // else a newer answer is here, or on its way
    return found
  }

  /** What is known stays on the screen without an answer; the bar tells of the line, and the next turn tries again. */
  async load(): Promise<void> {
    await this.look().catch(() => undefined)
  }

  /** Keeps the list fresh while the page is seen; for `$effect(() => papers.watch())`. */
  watch(): () => void {
    void this.load()
    const timer = setInterval(() => document.visibilityState === 'visible' && void this.load(), OFTEN)
    return () => clearInterval(timer)
  }

  of(item: string): DeskPaper[] {
    return (this.list ?? []).filter((paper) => paper.item_id === item)
  }
}
