import { expect, test } from 'vitest'
import type { State } from '../meeting/apply'
import { chairsPlace, codePages, faceOf, type CodeRow } from './face'

const NONE: ReadonlySet<string> = new Set()
const lead = { paper_id: 'paper', page: 3 }
const poll = (stage: string, closed_at: string | null = null): unknown => ({ id: 'p', item_id: 'i', stage, closed_at })
const speech = (resumed_at: string, state = 'speaking'): unknown => ({ id: 's', member_id: 'anh', state, resumed_at })

function house(meeting: Record<string, unknown>, rest: Record<string, unknown> = {}): State {
  const base = { meeting: { stage: 'open', current_item_id: 'i', lead: null, ...meeting }, agenda: { i: { id: 'i' } } }
  return { ...base, polls: {}, speaking: {}, papers: { paper: { id: 'paper' } }, ...rest } as unknown as State
}

test.each([
  ['before the opening', house({ stage: 'published', current_item_id: null }), 'rollcall'],
  ['opened, no item yet', house({ current_item_id: null }), 'rollcall'],
  ['an item', house({}), 'item'],
  ['somebody speaks', house({}, { speaking: { s: speech('2026-12-09T03:00:00Z') } }), 'speaker'],
  ['the chair shows a page, also while somebody speaks', house({ lead }, { speaking: { s: speech('2026-12-09T03:00:00Z') } }), 'page'],
  ['a page of a paper that is not known here', house({ lead: { paper_id: 'other', page: 1 } }), 'item'],
  ['an open vote, whatever else is on', house({ lead }, { polls: { p: poll('open') }, speaking: { s: speech('2026-12-09T03:00:00Z') } }), 'open'],
  ['counted, not declared', house({}, { polls: { p: poll('closed', '2026-12-09T03:43:00Z') } }), 'counted'],
  ['declared', house({}, { polls: { p: poll('declared', '2026-12-09T03:43:00Z') } }), 'outcome'],
  ['a break', house({ stage: 'adjourned' }), 'break'],
  ['a break after a vote', house({ stage: 'adjourned' }, { polls: { p: poll('declared', '2026-12-09T03:43:00Z') } }), 'break'],
  ['the end', house({ stage: 'closed' }), 'over'],
])('%s', (_, state, kind) => {
  expect(faceOf(state, NONE).kind).toBe(kind)
})

test('an outcome gives way once the chair has gone on', () => {
  const declared = { polls: { p: poll('declared', '2026-12-09T03:43:00Z') } }
  expect(faceOf(house({}, declared), new Set(['p'])).kind).toBe('item')
  expect(faceOf(house({ current_item_id: 'other' }, { ...declared, agenda: { other: { id: 'other' } } }), NONE).kind).toBe('item')
  expect(faceOf(house({}, { ...declared, speaking: { s: speech('2026-12-09T03:44:00Z') } }), NONE).kind).toBe('speaker')
  expect(faceOf(house({}, { ...declared, speaking: { s: speech('2026-12-09T03:40:00Z') } }), NONE).kind).toBe('outcome')
})

test('each thing that the chair may do next is a new place', () => {
  const places = [
    house({}),
    house({ current_item_id: 'other' }),
    house({ lead }),
    house({ lead: { ...lead, page: 4 } }),
    house({ stage: 'adjourned' }),
    house({}, { speaking: { s: speech('2026-12-09T03:00:00Z') } }),
  ].map(chairsPlace)
  expect(new Set(places).size).toBe(places.length)
})

const rows = (yes: number, no: number, abstain: number): CodeRow[] =>
  ([['in_favour', yes], ['against', no], ['abstaining', abstain]] as const).flatMap(([choice, count]) =>
    Array.from({ length: count }, (_, at) => ({ choice, code: `${choice}-${String(count - at).padStart(4, '0')}` })),
  )

test('sixty codes stand on one page, by choice in the order of the law, sorted', () => {
  const [page, more] = codePages(rows(45, 6, 3))
  expect(more).toBeUndefined()
  expect(page?.map((group) => [group.choice, group.count])).toEqual([['in_favour', 45], ['against', 6], ['abstaining', 3]])
  expect(page?.[0]?.codes).toEqual([...(page?.[0]?.codes ?? [])].sort())
})

test('a large body is paged, and no code is lost or shown twice', () => {
  const pages = codePages(rows(300, 40, 15))
  const shown = pages.flat().flatMap((group) => group.codes)
  expect(pages.length).toBeGreaterThan(1)
  expect(pages.every((page) => page.length === 1)).toBe(true)
  expect(shown).toHaveLength(355)
  expect(new Set(shown).size).toBe(355)
})
