// What should hold before the meeting is published, worked out from what is known of it. Nothing here blocks: the secretary decides.
import type { State } from '../meeting/apply'
import type { Schemas } from '../wire/http'
import { branch, childrenOf } from './tree'

export type DeskPaper = Schemas['DeskPaper']
type Mend = { to: 'agenda' | 'meeting' | 'members' } | { to: 'item'; item: string; poll?: true }
type CheckName = 'agenda' | 'papers' | 'posts' | 'members' | 'polls' | 'warnings'
export interface Check {
  name: CheckName
  ok: boolean
  facts: Record<string, string | number>
  mend: Mend
}

/** The versions that nobody but the desk has seen yet: one for each paper that would go out. */
export function waiting(papers: DeskPaper[]): DeskPaper[] {
  return papers.filter((paper) => !paper.withdrawn && !paper.versions.at(-1)?.published_at)
}

/** How many things one press on "publish" lets out; the first time the meeting itself is one of them. */
export function changes(state: State, papers: DeskPaper[]): number {
  return waiting(papers).length + (state.meeting.published_at ? 0 : 1)
}

/** To how many members a paper goes. */
export function audienceSize(state: State, audience: DeskPaper['audience']): number {
  const members = Object.values(state.members)
  if (audience === 'desk') return members.filter((one) => one.role === 'secretary' || one.id === state.meeting.chair_id).length
  return audience === 'all' ? members.length : members.filter((one) => one.role !== 'guest').length
}

export function checks(state: State, papers: DeskPaper[]): Check[] {
  return [agenda(state), ...papersOfItems(state, papers), posts(state), members(state), polls(state), ...warnings(papers)]
}

function agenda(state: State): Check {
  const items = childrenOf(state.agenda, null).length
  return { name: 'agenda', ok: items > 0, facts: { items }, mend: { to: 'agenda' } }
}

function papersOfItems(state: State, papers: DeskPaper[]): Check[] {
  const have = new Set(papers.filter((paper) => !paper.withdrawn).map((paper) => paper.item_id))
  const top = childrenOf(state.agenda, null)
  const without = top.filter((item) => ![...branch(state.agenda, item.id)].some((id) => have.has(id)))
  const first = without[0] ?? top[0]
  if (!first) return []
  const facts = { items: without.map((item) => item.number).join(', '), n: without.length }
  return [{ name: 'papers', ok: without.length === 0, facts, mend: { to: 'item', item: first.id } }]
}

function posts(state: State): Check {
  const name = (id: string | null): string => (id && state.members[id]?.full_name) || ''
  const [chair, secretary] = [name(state.meeting.chair_id), name(state.meeting.secretary_id)]
  return { name: 'posts', ok: Boolean(chair && secretary), facts: { chair, secretary }, mend: { to: 'meeting' } }
}

function members(state: State): Check {
  const { total, needed } = state.quorum
  return { name: 'members', ok: total > 0, facts: { total, needed }, mend: { to: 'members' } }
}

function polls(state: State): Check {
  const all = Object.values(state.polls).filter((poll) => state.agenda[poll.item_id])
  const rules = [...new Set(all.map((poll) => `${poll.needed}/${poll.electorate}`))].sort()
  const item = all[0]?.item_id ?? childrenOf(state.agenda, null)[0]?.id
  const mend: Mend = item ? { to: 'item', item, poll: true } : { to: 'agenda' }
  return { name: 'polls', ok: all.length > 0, facts: { n: all.length, rules: rules.join(', ') }, mend }
}

/** Only where there is something: a paper that was taken in but should be looked at. */
function warnings(papers: DeskPaper[]): Check[] {
  const doubtful = waiting(papers).filter((paper) => paper.versions.at(-1)?.warnings.length)
  const first = doubtful[0]
  return first ? [{ name: 'warnings', ok: false, facts: { n: doubtful.length }, mend: { to: 'item', item: first.item_id } }] : []
}
