// Files on their way to the agenda: two at a time, each with its progress, each can be stopped and sent again.
import { t } from '../kit/words.svelte'
import { authorization, Problem, type Schemas } from '../wire/http'
import { renew } from '../wire/login'

type Target = { item: string } | { paper: string; item: string }
export type Draft = Schemas['PaperDraft']
export interface Upload {
  readonly id: number
  readonly file: File
  readonly target: Target
  /** waiting → sending → checking → done, or refused (the server's word), cut (no line), stopped (by hand). */
  stage: 'waiting' | 'sending' | 'checking' | 'done' | 'refused' | 'cut' | 'stopped'
  /** Part of the bytes that are out, 0 to 1. */
  sent: number
  problem: { code: string; title: string; again: boolean } | null
  draft: Draft | null
}
/** Sends one file; throws `Problem` for a refusal, anything else for a lost line. */
export type Send = (upload: Upload, progress: (sent: number) => void, signal: AbortSignal) => Promise<Draft>

const AT_ONCE = 2
const LARGEST = 100 << 20 // bytes, as the server has it

export class Uploads {
  list = $state<Upload[]>([])
  #sending = new Map<number, AbortController>()
  #next = 1

  constructor(
    readonly send: Send,
    /** Called after each file that was taken in. */
    readonly done: () => void,
  ) {}

  add(files: Iterable<File>, target: Target): void {
    for (const file of files) {
      const problem = faultOf(file)
      const stage = problem ? 'refused' : 'waiting'
      this.list.push({ id: this.#next++, file, target, stage, sent: 0, problem, draft: null })
    }
    this.#start()
  }

  stop(id: number): void {
    const upload = this.#find(id)
    if (!upload || upload.stage === 'done') return
    upload.stage = 'stopped'
    this.#sending.get(id)?.abort()
  }

  retry(id: number): void {
    const upload = this.#find(id)
    if (!upload || upload.problem?.again === false) return
    Object.assign(upload, { stage: 'waiting', sent: 0, problem: null })
    this.#start()
  }

  /** The line is back: what was cut goes on by itself. */
  resume(): void {
    for (const upload of this.list) if (upload.stage === 'cut') this.retry(upload.id)
  }

  dismiss(id: number): void {
    this.stop(id)
    this.list = this.list.filter((upload) => upload.id !== id)
  }

  /** Forgets what was taken in. */
  clear(): void {
    this.list = this.list.filter((upload) => upload.stage !== 'done')
  }

  /** Some are not taken in yet: whoever leaves the page stops them. */
  get underWay(): boolean {
    return this.list.some(({ stage }) => stage === 'waiting' || stage === 'sending' || stage === 'checking')
  }

  #find(id: number): Upload | undefined {
    return this.list.find((upload) => upload.id === id)
  }

  #start(): void {
    for (const upload of this.list) {
      if (this.#sending.size >= AT_ONCE) return
      if (upload.stage === 'waiting') void this.#run(upload)
    }
  }

  async #run(upload: Upload): Promise<void> {
    const control = new AbortController()
    this.#sending.set(upload.id, control)
    upload.stage = 'sending'
    try {
      const draft = await this.send(
        upload,
        (sent) => {
          upload.sent = sent
          if (sent >= 1 && upload.stage === 'sending') upload.stage = 'checking'
        },
        control.signal,
      )
      Object.assign(upload, { stage: 'done', draft })
      this.done()
    } catch (error) {
      if (error instanceof Problem) Object.assign(upload, { stage: 'refused', problem: problemOf(error) })
      else if (!control.signal.aborted) upload.stage = 'cut'
    } finally {
      this.#sending.delete(upload.id)
      this.#start()
    }
  }
}

/** The same file sent again helps only where the server was not itself. */
function problemOf({ code, title, final }: Problem): Upload['problem'] {
  return { code, title, again: !final }
}

/** What can be told without sending a byte. */
function faultOf(file: File): Upload['problem'] {
  if (!/\.pdf$/i.test(file.name)) return { code: 'not-a-pdf', title: t('desk.upload.not-a-pdf'), again: false }
  if (file.size > LARGEST) return { code: 'pdf-too-large', title: t('desk.upload.too-large'), again: false }
  return null
}

/** Sends by XMLHttpRequest, the one way to see the bytes go; a token that ran out on the way is renewed once. */
export function sendTo(meetingId: string): Send {
  return async (upload, progress, signal) => {
    const at = `/api/meetings/${encodeURIComponent(meetingId)}`
    const { target } = upload
    const path = 'paper' in target ? `${at}/papers/${target.paper}/versions` : `${at}/items/${target.item}/papers`
    const once = async (): Promise<Draft> => post(path, upload.file, (await authorization()).Authorization ?? '', progress, signal)
    try {
      return await once()
    } catch (error) {
      if (!(error instanceof Problem) || error.code !== 'invalid-token' || !(await renew())) throw error
      return once()
    }
  }
}

function post(path: string, file: File, token: string, progress: (sent: number) => void, signal: AbortSignal): Promise<Draft> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(new Error('stopped'))
    const asked = new XMLHttpRequest()
    asked.open('POST', path)
    asked.setRequestHeader('Authorization', token)
    asked.responseType = 'json'
    asked.upload.onprogress = (event) => progress(event.lengthComputable ? event.loaded / event.total : 0)
    asked.upload.onload = () => progress(1)
    asked.onload = () => {
      const told = asked.response as (Problem & Draft) | null
      if (asked.status === 201 && told) resolve(told)
      else if (told?.code) reject(new Problem(told.code, asked.status, told.title || t('desk.upload.failed'), told.facts))
      else reject(new Error('no answer of ours')) // a gateway spoke: the server is away
    }
    asked.onerror = asked.onabort = () => reject(new Error('line'))
    signal.addEventListener('abort', () => asked.abort())
    const body = new FormData()
    body.append('file', file)
    asked.send(body)
  })
}
