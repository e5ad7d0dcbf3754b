import { MeetingStore } from './state.svelte'

let held: MeetingStore | undefined

/** The store of a meeting; one at a time, kept while one goes between the meeting's screens. Who was refused asks again. */
export function openMeeting(id: string): MeetingStore {
  if (held?.id !== id || held.refusal) {
    held?.end()
    held = new MeetingStore(id)
  }
  return held
}
