import 'fake-indexeddb/auto'
import { beforeEach, expect, test } from 'vitest'
import type { Note } from './notes'
import { Outbox, unsent } from './outbox'

let outbox: Outbox
let member = 0

function note(made: Partial<Note> = {}): Note {
  const empty = { strokes: [[[1, 1, 50]]], quads: [], at: null, text: '', shared: false, deleted: false, rev: 0 }
  const kind = { id: 'a', paper_id: 'p', version: 1, page: 0, kind: 'ink' as const, color: '#1E4C9A', width: 18 }
  return { ...kind, ...empty, author_id: 'me', mine: true, modified_at: '2026-12-09T01:00:00Z', ...made }
}
const only = async (): Promise<Note> => (await outbox.notes('p'))[0] as Note

beforeEach(async () => {
  outbox = new Outbox(`m${++member}`)
})

test('a change is on the device with the wish to send it', async () => {
  await outbox.write('m', [note()])
  expect(await only()).toEqual(note())
  expect(await outbox.waiting()).toMatchObject([{ id: 'a', meeting_id: 'm', refused: null }])
})

test('it is there after the app was closed', async () => {
  await outbox.write('m', [note()])
  outbox = new Outbox(`m${member}`)
  expect(await outbox.waiting()).toHaveLength(1)
  expect(await only()).toEqual(note())
})

test('one person’s notes are not another’s', async () => {
  await outbox.write('m', [note()])
  const other = new Outbox('somebody else')
  expect(await other.notes('p')).toEqual([])
  expect(await other.waiting()).toEqual([])
})

test('an answer clears the wish and brings the revision', async () => {
  await outbox.write('m', [note()])
  const [wish] = await outbox.waiting()
  const sent = (await outbox.take(wish!)) as Note
  await outbox.acknowledge(wish!, sent, { ...sent, rev: 1 })
  expect(await outbox.waiting()).toEqual([])
  expect((await only()).rev).toBe(1)
})

test('what was written while the answer was on its way is kept and sent on top of it', async () => {
  await outbox.write('m', [note()])
  const [wish] = await outbox.waiting()
  const sent = (await outbox.take(wish!)) as Note
  await outbox.write('m', [note({ color: '#B02E1A' })])
  await outbox.acknowledge(wish!, sent, { ...sent, rev: 1 })
  expect(await outbox.waiting()).toHaveLength(1)
  expect(await only()).toMatchObject({ color: '#B02E1A', rev: 1 })
})

test('a screen that knows an old revision does not bring it back', async () => {
  await outbox.write('m', [note()])
  const [wish] = await outbox.waiting()
  const sent = (await outbox.take(wish!)) as Note
  await outbox.acknowledge(wish!, sent, { ...sent, rev: 4 })
  await outbox.write('m', [note({ rev: 0, shared: true })])
  expect(await only()).toMatchObject({ rev: 4, shared: true })
})

test('a wish that was overtaken sends nothing', async () => {
  await outbox.write('m', [note()])
  const [wish] = await outbox.waiting()
  await outbox.write('m', [note({ color: '#B02E1A' })])
  expect(await outbox.take(wish!)).toBeUndefined()
})

test('an answer that never came does not make a second note', async () => {
  await outbox.write('m', [note({ kind: 'text', text: 'Dự' })])
  const [first] = await outbox.waiting()
  const sent = (await outbox.take(first!)) as Note
  await outbox.write('m', [note({ kind: 'text', text: 'Dự phòng' })])
  const [second] = await outbox.waiting()
  await outbox.take(second!)
  await outbox.settle(second!, { ...sent, rev: 1 })
  expect(await outbox.notes('p')).toMatchObject([{ id: 'a', text: 'Dự phòng', rev: 1 }])
  expect(await outbox.waiting()).toHaveLength(1)
})

test('where another device was first both notes stay, and ours is sent under its new name', async () => {
  await outbox.write('m', [note({ kind: 'text', text: 'ở đây' })])
  const [wish] = await outbox.waiting()
  await outbox.settle(wish!, note({ kind: 'text', text: 'ở kia', rev: 2 }))
  const [theirs, ours] = (await outbox.notes('p')).sort((a, b) => b.rev - a.rev)
  expect(theirs).toMatchObject({ id: 'a', text: 'ở kia', rev: 2 })
  expect(ours).toMatchObject({ text: 'ở đây', rev: 0 })
  expect(await outbox.waiting()).toMatchObject([{ id: ours!.id, meeting_id: 'm' }])
})

test('what the server refuses stays on the device with the reason until it is changed', async () => {
  await outbox.write('m', [note()])
  const [wish] = await outbox.waiting()
  await outbox.refuse(wish!, 'Không có trang này.')
  expect(await outbox.waiting()).toMatchObject([{ refused: 'Không có trang này.' }])
  await outbox.write('m', [note({ page: 1 })])
  expect(await outbox.waiting()).toMatchObject([{ refused: null }])
})

test('the server’s notes are taken in, but for those that wait here', async () => {
  await outbox.write('m', [note({ color: '#B02E1A' })])
  await outbox.merge('m', 'p', [note({ rev: 1 }), note({ id: 'b', rev: 1 })])
  expect(await outbox.notes('p')).toMatchObject([{ id: 'a', color: '#B02E1A' }, { id: 'b' }])
})

test('what signing out would lose is known, whoever wrote it', async () => {
  const before = await unsent()
  await outbox.write('m', [note(), note({ id: 'b' })])
  await new Outbox('somebody').write('m', [note()])
  expect(await unsent()).toBe(before + 3)
  const wish = (await outbox.waiting())[0]!
  await outbox.acknowledge(wish, note(), note({ rev: 1 }))
  expect(await unsent()).toBe(before + 2)
})
