// One deed at a time, with what came of it: busy while it is under way, and the refusal until the next try.
import { t } from '../kit/words.svelte'
import { LineLost, Problem } from '../wire/http'

export class Doing {
  busy = $state(false)
  refusal = $state.raw<{ code: string; title: string } | null>(null)

  /** Whether it was done. */
  async run(deed: () => Promise<unknown>): Promise<boolean> {
    if (this.busy) return false
    this.busy = true
    this.refusal = null
    try {
      await deed()
      return true
    } catch (error) {
      if (error instanceof Problem) this.refusal = { code: error.code, title: error.title }
      else if (error instanceof LineLost) this.refusal = { code: 'line-lost', title: t('desk.line-lost') }
      else throw error
      return false
    } finally {
      this.busy = false
    }
  }
}
