type Key = Pick<KeyboardEvent, 'key' | 'altKey' | 'ctrlKey' | 'metaKey' | 'repeat'> & { target: unknown }

/** What a key does while people speak; null where the key belongs to what has the focus. Opening and closing a vote have none. */
export function keyVerb({ key, altKey, ctrlKey, metaKey, repeat, target }: Key): 'pause' | 'next' | 'minute' | null {
  const inside = (selector: string): boolean => Boolean((target as Element | null)?.closest?.(selector))
  if (altKey || ctrlKey || metaKey || repeat || inside('input, textarea, select, [role=menu]')) return null
  if (key === ' ' && !inside('button, a')) return 'pause'
  if (key === 'ArrowRight') return 'next'
  return key === '+' ? 'minute' : null
}
