import { describe, expect, test } from 'vitest'
import { acknowledge, bodyOf, merge, same, settle, type Note } from './notes'

let names = 0
function note(made: Partial<Note> = {}): Note {
  return {
    id: `n${++names}`,
    paper_id: 'p',
    version: 1,
    page: 0,
    kind: 'ink',
    strokes: [[[names, 0, 50]]],
    quads: [],
    at: null,
    color: '#1E4C9A',
    width: 18,
    text: '',
    shared: false,
    deleted: false,
    rev: 0,
    author_id: 'me',
    mine: true,
    modified_at: '2026-12-09T01:00:00Z',
    ...made,
  }
}
const text = (words: string, made: Partial<Note> = {}): Note => note({ kind: 'text', strokes: [], at: [10, 10], text: words, ...made })
const none = new Set<string>()

test('only what a note says is sent, with the revision that is known', () => {
  const body = bodyOf(note({ rev: 4 }))
  expect(body.rev).toBe(4)
  expect(body).not.toHaveProperty('id')
  expect(body).not.toHaveProperty('mine')
})

test('outer blanks and the form of marks do not make a difference', () => {
  const one = text('Dự phòng ')
  expect(same(one, { ...one, text: 'Dự phòng'.normalize('NFD') })).toBe(true)
  expect(same(one, { ...one, text: 'Dự phóng' })).toBe(false)
})

describe('merge', () => {
  test('what another device wrote appears, tombstones too', () => {
    const [a, b] = [note({ rev: 2 }), note({ rev: 1, deleted: true })]
    expect(merge([{ ...a, rev: 1, strokes: [] }], [a, b], none)).toEqual({ keep: [a, b], drop: [], resend: [] })
  })

  test('what waits to be sent is left alone', () => {
    const mine = note({ rev: 1 })
    expect(merge([mine], [{ ...mine, rev: 3, color: '#000000' }], new Set([mine.id])).keep).toEqual([])
  })

  test('an answer that was on its way while a newer one came changes nothing', () => {
    const mine = note({ rev: 5 })
    expect(merge([mine], [{ ...mine, rev: 4 }], none).keep).toEqual([])
  })

  test('what others no longer share goes', () => {
    const theirs = note({ mine: false, author_id: 'other', shared: true, rev: 1 })
    expect(merge([theirs], [], none).drop).toEqual([theirs.id])
  })

  test('what the server has lost, after a restore, is sent again', () => {
    const [mine, gone] = [note({ rev: 7 }), note({ rev: 2, deleted: true })]
    expect(merge([mine, gone], [], none)).toEqual({ keep: [], drop: [gone.id], resend: [{ ...mine, rev: 0 }] })
  })
})

describe('settle', () => {
  test('two devices that typed into one remark leave two remarks', () => {
    const here = text('Hỏi Sở Tài chính', { rev: 1 })
    const there = { ...here, text: 'Hỏi Sở Xây dựng', rev: 2 }
    expect(settle(here, there, 'new')).toEqual({ keep: there, waits: false, again: { ...here, id: 'new', at: [10, -210], rev: 0 } })
  })

  test('of ink only the strokes that the other lacks become a new note', () => {
    const [one, two, three] = [[[1, 1, 50]], [[2, 2, 50]], [[3, 3, 50]]]
    const here = note({ strokes: [one, two] as number[][][] })
    const there = { ...here, strokes: [one, three] as number[][][], rev: 2 }
    expect(settle(here, there, 'new').again).toMatchObject({ id: 'new', rev: 0, strokes: [two] })
  })

  test('what was deleted elsewhere and changed here lives on', () => {
    const here = text('mới', { rev: 1 })
    expect(settle(here, { ...here, text: 'cũ', deleted: true, rev: 2 }, 'new').again).toMatchObject({ id: 'new', text: 'mới' })
  })

  test('what was deleted here and changed elsewhere lives on', () => {
    const there = text('mới', { rev: 2 })
    expect(settle({ ...there, text: 'cũ', deleted: true, rev: 1 }, there, 'new')).toEqual({ keep: there, waits: false, again: null })
  })

  test('what this device sent without hearing an answer is no conflict', () => {
    const first = text('Dự')
    const now = { ...first, text: 'Dự phòng' }
    expect(settle(now, { ...first, rev: 1 }, 'new', [first])).toEqual({ keep: { ...now, rev: 1 }, waits: true, again: null })
  })
})

/** The server's rule, as in meetings/notes/actions.py. */
class Server {
  notes = new Map<string, Note>()

  put(sent: Note): { taken: boolean; note: Note } {
    const known = this.notes.get(sent.id)
    if (known && same(known, sent)) return { taken: true, note: known }
    if (known && known.rev !== sent.rev) return { taken: false, note: known }
    const note = { ...sent, rev: (known?.rev ?? 0) + 1 }
    this.notes.set(note.id, note)
    return { taken: true, note }
  }
}

/** One device of the person: what it keeps, and how it sends, may lose answers, and is written on meanwhile. */
class Device {
  notes = new Map<string, Note>()
  waiting = new Map<string, Note[]>()

  write(changed: Note): void {
    this.notes.set(changed.id, { ...changed, rev: this.notes.get(changed.id)?.rev ?? 0 })
    this.waiting.set(changed.id, this.waiting.get(changed.id) ?? [])
  }

  send(id: string, server: Server, lost: boolean, meanwhile: () => void): void {
    const sent = this.notes.get(id) as Note
    const unanswered = [...(this.waiting.get(id) ?? []), sent]
    this.waiting.set(id, unanswered)
    const answer = server.put(sent)
    if (lost) return
    meanwhile()
    const local = this.notes.get(id) as Note
    this.waiting.delete(id)
    if (answer.taken) {
      this.notes.set(id, acknowledge(local, sent, answer.note))
      if (!same(local, sent)) this.waiting.set(id, [])
      return
    }
    const { keep, waits, again } = settle(local, answer.note, `n${++names}`, unanswered)
    this.notes.set(id, keep)
    if (waits) this.waiting.set(id, [])
    if (again) this.write(again)
  }

  fetch(server: Server): void {
    const { keep, drop, resend } = merge([...this.notes.values()], [...server.notes.values()], new Set(this.waiting.keys()))
    for (const one of keep) this.notes.set(one.id, one)
    for (const id of drop) this.notes.delete(id)
    for (const one of resend) this.write(one)
  }
}

/** Numbers that look random and are the same in each run (mulberry32). */
function dice(seed: number): (sides: number) => number {
  return (sides) => {
    seed = (seed + 0x6d2b79f5) | 0
    let mixed = Math.imul(seed ^ (seed >>> 15), 1 | seed)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) % sides
  }
}

const said = (one: Note): string[] => (one.deleted ? [] : one.kind === 'text' ? [one.text] : one.strokes.map((stroke) => JSON.stringify(stroke)))

test('whatever two devices do, nothing is lost and both agree', () => {
  for (let seed = 0; seed < 300; seed++) live(seed)
})

function live(seed: number): void {
  const roll = dice(seed)
  const server = new Server()
  const devices = [new Device(), new Device()]
  const written = new Set<string>()
  const takenBack = new Set<string>()

  function act(device: Device): void {
    const live = [...device.notes.values()].filter((one) => !one.deleted)
    const old = live[roll(live.length || 1)]
    const doing = roll(5)
    let next: Note
    if (!old || doing === 0) next = roll(2) ? note() : text(`w${++names}`)
    else if (doing === 1) next = { ...old, deleted: true }
    else if (old.kind === 'text') next = { ...old, text: `w${++names}` }
    else if (doing === 2 && old.strokes.length > 1) next = { ...old, strokes: old.strokes.slice(1) }
    else next = { ...old, strokes: [...old.strokes, [[++names, 0, 50]]] }
    const kept = said(next)
    for (const one of old ? said(old).filter((one) => next.id === old.id && !kept.includes(one)) : []) takenBack.add(one)
    for (const one of kept) written.add(one)
    device.write(next)
  }

  function sync(device: Device, lossy: boolean): void {
    for (const id of [...device.waiting.keys()]) device.send(id, server, lossy && roll(3) === 0, () => lossy && roll(4) === 0 && act(device))
    device.fetch(server)
  }

  for (let step = 0; step < 60; step++) {
    const device = devices[roll(2)] as Device
    if (roll(3)) act(device)
    else sync(device, true)
  }
  for (let round = 0; round < 6; round++) for (const device of devices) sync(device, false)

  const standing = (notes: Map<string, Note>): string[] => [...notes.values()].filter((one) => !one.deleted).map((one) => `${one.id} ${said(one)}`).sort()
  expect(devices.map((device) => device.waiting.size), `seed ${seed}`).toEqual([0, 0])
  expect(standing((devices[0] as Device).notes), `seed ${seed}`).toEqual(standing(server.notes))
  expect(standing((devices[1] as Device).notes), `seed ${seed}`).toEqual(standing(server.notes))
  const there = new Set([...server.notes.values()].flatMap(said))
  expect([...written].filter((one) => !takenBack.has(one) && !there.has(one)), `seed ${seed}`).toEqual([])
}
