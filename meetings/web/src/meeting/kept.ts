// What this tab last knew of a meeting, for a start without a line. It lives as long as the sign-in: in the tab's own storage.
import type { Schemas } from '../wire/http'
import { whoIsSignedIn } from '../wire/login'
import type { State } from './apply'

export interface Kept {
  epoch: string | null
  seq: number | null
  state: State
  seat: Schemas['MySeat']
}

const PREFIX = 'meeting:'
/** For whom it was kept, and by which release: another may shape a state otherwise. */
const stamp = (): string => `${whoIsSignedIn()?.sub} ${document.querySelector<HTMLScriptElement>('script[type=module][src]')?.src}`

export function keepMeeting(id: string, kept: Kept): void {
  if (!whoIsSignedIn()) return // signed out, and the page about to go
  try {
    sessionStorage.setItem(PREFIX + id, JSON.stringify({ stamp: stamp(), kept }))
  } catch {
    sessionStorage.removeItem(PREFIX + id) // no room: then the next start needs the line
  }
}

export function recallMeeting(id: string): Kept | null {
  const found = sessionStorage.getItem(PREFIX + id)
  if (!found) return null
  const known = JSON.parse(found) as { stamp: string; kept: Kept }
  return known.stamp === stamp() ? known.kept : null
}

export function forgetMeeting(id: string): void {
  sessionStorage.removeItem(PREFIX + id)
}
