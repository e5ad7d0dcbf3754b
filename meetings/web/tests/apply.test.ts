import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { apply } from '../src/meeting/apply'

const golden = JSON.parse(readFileSync(new URL('golden/apply.json', import.meta.url), 'utf8'))

test('the web app applies events as the server does', () => {
  let state = golden.start
  for (const step of golden.steps) {
    state = apply(state, step.event)
    expect(state, step.event.type).toEqual(step.after)
  }
  expect(golden.steps.length).toBeGreaterThan(20)
})

test('applying an event twice changes nothing', () => {
  let state = golden.start
  for (const step of golden.steps) {
    state = apply(apply(state, step.event), step.event)
    expect(state, step.event.type).toEqual(step.after)
  }
})
