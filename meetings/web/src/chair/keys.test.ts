import { expect, test } from 'vitest'
import { keyVerb } from './keys'

const PLAIN = { altKey: false, ctrlKey: false, metaKey: false, repeat: false, target: null }
/** What has the focus: an element that is of this kind and inside nothing else. */
const on = (kind: string): unknown => ({ closest: (selector: string) => (selector.split(', ').includes(kind) ? {} : null) })

test.each([
  [' ', {}, 'pause'],
  ['ArrowRight', {}, 'next'],
  ['+', {}, 'minute'],
  ['Enter', {}, null],
  ['ArrowRight', { target: on('button') }, 'next'],
  [' ', { target: on('button') }, null],
  ['+', { target: on('input') }, null],
  ['ArrowRight', { target: on('[role=menu]') }, null],
  ['ArrowRight', { altKey: true }, null],
  ['ArrowRight', { repeat: true }, null],
])('the key %j with %j does %j', (key, changed, verb) => {
  expect(keyVerb({ ...PLAIN, key, ...changed })).toBe(verb)
})
