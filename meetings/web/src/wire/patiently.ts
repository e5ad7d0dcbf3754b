import { Problem } from './http'
import { backoff } from './socket'

/** Asks again and again until the server has answered, or has refused for good; what it returns ends that, as for `$effect`. */
export function patiently<T>(ask: () => Promise<T>, heard: (answer: T) => void, refused: (problem: Problem) => void = () => {}): () => void {
  let ended = false
  let timer: ReturnType<typeof setTimeout> | undefined
  async function turn(attempt: number): Promise<void> {
    const answer = await ask().then(
      (told) => () => heard(told),
      (error: unknown) => (error instanceof Problem && error.final ? () => refused(error) : null),
    )
    if (ended) return
    if (answer) answer()
    else timer = setTimeout(() => void turn(attempt + 1), backoff(attempt))
  }
  void turn(0)
  return () => {
    ended = true
    clearTimeout(timer)
  }
}
