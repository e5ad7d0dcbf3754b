// Brings what was written without a line to the server, whichever screen is open. A paper that is open does it by itself, sooner.
import { call, Problem } from '../wire/http'
import { whoIsSignedIn } from '../wire/login'
import { patiently } from '../wire/patiently'
import { bodyOf, type Note } from './notes'
import { Outbox, outboxes, type Waiting } from './outbox'

let stop = (): void => {}

/** Now, and again until all is there: at each screen's beginning, when a paper is left, when the device says it has a line. */
export function carry(): void {
  stop()
  stop = patiently(bringAll, () => {})
}

export function watchLine(): void {
  addEventListener('online', carry)
}

async function bringAll(): Promise<void> {
  for (const [memberId, outbox] of whoIsSignedIn() ? await outboxes() : []) {
    const meetings = new Set((await outbox.waiting()).filter((wish) => !wish.refused).map((wish) => wish.meeting_id))
    if (meetings.size && (await isMine(memberId, meetings))) while (await send(outbox));
  }
}

/** A shared tablet keeps others' notes too: whose they are, the house says. */
async function isMine(memberId: string, meetings: Iterable<string>): Promise<boolean> {
  for (const meeting_id of meetings) {
    try {
      return (await call('get', '/api/meetings/{meeting_id}/seat', { path: { meeting_id } })).member_id === memberId
    } catch (error) {
      if (!(error instanceof Problem && error.final)) throw error // else one may not enter this meeting: ask of another
    }
  }
  return false
}

/** Sends each waiting change once, until `ended`; whether the server's answers made new ones. Throws where it did not answer. */
export async function send(outbox: Outbox, ended = (): boolean => false): Promise<boolean> {
  let again = false
  for (const wish of await outbox.waiting()) {
    if (wish.refused || ended()) continue
    const note = await outbox.take(wish)
    if (!note) continue
    try {
      await outbox.acknowledge(wish, note, await put(wish, note))
    } catch (error) {
      if (!(error instanceof Problem && error.final)) throw error
      const theirs = error.facts.note as Omit<Note, 'mine'> | undefined
      if (error.code === 'note-conflict' && theirs) {
        await outbox.settle(wish, { ...theirs, mine: true })
        again = true
      } else await outbox.refuse(wish, error.title)
    }
  }
  return again
}

function put({ meeting_id }: Waiting, note: Note): Promise<Note> {
  const path = { meeting_id, paper_id: note.paper_id, note_id: note.id }
  return call('put', '/api/meetings/{meeting_id}/papers/{paper_id}/notes/{note_id}', { path, body: bodyOf(note) })
}
