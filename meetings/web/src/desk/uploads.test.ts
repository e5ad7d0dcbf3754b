import { beforeEach, expect, test, vi } from 'vitest'
import { surroundings } from '../../tests/province'
import { Problem } from '../wire/http'
import { Uploads, type Draft, type Send } from './uploads.svelte'

interface Sending {
  name: string
  progress: (sent: number) => void
  take: (draft?: Partial<Draft>) => void
  refuse: (problem: Problem) => void
  cut: () => void
}
const draft: Draft = { paper_id: 'p', version: 1, pages: 3, size: 10, warnings: [], replaced: false }
const pdf = (name: string, size = 10): File => ({ name, size }) as File
const settle = (): Promise<void> => new Promise((done) => setTimeout(done))

let sending: Sending[]
let uploads: Uploads
const done = vi.fn()

beforeEach(() => {
  sending = []
  done.mockClear()
  const send: Send = (upload, progress, signal) =>
    new Promise((take, refuse) => {
      const cut = (): void => refuse(new Error('line'))
      signal.addEventListener('abort', cut)
      sending.push({ name: upload.file.name, progress, take: (over) => take({ ...draft, ...over }), refuse, cut })
    })
  uploads = new Uploads(send, done)
})

const stages = (): string[] => uploads.list.map((one) => one.stage)

test('two files go at once, the third waits for one of them', async () => {
  uploads.add([pdf('a.pdf'), pdf('b.pdf'), pdf('c.pdf')], { item: '1' })
  expect(stages()).toEqual(['sending', 'sending', 'waiting'])
  sending[0]!.take()
  await settle()
  expect(stages()).toEqual(['done', 'sending', 'sending'])
  expect(done).toHaveBeenCalledTimes(1)
})

test('when all bytes are out the file is being looked at', () => {
  uploads.add([pdf('a.pdf')], { item: '1' })
  sending[0]!.progress(0.5)
  expect(uploads.list[0]).toMatchObject({ stage: 'sending', sent: 0.5 })
  sending[0]!.progress(1)
  expect(uploads.list[0]!.stage).toBe('checking')
})

test.each([
  ['thu.docx', 10, 'not-a-pdf'],
  ['lon.pdf', 101 << 20, 'pdf-too-large'],
])('%s is refused without sending a byte', (name, size, code) => {
  uploads.add([pdf(name, size)], { item: '1' })
  expect(sending).toEqual([])
  expect(uploads.list[0]).toMatchObject({ stage: 'refused', problem: { code, again: false } })
  uploads.retry(uploads.list[0]!.id)
  expect(stages()).toEqual(['refused'])
})

test('a refusal keeps its words; the same file again helps only where the server was not itself', async () => {
  uploads.add([pdf('a.pdf'), pdf('b.pdf')], { item: '1' })
  sending[0]!.refuse(new Problem('encrypted-pdf', 422, 'có mật khẩu'))
  sending[1]!.refuse(new Problem('unavailable', 503, 'chưa phục vụ'))
  await settle()
  expect(uploads.list.map((one) => one.problem)).toEqual([
    { code: 'encrypted-pdf', title: 'có mật khẩu', again: false },
    { code: 'unavailable', title: 'chưa phục vụ', again: true },
  ])
})

test('a file that was cut off goes again when the line is back', async () => {
  uploads.add([pdf('a.pdf')], { item: '1' })
  sending[0]!.cut()
  await settle()
  expect(stages()).toEqual(['cut'])
  uploads.resume()
  expect(stages()).toEqual(['sending'])
  sending[1]!.take({ replaced: true, version: 2 })
  await settle()
  expect(uploads.list[0]).toMatchObject({ stage: 'done', draft: { version: 2 } })
})

test('a file stopped by hand stays stopped, makes room, and does not go again by itself', async () => {
  uploads.add([pdf('a.pdf'), pdf('b.pdf'), pdf('c.pdf')], { item: '1' })
  uploads.stop(uploads.list[0]!.id)
  await settle()
  expect(stages()).toEqual(['stopped', 'sending', 'sending'])
  uploads.resume()
  expect(stages()[0]).toBe('stopped')
})

test('what was taken in is forgotten on publishing, the rest stays', async () => {
  uploads.add([pdf('a.pdf'), pdf('b.docx')], { item: '1' })
  sending[0]!.take()
  await settle()
  uploads.clear()
  expect(uploads.list.map((one) => one.file.name)).toEqual(['b.docx'])
})

test('a file that is stopped while its token is fetched does not leave the device', async () => {
  surroundings()
  const sent = vi.fn()
  vi.stubGlobal(
    'XMLHttpRequest',
    class {
      upload = {}
      open(): void {}
      setRequestHeader(): void {}
      abort(): void {}
      send(): void {
        sent()
      }
    },
  )
  vi.stubGlobal('FormData', class { append(): void {} })
  const { sendTo } = await import('./uploads.svelte')
  const stop = new AbortController()
  const sending = sendTo('m1')({ file: pdf('a.pdf'), target: { item: 'i' } } as never, () => {}, stop.signal)
  stop.abort()
  await expect(sending).rejects.toThrow()
  expect(sent).not.toHaveBeenCalled()
  vi.unstubAllGlobals()
})
