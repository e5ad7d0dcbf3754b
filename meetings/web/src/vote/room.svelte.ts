// Which poll this screen shows, and whether its sheet is up. Made once a screen, while the component starts.
import { untrack } from 'svelte'
import { announce } from '../kit/announce.svelte'
import { t } from '../kit/words.svelte'
import { openPoll, type Poll } from '../meeting/read'
import type { MeetingStore } from '../meeting/state.svelte'
import { Ballot } from './ballot.svelte'
import { unanswered } from './pending'

export class VoteRoom {
  shownId = $state<string | null>(null)
  raised = $state(false)
  ballot = $state.raw<Ballot | null>(null)
  poll = $derived.by((): Poll | null => {
    const poll = this.meeting.state?.polls[this.shownId ?? '']
    return poll && poll.stage !== 'prepared' ? poll : null // a house that came back from a backup may not have opened it yet
  })

  /** `quiet`: the sheet waits below until it is asked for, as on the chair's screen. */
  constructor(
    readonly meeting: MeetingStore,
    { quiet = false } = {},
  ) {
    const open = $derived(meeting.state && openPoll(meeting.state)?.id)
    const ready = $derived(Boolean(meeting.state && meeting.seat))
    $effect(() => {
      if (open && ready) untrack(() => this.#show(open, !quiet))
    })
    $effect(() => {
      if (ready) void untrack(() => this.#showWhatIsLeft())
    })
    $effect(() => {
      if (meeting.line === 'up') this.ballot?.hurry()
    })
    $effect(() => {
      if (this.poll?.stage === 'declared' && !quiet) this.raised = true
    })
    $effect(() => {
      if (meeting.epoch) void untrack(() => this.ballot?.reread({ anew: true }))
    })
    const seen = (): void => void (document.visibilityState === 'visible' && this.ballot?.reread())
    $effect(() => {
      document.addEventListener('visibilitychange', seen)
      return () => document.removeEventListener('visibilitychange', seen)
    })
    $effect(() => () => this.ballot?.end())
  }

  lower(): void {
    this.raised = false
    if (this.poll?.stage !== 'declared') return
    this.shownId = null
    void this.#showWhatIsLeft()
  }

  /** Raises the sheet of a poll again, whatever became of it. */
  review(pollId: string): void {
    this.#show(pollId, true)
    this.raised = true
  }

  #show(pollId: string, raised: boolean): void {
    if (this.shownId === pollId) return
    this.ballot?.end()
    this.ballot = this.#ballotFor(pollId)
    this.shownId = pollId
    this.raised = raised
    if (raised && this.poll?.stage === 'open') {
      announce(t('vote.opened', { title: this.poll?.title ?? '' }), 'assertive')
      if (navigator.userActivation?.hasBeenActive) navigator.vibrate?.(20)
    }
  }

  /** A ballot that a killed browser left on the device, even if its poll has closed since. */
  async #showWhatIsLeft(): Promise<void> {
    const { seat, state } = this.meeting
    const left = seat ? await unanswered(seat.member_id).catch(() => []) : []
    const mine = left.find((pending) => state?.polls[pending.poll_id])
    if (mine && !this.shownId) this.#show(mine.poll_id, true)
  }

  #ballotFor(pollId: string): Ballot | null {
    const { seat, id } = this.meeting
    if (!seat?.votes) return null
    const ballot = new Ballot({
      meetingId: id,
      pollId,
      memberId: seat.member_id,
      live: (vote) => this.meeting.cast(vote),
      lineIsUp: () => this.meeting.line === 'up',
      now: () => new Date(Date.now() + this.meeting.skew).toISOString(),
    })
    void ballot.start()
    return ballot
  }
}
