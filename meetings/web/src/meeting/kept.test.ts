import { beforeEach, expect, test, vi } from 'vitest'
import { surroundings } from '../../tests/province'
import type { Kept } from './kept'

const KEPT = { epoch: 'e1', seq: 7, state: { quorum: { present: 3 } }, seat: { member_id: 'm1' } } as unknown as Kept
const idToken = (sub: string): string => `x.${btoa(JSON.stringify({ sub }))}.x`
let release = 'https://hop.test/assets/index-one.js'

beforeEach(() => {
  surroundings()
  vi.stubGlobal('document', { ...document, querySelector: () => ({ src: release }) })
  sessionStorage.setItem('id', idToken('anh'))
})

async function recalled(): Promise<Kept | null> {
  const { recallMeeting } = await import('./kept')
  return recallMeeting('m1')
}

test('a reload without a line begins with what the tab knew', async () => {
  const { keepMeeting } = await import('./kept')
  keepMeeting('m1', KEPT)
  expect(await recalled()).toEqual(KEPT)
})

test('another person at the same tab, or another release, begins with nothing', async () => {
  const { keepMeeting } = await import('./kept')
  keepMeeting('m1', KEPT)
  sessionStorage.setItem('id', idToken('binh'))
  expect(await recalled()).toBeNull()
  sessionStorage.setItem('id', idToken('anh'))
  release = 'https://hop.test/assets/index-two.js'
  expect(await recalled()).toBeNull()
})

test('where the tab has no room for it nothing is kept, and nothing breaks', async () => {
  const { keepMeeting } = await import('./kept')
  vi.spyOn(sessionStorage, 'setItem').mockImplementation(() => {
    throw new DOMException('full', 'QuotaExceededError')
  })
  keepMeeting('m1', KEPT)
  expect(await recalled()).toBeNull()
})
