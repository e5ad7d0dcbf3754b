import { beforeEach, expect, test, vi } from 'vitest'
import { Pencase } from './pencase.svelte'
import { NoteShelf } from './shelf.svelte'

const kept = new Map<string, string>()
vi.stubGlobal('localStorage', { getItem: (key: string) => kept.get(key) ?? null, setItem: (key: string, value: string) => kept.set(key, value) })

let shelf: NoteShelf
let pencase: Pencase
let version: number
const live = (): typeof shelf.notes => shelf.notes.filter((note) => !note.deleted)
const line = (x: number, y = 0): [number, number, number][] => [[x, y, 50], [x + 100, y, 50]] // prettier-ignore

beforeEach(() => {
  kept.clear()
  version = 1
  shelf = new NoteShelf('m', 'p')
  pencase = new Pencase(shelf, () => version)
})

test('strokes that follow each other nearby are one note, private', () => {
  pencase.stroke(0, line(0))
  pencase.stroke(0, line(150))
  expect(live()).toMatchObject([{ kind: 'ink', shared: false, strokes: [line(0), line(150)] }])
})

test.each([
  ['far away', () => pencase.stroke(0, line(2000))],
  ['on another page', () => pencase.stroke(1, line(0))],
  ['in another colour', () => (pencase.dip('red'), pencase.stroke(0, line(0)))],
  ['on another version', () => ((version = 2), pencase.stroke(0, line(0)))],
  ['after a pause', () => (vi.advanceTimersByTime(2000), pencase.stroke(0, line(0)))],
] as const)('a stroke %s is a note of its own', (_, next) => {
  vi.useFakeTimers({ toFake: ['performance'] })
  pencase.stroke(0, line(0))
  next()
  vi.useRealTimers()
  expect(live()).toHaveLength(2)
})

test('nothing is added to ink that is shared already', () => {
  pencase.stroke(0, line(0))
  pencase.share(live()[0]!, true)
  pencase.stroke(0, line(150))
  expect(live().map((note) => note.shared)).toEqual([true, false])
})

test('the eraser takes whole strokes, and only one’s own on this page and version', () => {
  pencase.stroke(0, line(0))
  pencase.stroke(0, line(0, 300))
  shelf.notes = [...shelf.notes, { ...live()[0]!, id: 'theirs', mine: false }, { ...live()[0]!, id: 'old', version: 9 }]
  pencase.startErasing()
  pencase.erase(0, [50, -100], [50, 100])
  expect(shelf.notes.find((note) => note.mine && note.version === 1)?.strokes).toEqual([line(0, 300)])
  expect(shelf.find('theirs')?.strokes).toHaveLength(2)
  expect(shelf.find('old')?.strokes).toHaveLength(2)
})

test('one movement of the eraser is undone at once, then the strokes one by one', () => {
  pencase.stroke(0, line(0))
  pencase.stroke(0, line(0, 300))
  pencase.startErasing()
  pencase.erase(0, [50, -100], [50, 100])
  pencase.erase(0, [50, 100], [50, 400])
  expect(live()).toEqual([])
  shelf.undo()
  expect(live()[0]?.strokes).toHaveLength(2)
  shelf.undo()
  expect(live()[0]?.strokes).toHaveLength(1)
  shelf.undo()
  expect(live()).toEqual([])
  expect(shelf.undoable).toBe(0)
})

test('a highlight and a remark are erased where they stand', () => {
  pencase.highlight(0, [[0, 100, 200, 100, 0, 0, 200, 0]], 'tổng thu')
  pencase.remark(0, [1000, 1000])
  pencase.write('Hỏi lại', false)
  expect(live()).toHaveLength(2)
  pencase.startErasing()
  pencase.erase(0, [50, 50], [50, 50])
  expect(live()).toMatchObject([{ kind: 'text' }])
  pencase.erase(0, [1090, 910], [1090, 910])
  expect(live()).toEqual([])
})

test('a remark without words is not kept, and typing is one step', () => {
  pencase.remark(0, [0, 0])
  pencase.write('  ', false)
  expect(live()).toEqual([])
  for (const words of ['H', 'Hỏ', 'Hỏi']) pencase.write(words, false)
  expect(live()).toMatchObject([{ text: 'Hỏi' }])
  shelf.undo()
  expect(live()).toEqual([])
})

test('once a pen was near, fingers do not write on this device for the day', () => {
  expect(pencase.penSeen).toBe(false)
  pencase.sawPen()
  expect(new Pencase(shelf, () => 1).penSeen).toBe(true)
  kept.set('reader.pen', String(Date.now() - 13 * 3600e3))
  expect(new Pencase(shelf, () => 1).penSeen).toBe(false)
})
