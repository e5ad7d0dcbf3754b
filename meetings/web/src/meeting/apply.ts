// The one pure rule by which an event changes the state; the twin of meetings/live/apply.py.
// An event carries the whole new view of what it changed, so applying it twice does no harm.
import type { Schemas } from '../wire/http'

export type State = Schemas['State']
export type AnyEvent = Schemas['Logged']['event']

const WHOLE = ['meeting', 'members', 'agenda', 'bridges', 'quorum', 'minutes'] as const
const ONE_OF_MANY = {
  paper: ['papers', 'id'],
  attendance: ['attendance', 'member_id'],
  bridge: ['bridges', 'id'],
  speech: ['speaking', 'id'],
  poll: ['polls', 'id'],
} as const

export function apply(state: State, event: AnyEvent): State {
  const told: Record<string, unknown> = { ...event }
  const next: Record<string, unknown> = { ...state }
  for (const name of WHOLE) if (name in told) next[name] = told[name]
  for (const [name, [field, key]] of Object.entries(ONE_OF_MANY)) {
    const view = told[name] as Record<string, string> | undefined
    if (view) next[field] = { ...state[field], [view[key] as string]: view }
  }
  if ('speeches' in told) next.speaking = { ...state.speaking, ...(told.speeches as State['speaking']) }
  return next as State
}
