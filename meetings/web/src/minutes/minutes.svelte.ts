// The minutes as this screen has them: the draft with what is being typed, the very bytes that are shown, and the act of signing.
import { Doing } from '../kit/doing.svelte'
import { call, LineLost, request, type Schemas } from '../wire/http'
import { whoIsSignedIn } from '../wire/login'

export type Draft = Schemas['MinutesDraft']
type Key = Schemas['SectionView']['key']
type Texts = Partial<Record<Key, string>>

const SIGNING = 'minutes-signing'
const TYPED = 'minutes-typed:'
const FRESH = 5 * 60_000 // ms that a sign-in counts as fresh, as the server has it

/** A signature that was asked for and waits for a fresh sign-in; it holds for these bytes only. */
interface Pending {
  meeting: string
  sha256: string
  at: number
}

const textsOf = (draft: Draft): Texts => Object.fromEntries(draft.sections.map((section) => [section.key, section.text]))

export class MinutesDesk {
  draft = $state.raw<Draft | null>(null)
  texts = $state<Texts>({})
  /** What somebody else saved while words were being typed here. */
  theirs = $state.raw<Draft | null>(null)
  bytes = $state.raw<ArrayBuffer | null>(null)
  /** SHA-256 of the bytes shown, worked out on this device. */
  shownHash = $state<string | null>(null)
  seen = $state<{ pages: number[]; of: number }>({ pages: [], of: 0 })
  /** Back from the sign-in that a signature needed: one press is left. */
  resumed = $state(false)
  readonly loading = new Doing()
  readonly doing = new Doing()
  readonly fetching = new Doing()
  #stale = false
  #refreshing: Promise<void> | undefined

  constructor(readonly id: string) {}

  get dirty(): boolean {
    const saved = this.draft ? textsOf(this.draft) : {}
    return Object.entries(this.texts).some(([key, text]) => text !== saved[key as Key])
  }

  /** Pages, from 1, that were not in view yet. */
  get unseen(): number[] {
    return Array.from({ length: this.seen.of }, (_, index) => index + 1).filter((page) => !this.seen.pages.includes(page))
  }

  get allSeen(): boolean {
    return this.seen.of > 0 && this.unseen.length === 0
  }

  /** Fetches the words and the pages anew; once more where the minutes changed meanwhile. Throws where that is to be tried again. */
  refresh(): Promise<void> {
    this.#stale = true
    this.#refreshing ??= this.#catchUp().finally(() => (this.#refreshing = undefined))
    return this.#refreshing
  }

  async #catchUp(): Promise<void> {
    while (this.#stale) {
      this.#stale = false
      await this.loading.run(() => Promise.all([this.load(), this.#loadPages()]))
    }
    if (this.loading.refusal?.final === false) throw new LineLost()
  }

  async load(): Promise<void> {
    const found = await call('get', '/api/meetings/{meeting_id}/minutes', { path: this.#path })
    const { draft } = this
    if (!draft || !this.dirty) this.#adopt(found)
    else if (found.revision !== draft.revision) this.theirs = found
    if (!draft) this.#recall(found)
    this.#resume(found)
  }

  /** The draft set anew, or the frozen or signed bytes. */
  async #loadPages(): Promise<void> {
    const bytes = await (await request(`/api/meetings/${this.id}/minutes.pdf`)).arrayBuffer()
    const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes))
    this.shownHash = Array.from(hash, (byte) => byte.toString(16).padStart(2, '0')).join('')
    this.seen = { pages: [], of: 0 }
    this.bytes = bytes
  }

  #adopt(found: Draft): void {
    this.draft = found
    this.texts = textsOf(found)
    this.theirs = null
  }

  /** Keeps what is typed and not saved with this tab: it outlasts a reload, another screen, and a sign-in that ran out. */
  remember(): void {
    const { draft, texts, dirty } = this
    if (!draft) return
    if (dirty) sessionStorage.setItem(TYPED + this.id, JSON.stringify({ who: whoIsSignedIn()?.sub, revision: draft.revision, texts }))
    else sessionStorage.removeItem(TYPED + this.id)
  }

  #recall(found: Draft): void {
    const kept = sessionStorage.getItem(TYPED + this.id)
    if (!kept || found.stage !== 'draft') return
    const typed = JSON.parse(kept) as { who?: string; revision: number; texts: Texts }
    if (typed.who !== whoIsSignedIn()?.sub) return
    Object.assign(this.texts, typed.texts)
    if (typed.revision !== found.revision) this.theirs = found
  }

  /** Saves what stands in the fields; where somebody was faster, both are shown and nothing is lost. */
  async save(): Promise<boolean> {
    const { draft } = this
    if (!draft) return false
    const texts = $state.snapshot(this.texts) as Record<Key, string>
    const revision = this.theirs?.revision ?? draft.revision
    const saved = await this.doing.run(() => call('put', '/api/meetings/{meeting_id}/minutes', { path: this.#path, body: { revision, texts } }))
    if (saved) {
      const sections = draft.sections.map((section) => ({ ...section, text: texts[section.key] }))
      this.draft = { ...draft, sections, revision: revision + 1 }
      this.theirs = null
    } else if (this.doing.refusal?.code === 'minutes-changed') await this.load()
    return saved
  }

  async freeze(): Promise<boolean> {
    return this.doing.run(() => call('post', '/api/meetings/{meeting_id}/minutes/freeze', { path: this.#path }))
  }

  /** Signs the bytes shown. Where the sign-in is too old this leaves for it, and `resumed` is true on coming back. */
  async sign(): Promise<boolean> {
    const sha256 = this.draft?.sha256
    if (!sha256) return false
    this.resumed = false
    sessionStorage.setItem(SIGNING, JSON.stringify({ meeting: this.id, sha256, at: Date.now() } satisfies Pending))
    const signed = await this.doing.run(() => call('post', '/api/meetings/{meeting_id}/minutes/sign', { path: this.#path }))
    sessionStorage.removeItem(SIGNING)
    return signed
  }

  #resume(found: Draft): void {
    const kept = sessionStorage.getItem(SIGNING)
    if (!kept) return
    const pending = JSON.parse(kept) as Pending
    if (pending.meeting !== this.id) return
    sessionStorage.removeItem(SIGNING)
    this.resumed = pending.sha256 === found.sha256 && Date.now() - pending.at < FRESH
  }

  leaveSigning(): void {
    this.resumed = false
  }

  async sendBack(reason: string): Promise<boolean> {
    return this.doing.run(() => call('post', '/api/meetings/{meeting_id}/minutes/return', { path: this.#path, body: { reason } }))
  }

  async file(what: 'minutes.pdf' | 'minutes/evidence.json'): Promise<Blob | null> {
    let blob: Blob | null = null
    await this.fetching.run(async () => (blob = await (await request(`/api/meetings/${this.id}/${what}`)).blob()))
    return blob
  }

  get #path(): { meeting_id: string } {
    return { meeting_id: this.id }
  }
}
