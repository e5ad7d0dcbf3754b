import { describe, expect, test } from 'vitest'
import type { State } from '../meeting/apply'
import { audienceSize, changes, checks, waiting, type DeskPaper } from './readiness'

const member = (id: string, role: 'chair' | 'secretary' | 'member' | 'guest'): State['members'][string] => ({
  id,
  full_name: id,
  honorific: '',
  post: '',
  group: '',
  seat: '',
  role,
  votes: role !== 'guest',
  place: 0,
  bridge_id: null,
})
const item = (id: string, parent_id: string | null = null): State['agenda'][string] => ({
  id,
  parent_id,
  position: Number(id.at(-1)) - 1,
  number: id,
  title: id,
  presenter: '',
  minutes: null,
})
const paper = (id: string, item_id: string, ...published: boolean[]): DeskPaper => ({
  id,
  item_id,
  title: id,
  audience: 'delegates',
  withdrawn: false,
  opened: 0,
  openable: 3,
  versions: published.map((out, index) => ({
    number: index + 1,
    pages: 1,
    size: 1,
    name: `${id}.pdf`,
    added_at: '2026-12-01T00:00:00Z',
    published_at: out ? '2026-12-02T00:00:00Z' : null,
    warnings: [],
  })),
})

function state(over: { published?: boolean; agenda?: State['agenda'][string][]; chair?: string | null } = {}): State {
  const { published = false, agenda = [item('1'), item('2'), item('2.1', '2')], chair = 'chair' } = over
  const members = [member('chair', 'chair'), member('sec', 'secretary'), member('anh', 'member'), member('khach', 'guest')]
  return {
    meeting: { published_at: published ? '2026-12-01T00:00:00Z' : null, chair_id: chair, secretary_id: 'sec' },
    members: Object.fromEntries(members.map((one) => [one.id, one])),
    agenda: Object.fromEntries(agenda.map((one) => [one.id, one])),
    quorum: { total: 3, needed: 2, present: 0, reached: false },
    polls: {},
    papers: {},
    attendance: {},
    speaking: {},
    minutes: null,
  } as unknown as State
}
const found = (of: State, papers: DeskPaper[]): Record<string, boolean> => Object.fromEntries(checks(of, papers).map((check) => [check.name, check.ok]))

describe('what waits for publishing', () => {
  test('is a paper whose newest version is not out, and not one that was withdrawn', () => {
    const papers = [paper('new', '1', false), paper('replaced', '1', true, false), paper('out', '1', true), { ...paper('gone', '1', false), withdrawn: true }]
    expect(waiting(papers).map((one) => one.id)).toEqual(['new', 'replaced'])
  })
  test('counts the meeting itself the first time', () => {
    expect(changes(state(), [paper('new', '1', false)])).toBe(2)
    expect(changes(state({ published: true }), [paper('new', '1', false)])).toBe(1)
  })
})

test('a paper goes to guests only where it is for all, and to the desk alone where it is for the desk', () => {
  expect([audienceSize(state(), 'all'), audienceSize(state(), 'delegates'), audienceSize(state(), 'desk')]).toEqual([4, 3, 2])
})

describe('readiness', () => {
  test('an item has its paper where a sub-item has one', () => {
    expect(found(state(), [paper('a', '1', false), paper('b', '2.1', false)]).papers).toBe(true)
  })
  test('items without papers are named, and the mend leads to the first', () => {
    const check = checks(state(), []).find((one) => one.name === 'papers')
    expect(check).toMatchObject({ ok: false, facts: { items: '1, 2', n: 2 }, mend: { to: 'item', item: '1' } })
  })
  test('a withdrawn paper is no paper', () => {
    expect(found(state({ agenda: [item('1')] }), [{ ...paper('a', '1', true), withdrawn: true }]).papers).toBe(false)
  })
  test('an empty agenda is told once, without a word about papers', () => {
    expect(found(state({ agenda: [] }), [])).toMatchObject({ agenda: false })
    expect('papers' in found(state({ agenda: [] }), [])).toBe(false)
  })
  test('a chair who is not named is missed', () => {
    expect(found(state({ chair: null }), []).posts).toBe(false)
    expect(found(state(), []).posts).toBe(true)
  })
  test('rules of votes are told once each', () => {
    const of = state()
    const poll = { item_id: '1', needed: 2, electorate: 3 }
    of.polls = { a: poll, b: poll, c: { ...poll, needed: 3 }, lost: { ...poll, item_id: 'gone' } } as unknown as State['polls']
    expect(checks(of, []).find((one) => one.name === 'polls')?.facts).toEqual({ n: 3, rules: '2/3, 3/3' })
  })
  test('a waiting paper with a warning wants a look; one that is out does not', () => {
    const doubtful = paper('a', '2', false)
    doubtful.versions[0]!.warnings = [{ code: 'no-text' }]
    expect(checks(state(), [doubtful]).at(-1)).toMatchObject({ name: 'warnings', facts: { n: 1 }, mend: { item: '2' } })
    doubtful.versions[0]!.published_at = '2026-12-02T00:00:00Z'
    expect('warnings' in found(state(), [doubtful])).toBe(false)
  })
})
