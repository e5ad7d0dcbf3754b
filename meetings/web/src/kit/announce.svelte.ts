// What a screen reader says by itself. Assertive only for the four moments of a vote.
import { t } from './words.svelte'

let polite = $state('')
let assertive = $state('')

export const said = {
  get polite(): string {
    return polite
  },
  get assertive(): string {
    return assertive
  },
}

let turn = false

/** Says of a clock only what matters: its last minute, and its last ten seconds. */
export function announceLeft(seconds: number | null): void {
  if (seconds === 60) announce(t('vote.minute-left'))
  if (seconds === 10) announce(t('vote.ten-seconds-left'))
}

export function announce(words: string, urgency: 'polite' | 'assertive' = 'polite'): void {
  turn = !turn
  const fresh = turn ? words : `${words}\u200b` // the same words twice would not be spoken; an unseen sign makes them new
  if (urgency === 'assertive') assertive = fresh
  else polite = fresh
}
