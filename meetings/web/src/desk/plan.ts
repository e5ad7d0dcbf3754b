// What a form says of a meeting, and what is sent of it.
import type { Schemas } from '../wire/http'
import { fromForm, toForm } from './vietnam'

type Meeting = Schemas['MeetingView']
const SENT = ['title', 'kind', 'place', 'starts_at', 'chair_id', 'secretary_id'] as const
type Fields = Pick<Meeting, (typeof SENT)[number]>

export interface Plan {
  title: string
  kind: Meeting['kind']
  place: string
  date: string
  time: string
  chair_id: string
  secretary_id: string
}

export function planOf(meeting?: Meeting): Plan {
  if (!meeting) return { title: '', kind: 'regular', place: '', date: '', time: '08:00', chair_id: '', secretary_id: '' }
  const { title, kind, place, starts_at, chair_id, secretary_id } = meeting
  return { title, kind, place, ...toForm(starts_at), chair_id: chair_id ?? '', secretary_id: secretary_id ?? '' }
}

export function bodyOf({ title, kind, place, date, time }: Plan): Omit<Schemas['NewMeeting'], 'body_id'> {
  return { title: title.trim(), kind, place: place.trim(), starts_at: fromForm(date, time) }
}

function fieldsOf(plan: Plan): Fields {
  return { ...bodyOf(plan), kind: plan.kind, place: plan.place.trim(), chair_id: plan.chair_id || null, secretary_id: plan.secretary_id || null }
}

/** The fields that a form changed, each with what it was changed from: another's change of another field stays. */
export function changeOf(before: Meeting, plan: Plan): Schemas['MeetingChange'] | null {
  const [shown, wanted] = [fieldsOf(planOf(before)), fieldsOf(plan)]
  const names = SENT.filter((name) => shown[name] !== wanted[name])
  const pick = (of: Fields): Partial<Fields> => Object.fromEntries(names.map((name) => [name, of[name]]))
  return names.length ? { ...pick(wanted), was: pick(before) } : null
}

/** A form that began with `before`, after somebody else has made of it `now`: what was changed in it stays as it stands in it. */
export function rebased(before: Meeting, plan: Plan, now: Meeting): Plan {
  const [shown, fresh] = [planOf(before), planOf(now)]
  const mine = Object.entries(plan).filter(([name, value]) => shown[name as keyof Plan] !== value)
  return { ...fresh, ...Object.fromEntries(mine) }
}
