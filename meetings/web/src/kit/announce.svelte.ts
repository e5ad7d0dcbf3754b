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

export function announce(words: string, urgency: 'polite' | 'assertive' = 'polite'): void {
  // The same words twice would not be spoken; an unseen sign makes them new.
  if (urgency === 'assertive') assertive = words === assertive ? `${words}\u200b` : words
  else polite = words === polite ? `${words}\u200b` : words
}
