import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { json, surroundings } from '../../tests/province'
import type { MeetingStore } from '../meeting/state.svelte'
import type { Desk as DeskType } from './desk.svelte'
import type { Publishing as PublishingType } from './publishing.svelte'
import type { DeskPaper } from './readiness'

let world: ReturnType<typeof surroundings>
let desk: DeskType
let publishing: PublishingType
let saved: (() => void)[]
let list: Partial<DeskPaper>[]
const paper = (id: string): Partial<DeskPaper> => ({ id, title: id, audience: 'all', item_id: 'i', versions: [{} as never] })
const out = (): number => world.asked.filter((asked) => asked.path.endsWith('/publish')).length

beforeEach(async () => {
  world = surroundings()
  saved = []
  list = [paper('a')]
  world.serve(({ method, path }) => {
    if (path.endsWith('/desk')) return json(list)
    if (path.endsWith('/publish')) return json({ first: false, papers: list.length, notices: 0 })
    if (method === 'DELETE') return new Promise((answer) => saved.push(() => answer(new Response(null, { status: 204 }))))
    return new Response(null, { status: 204 })
  })
  vi.resetModules()
  const { Desk } = await import('./desk.svelte')
  const { Publishing } = await import('./publishing.svelte')
  desk = new Desk({ id: 'm1' } as MeetingStore)
  publishing = new Publishing(desk)
  await desk.papers.load()
})
afterEach(() => vi.unstubAllGlobals())

test('what is seen goes out', async () => {
  await publishing.publish()
  expect(publishing.done?.papers).toBe(1)
})

test('nothing goes out while a deed is without its answer', async () => {
  const removing = desk.remove('i')
  await vi.waitFor(() => expect(saved).toHaveLength(1))
  await publishing.publish()
  expect([publishing.waits, out()]).toEqual(['saving', 0])
  saved[0]!()
  await removing
  await publishing.publish()
  expect([publishing.waits, out()]).toEqual([null, 1])
})

test('nothing goes out while a file is on its way, or a form is open', async () => {
  const close = desk.edit()
  await publishing.publish()
  expect([publishing.waits, out()]).toEqual(['editing', 0])
  close()
  desk.uploads.list.push({ stage: 'checking' } as never)
  await publishing.publish()
  expect([publishing.waits, out()]).toEqual(['sending', 0])
})

test('what came since is shown first', async () => {
  list = [paper('a'), paper('b')]
  await publishing.publish()
  expect([publishing.changed, out(), desk.papers.list?.length]).toEqual([true, 0, 2])
  await publishing.publish()
  expect([publishing.changed, out()]).toEqual([false, 1])
})
