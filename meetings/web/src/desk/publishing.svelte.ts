// What one press on "publish" lets out is what the dialog shows: nothing of it is still on its way, and nothing has come since.
import { Doing, underWay } from '../kit/doing.svelte'
import { call, type Schemas } from '../wire/http'
import type { Desk } from './desk.svelte'
import { waiting, type DeskPaper } from './readiness'

export class Publishing {
  readonly doing = new Doing()
  done = $state.raw<Schemas['Published'] | null>(null)
  /** The list was another when it was pressed: it is shown anew, and nothing went out. */
  changed = $state(false)

  constructor(readonly desk: Desk) {}

  /** What it waits for: a form that was not saved, a deed without its answer, a file on its way. */
  get waits(): 'editing' | 'saving' | 'sending' | null {
    const { desk } = this
    if (desk.editing) return 'editing'
    if (desk.uploads.underWay) return 'sending'
    return underWay() && !this.doing.busy ? 'saving' : null
  }

  async publish(): Promise<void> {
    if (this.waits) return
    const { desk } = this
    const seen = outOf(desk.papers.list ?? [])
    await this.doing.run(async () => {
      this.changed = outOf(await desk.papers.look()) !== seen
      if (!this.changed) this.done = await call('post', '/api/meetings/{meeting_id}/publish', { path: { meeting_id: desk.store.id } })
    })
    if (!this.done) return
    desk.uploads.clear()
    await desk.papers.load()
  }
}

function outOf(papers: DeskPaper[]): string {
  return JSON.stringify(waiting(papers).map(({ id, title, audience, item_id, versions }) => [id, title, audience, item_id, versions.length]))
}
