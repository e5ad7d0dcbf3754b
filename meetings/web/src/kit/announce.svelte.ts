// What a screen reader says by itself. Assertive only for the four moments of a vote.
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

export function announce(words: string, urgency: 'polite' | 'assertive' = 'polite'): void {
  turn = !turn
  const fresh = turn ? words : `${words}\u200b` // the same words twice would not be spoken; an unseen sign makes them new
  if (urgency === 'assertive') assertive = fresh
  else polite = fresh
}
