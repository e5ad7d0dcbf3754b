import { expect, test } from 'vitest'
import { fromForm, toForm } from './vietnam'

test.each([
  ['2026-12-09T01:00:00.000Z', { date: '2026-12-09', time: '08:00' }],
  ['2026-12-31T17:30:00.000Z', { date: '2027-01-01', time: '00:30' }],
])('%s in Vietnam, and back', (iso, form) => {
  expect(toForm(iso)).toEqual(form)
  expect(fromForm(form.date, form.time)).toBe(iso)
})
