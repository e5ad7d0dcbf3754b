import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { clockTime, count, date, dayMonth, exactTime, inSeconds, length, percent, phone, sameDay, size } from './format'
import { language } from './words.svelte'

beforeEach(() => vi.stubGlobal('document', { documentElement: { lang: '' } }))
afterEach(() => vi.unstubAllGlobals())

const AT = '2026-12-09T03:42:07Z' // 10:42:07 in Vietnam

test.each([
  ['vi', '09/12/2026', '09/12', '75,0%', '31.850', '3,1 MB'],
  ['en', '9 December 2026', '9 Dec', '75.0%', '31,850', '3.1 MB'],
] as const)('dates and numbers in %s', (which, whole, short, share, number, bytes) => {
  language.show(which)
  expect([date(AT), dayMonth(AT), percent(45, 60), count(31850), size(3_100_000)]).toEqual([whole, short, share, number, bytes])
})

test('times are Vietnam time, whatever the zone of the device', () => {
  expect([clockTime(AT), exactTime(AT)]).toEqual(['10:42', '10:42:07'])
  expect(clockTime('2026-12-09T17:00:00Z')).toBe('00:00')
  expect(sameDay('2026-12-09T16:59:59Z', '2026-12-09T17:00:00Z')).toBe(false)
})

test('lengths never fall below zero and show hours only where there are some', () => {
  expect([length(192.9), length(0), length(-3), length(3792)]).toEqual(['03:12', '00:00', '00:00', '1:03:12'])
})

test('a share of nobody is nothing', () => {
  language.show('vi')
  expect(percent(0, 0)).toBe('0,0%')
})

test.each([
  ['vi', '0,4', '2,1', '0912 345 154', '0263 382 2154'],
  ['en', '0.4', '2.1', '+84 912 345 154', '0263 382 2154'],
] as const)('seconds and telephones in %s', (which, short, slow, mobile, other) => {
  language.show(which)
  expect([inSeconds(420), inSeconds(2100), phone('0912345154'), phone('0263 382 2154')]).toEqual([short, slow, mobile, other])
  expect(phone('+84 912.345.154')).toBe(mobile)
})
