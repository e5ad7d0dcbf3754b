import { LineLost, Problem } from '../wire/http'
import { t } from './words.svelte'

export interface Attempt<A extends unknown[]> {
  readonly busy: boolean
  /** What went wrong the last time, in words; empty while all is well. */
  readonly problem: string
  /** Runs the deed; true where it was done. A second press while it runs does nothing. */
  run(...given: A): Promise<boolean>
  forget(): void
}

/** A deed behind a button: busy while it runs, and the server's refusal in words where it has one. */
export function attempt<A extends unknown[]>(deed: (...given: A) => Promise<unknown>): Attempt<A> {
  let busy = $state(false)
  let problem = $state('')
  return {
    get busy() {
      return busy
    },
    get problem() {
      return problem
    },
    async run(...given: A): Promise<boolean> {
      if (busy) return false
      busy = true
      problem = ''
      try {
        await deed(...given)
        return true
      } catch (error) {
        if (error instanceof Problem) problem = error.title || t('problem.unknown')
        else if (error instanceof LineLost) problem = t('problem.line')
        else throw error
        return false
      } finally {
        busy = false
      }
    },
    forget() {
      problem = ''
    },
  }
}
