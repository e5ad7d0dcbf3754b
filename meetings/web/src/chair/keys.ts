/** What a key does while people speak; null where the key belongs to what has the focus. Opening and closing a vote have none. */
export function keyVerb(event: Pick<KeyboardEvent, 'key' | 'altKey' | 'ctrlKey' | 'metaKey' | 'repeat' | 'target'>): 'pause' | 'next' | 'minute' | null {
  const { key, altKey, ctrlKey, metaKey, repeat } = event
  const inside = (selector: string): boolean => event.target instanceof Element && event.target.closest(selector) !== null
  if (altKey || ctrlKey || metaKey || repeat || inside('input, textarea, select, [role=menu]')) return null
  if (key === ' ' && !inside('button, a')) return 'pause'
  if (key === 'ArrowRight') return 'next'
  return key === '+' ? 'minute' : null
}
