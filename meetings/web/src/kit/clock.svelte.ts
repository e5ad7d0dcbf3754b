// One clock for all that counts seconds on a screen: ticks on the second, so that figures change together.
let now = $state(Date.now())
let users = 0
let timer: ReturnType<typeof setTimeout> | undefined

function tick(): void {
  const at = Date.now() // not read back: an effect that starts the clock must not depend on it
  now = at
  timer = setTimeout(tick, 1000 - (at % 1000))
}

export const clock = {
  /** Milliseconds of the device's clock, fresh once a second while somebody uses it. */
  get now(): number {
    return now
  },
  /** Keeps the clock running until the returned function is called; for `$effect(() => clock.use())`. */
  use(): () => void {
    if (users++ === 0) tick()
    return () => {
      if (--users === 0) clearTimeout(timer)
    }
  },
}

/** Seconds from now (device time corrected by `skew`) until `iso`. */
export function secondsUntil(iso: string, now: number, skew: number): number {
  return Math.ceil((Date.parse(iso) - (now + skew)) / 1000)
}
