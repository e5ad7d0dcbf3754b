// One deed at a time, with what came of it: busy while it is under way, and the refusal until the next try.
import { LineLost, Problem } from '../wire/http'
import { t } from './words.svelte'

let many = $state(0)

/** Whether any deed of the app is without its answer yet. */
export const underWay = (): boolean => many > 0

export class Doing {
  busy = $state(false)
  refusal = $state.raw<Pick<Problem, 'code' | 'title' | 'final'> & Partial<Pick<Problem, 'facts'>> | null>(null)

  /** Whether it was done; a second press while it is under way does nothing. */
  async run(deed: () => Promise<unknown>): Promise<boolean> {
    if (this.busy) return false
    this.busy = true
    many++
    this.refusal = null
    try {
      await deed()
      return true
    } catch (error) {
      if (error instanceof Problem) this.refusal = error
      else if (error instanceof LineLost) this.refusal = { code: 'line-lost', title: t('problem.line-lost'), final: false }
      else throw error
      return false
    } finally {
      this.busy = false
      many--
    }
  }

  forget(): void {
    this.refusal = null
  }
}
