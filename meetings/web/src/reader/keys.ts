// Which key does what while one reads. Letters count only where the focus is in the reader, so that no one who types or speaks
// to the device elsewhere takes up a pen (WCAG 2.2, 2.1.4).
const TURNING = {
  ArrowRight: 'next',
  ArrowLeft: 'previous',
  PageDown: 'next',
  PageUp: 'previous',
  Home: 'first',
  End: 'last',
  ArrowDown: 'down',
  ArrowUp: 'up',
} as const
const LETTERS = { v: 'read', p: 'pen', h: 'marker', e: 'eraser', n: 'remark', '/': 'search' } as const
const WITH_CTRL = { z: 'undo', '=': 'in', '+': 'in', '-': 'out', '0': 'fit' } as const

/** Deeds that need the right to write. */
export const WRITING: ReadonlySet<string> = new Set(['pen', 'marker', 'eraser', 'remark', 'undo'])

type Of<T> = T[keyof T]
export type Action = Of<typeof TURNING> | Of<typeof LETTERS> | Of<typeof WITH_CTRL>

export function actionOf(event: KeyboardEvent, root: HTMLElement): Action | null {
  const target = event.target as HTMLElement
  const inside = root.contains(target)
  if (event.defaultPrevented || event.altKey || (!inside && target !== document.body)) return null
  if (target.closest('input, textarea, select, [contenteditable], [role=menu], [role=dialog]')) return null
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key
  if (event.ctrlKey || event.metaKey) return (WITH_CTRL as Record<string, Action>)[key] ?? null
  return (TURNING as Record<string, Action>)[key] ?? (inside ? ((LETTERS as Record<string, Action>)[key] ?? null) : null)
}
