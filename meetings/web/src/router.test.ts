import { beforeAll, expect, test, vi } from 'vitest'

let parse: (path: string) => unknown

beforeAll(async () => {
  vi.stubGlobal('location', { pathname: '/' })
  vi.stubGlobal('addEventListener', () => {})
  ;({ parse } = await import('./router.svelte'))
})

test.each([
  ['/', { page: 'start' }],
  ['/m/abc', { page: 'meeting', id: 'abc' }],
  ['/m/abc/', { page: 'meeting', id: 'abc' }],
  ['/m/abc/chair', { page: 'chair', id: 'abc' }],
  ['/m/abc/desk', { page: 'desk', id: 'abc' }],
  ['/m/abc/minutes', { page: 'minutes', id: 'abc' }],
  ['/m/abc/bridges', { page: 'bridges', id: 'abc' }],
  ['/m/abc/bridge', { page: 'bridge', id: 'abc' }],
  ['/m/abc/rehearsal', { page: 'rehearsal', id: 'abc' }],
  ['/bodies/abc/members', { page: 'members', id: 'abc' }],
  ['/bodies/abc/bridges', { page: 'rooms', id: 'abc' }],
  ['/wall', { page: 'wall', id: null }],
  ['/wall/bridges', { page: 'wall', id: null }],
  ['/wall/abc', { page: 'wall', id: 'abc' }],
  ['/wall/abc/bridges', { page: 'wall-bridges', id: 'abc' }],
  ['/check-in/abc', { page: 'check-in', id: 'abc' }],
  ['/signed-in', { page: 'signed-in' }],
  ['/signed-out', { page: 'signed-out' }],
  ['/m', { page: 'unknown' }],
  ['/m/abc/other', { page: 'unknown' }],
  ['/m/abc/chair/more', { page: 'unknown' }],
  ['/signed-in/abc', { page: 'unknown' }],
])('%s', (path, route) => {
  expect(parse(path)).toEqual(route)
})
