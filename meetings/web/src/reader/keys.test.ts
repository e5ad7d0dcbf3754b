import { expect, test } from 'vitest'
import { actionOf } from './keys'

interface Pressed {
  key: string
  ctrl?: boolean
  alt?: boolean
  /** Where the focus is: among the pages, in a field of the reader, elsewhere on the screen, nowhere. */
  on?: 'pages' | 'field' | 'rail' | 'body'
}
const body = { closest: () => null }

function pressed({ key, ctrl = false, alt = false, on = 'pages' }: Pressed): ReturnType<typeof actionOf> {
  const target = on === 'body' ? body : { closest: () => (on === 'field' ? {} : null) }
  const event = { key, ctrlKey: ctrl, altKey: alt, metaKey: false, defaultPrevented: false, target }
  const root = { contains: () => on === 'pages' || on === 'field' }
  Object.assign(globalThis, { document: { body } })
  return actionOf(event as unknown as KeyboardEvent, root as unknown as HTMLElement)
}

test.each([
  ['PageDown', 'next'],
  ['ArrowLeft', 'previous'],
  ['Home', 'first'],
  ['End', 'last'],
  ['p', 'pen'],
  ['P', 'pen'],
  ['H', 'marker'],
  ['/', 'search'],
])('%s in the pages: %s', (key, action) => {
  expect(pressed({ key })).toBe(action)
})

test.each([
  ['z', 'undo'],
  ['0', 'fit'],
  ['+', 'in'],
])('Ctrl and %s: %s', (key, action) => {
  expect(pressed({ key, ctrl: true })).toBe(action)
})

test('pages are turned without any focus, but letters do nothing then', () => {
  expect(pressed({ key: 'PageDown', on: 'body' })).toBe('next')
  expect(pressed({ key: 'p', on: 'body' })).toBeNull()
})

test('keys in a field, in the agenda, or with Alt belong to others', () => {
  expect(pressed({ key: 'p', on: 'field' })).toBeNull()
  expect(pressed({ key: 'ArrowLeft', on: 'field' })).toBeNull()
  expect(pressed({ key: 'ArrowDown', on: 'rail' })).toBeNull()
  expect(pressed({ key: '1', alt: true })).toBeNull()
  expect(pressed({ key: 'p', ctrl: true })).toBeNull()
})
