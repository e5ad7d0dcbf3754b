/** What is asked, cut off after so many milliseconds: a dead line may say nothing for minutes. */
export async function within<T>(ms: number, ask: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const cut = new AbortController()
  const timer = setTimeout(() => cut.abort(), ms)
  try {
    return await ask(cut.signal)
  } finally {
    clearTimeout(timer)
  }
}
