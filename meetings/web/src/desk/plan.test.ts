import { expect, test } from 'vitest'
import type { Schemas } from '../wire/http'
import { changeOf, planOf, rebased } from './plan'

const before = {
  title: 'Kỳ họp thứ 4',
  kind: 'regular',
  place: 'Hội trường',
  starts_at: '2026-12-09T01:00:30Z',
  chair_id: 'thien',
  secretary_id: null,
} as Schemas['MeetingView']

test('only what was changed is sent, with what it was changed from', () => {
  expect(changeOf(before, planOf(before))).toBeNull()
  expect(changeOf(before, { ...planOf(before), title: ' Kỳ họp thứ 5 ', secretary_id: 'hanh' })).toEqual({
    title: 'Kỳ họp thứ 5',
    secretary_id: 'hanh',
    was: { title: 'Kỳ họp thứ 4', secretary_id: null },
  })
  expect(changeOf(before, { ...planOf(before), time: '14:00' })).toEqual({
    starts_at: '2026-12-09T07:00:00.000Z',
    was: { starts_at: '2026-12-09T01:00:30Z' },
  })
})

test('after another’s change the form keeps one’s own and takes the rest', () => {
  const now = { ...before, title: 'Kỳ họp thứ 6', place: 'Hội trường B' }
  const plan = rebased(before, { ...planOf(before), title: 'Kỳ họp thứ 5' }, now)
  expect(changeOf(now, plan)).toEqual({ title: 'Kỳ họp thứ 5', was: { title: 'Kỳ họp thứ 6' } })
})
