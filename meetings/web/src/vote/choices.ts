import { Check, Minus, X } from '../kit/icons'
import type { Key } from '../kit/words.svelte'
import type { Schemas } from '../wire/http'

export type Choice = Schemas['Receipt']['choice']

/** The three choices in the order of the law. `tone` names the colour and the pattern. */
export const CHOICES = [
  { choice: 'in_favour', tone: 'yes', icon: Check, words: 'choice.in_favour' },
  { choice: 'against', tone: 'no', icon: X, words: 'choice.against' },
  { choice: 'abstaining', tone: 'abstain', icon: Minus, words: 'choice.abstaining' },
] as const satisfies { choice: Choice; tone: string; icon: unknown; words: Key }[]

export function lookOf(choice: Choice): (typeof CHOICES)[number] {
  return CHOICES.find((one) => one.choice === choice) ?? CHOICES[2]
}
