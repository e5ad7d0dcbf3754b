// The only door to pdf.js: opening a paper by ranges, drawing a page, its words, its links.
import {
  getDocument,
  GlobalWorkerOptions,
  PDFDataRangeTransport,
  PDFWorker,
  RenderingCancelledException,
  TextLayer,
  type PageViewport,
  type PDFDocumentProxy,
  type PDFPageProxy,
} from 'pdfjs-dist/legacy/build/pdf.mjs'
import workerUrl from 'pdfjs-dist/legacy/build/pdf.worker.min.mjs?url'
import { LineLost, Problem, request } from '../wire/http'
import { backoff } from '../wire/socket'
import { keep, missing, PIECE, recall } from './pieces'

export type { PageViewport, PDFDocumentProxy, PDFPageProxy }
export interface LinkBox {
  /** Fractions of the page as it is seen: left, top, width, height. */
  box: [number, number, number, number]
  /** From 0. */
  page: number
}
interface LinkAnnotation {
  subtype: string
  rect: number[]
  dest?: string | unknown[] | null
}

const LARGEST = 20e6 // bytes of a paper that is kept whole on the device
const CALM = [4000, 12_000] as const // ms, at least and at most, before the rest is fetched: a hall must not ask at once
const MOST_PIXELS = 8_400_000 // of one page: tablets give all canvases of a tab some 256 MB
const FINEST = 2 // device pixels for one of ours
const parts = (folder: string): string => new URL(`/assets/pdfjs/${folder}/`, location.origin).href

GlobalWorkerOptions.workerSrc = workerUrl
const worker = new PDFWorker() // starts while the paper's first bytes are on their way

/** What is known of a file before it is opened; without it the server is asked for the size, and nothing is kept. */
export interface Known {
  size: number
  sha256: string
}

/** Gives pdf.js the bytes it asks for: from the device, or over the line, with a token that is renewed, and again when it is back. */
class Ranges extends PDFDataRangeTransport {
  #ended = new AbortController()

  constructor(
    readonly url: string,
    size: number,
    readonly sha256: string | null,
    readonly refused: (problem: Problem) => void,
  ) {
    super(size, null)
  }

  override requestDataRange(begin: number, end: number): void {
    void this.#bring(begin, end)
  }

  override abort(): void {
    this.#ended.abort()
  }

  async #bring(begin: number, end: number): Promise<void> {
    const { signal } = this.#ended
    for (let attempt = 0; !signal.aborted; attempt++) {
      try {
        const bytes = await this.#bytes(begin, end)
        if (!signal.aborted) this.onDataRange(begin, bytes)
        return
      } catch (error) {
        if (signal.aborted) return
        if (error instanceof Problem && error.final) return this.refused(error)
        await until(backoff(attempt))
      }
    }
  }

  async #bytes(begin: number, end: number): Promise<Uint8Array<ArrayBuffer>> {
    const here = this.sha256 && (await recall(this.sha256, begin, end))
    if (here) return here
    const answer = await request(this.url, { headers: { Range: `bytes=${begin}-${end - 1}` }, signal: this.#ended.signal })
    const bytes = new Uint8Array(await answer.arrayBuffer())
    if (this.sha256) void keep(this.sha256, begin, bytes.slice())
    return bytes
  }

  /** Fetches to the device, piece by piece, what of the paper is not there yet. */
  async fill(): Promise<void> {
    if (!this.sha256 || this.length > LARGEST) return
    await until(CALM[0] + Math.random() * (CALM[1] - CALM[0]))
    try {
      for (const begin of await missing(this.sha256, this.length)) {
        if (this.#ended.signal.aborted) return
        await this.#bytes(begin, Math.min(begin + PIECE, this.length))
      }
    } catch {
      // The rest comes when it is read.
    }
  }
}

/** Waits so many milliseconds, or until the device is back on the network. */
function until(ms: number): Promise<void> {
  return new Promise((done) => {
    const timer = setTimeout(go, ms)
    function go(): void {
      clearTimeout(timer)
      removeEventListener('online', go)
      done()
    }
    addEventListener('online', go)
  })
}

const SETTINGS = {
  enableXfa: false,
  worker,
  cMapUrl: parts('cmaps'),
  standardFontDataUrl: parts('standard_fonts'),
  wasmUrl: parts('wasm'),
  iccUrl: parts('iccs'),
}

export interface Opening {
  ready: Promise<PDFDocumentProxy>
  /** Frees all of it. */
  close: () => void
}

/** A PDF whose bytes are at hand; they are handed over and cannot be read again. */
export function openBytes(data: ArrayBuffer): Opening {
  const task = getDocument({ ...SETTINGS, data })
  return { ready: task.promise, close: () => void task.destroy() }
}

export const paperUrl = (meetingId: string, paperId: string, version: number): string =>
  `/api/meetings/${meetingId}/papers/${paperId}/file?version=${version}`

/** A paper's version, fetched by ranges as it is read; `fill` brings the rest of it to the device. */
export function openPaper(url: string, known: Known | null): Opening & { fill: () => void } {
  let ranges: Ranges | undefined
  let close = (): void => {}
  let closed = false
  const ready = (async () => {
    const length = known?.size ?? (await askSize(url))
    if (closed) throw new LineLost()
    return new Promise<PDFDocumentProxy>((opened, failed) => {
      ranges = new Ranges(url, length, known?.sha256 ?? null, failed)
      const task = getDocument({
        ...SETTINGS,
        range: ranges,
        rangeChunkSize: PIECE,
        disableStream: true,
        disableAutoFetch: true,
      })
      close = () => void task.destroy()
      task.promise.then(opened, failed)
    })
  })()
  return {
    ready,
    fill: () => void ranges?.fill(),
    close: () => {
      closed = true
      close()
    },
  }
}

async function askSize(url: string): Promise<number> {
  const answer = await request(url, { headers: { Range: 'bytes=0-0' } })
  return Number(answer.headers.get('content-range')?.split('/')[1])
}

/** Draws a page so many CSS pixels wide on a canvas of its own; `null` where it was cancelled. Throws where it cannot be drawn. */
export function draw(page: PDFPageProxy, width: number): { done: Promise<HTMLCanvasElement | null>; cancel: () => void } {
  const whole = page.getViewport({ scale: 1 })
  const finest = Math.sqrt(MOST_PIXELS / (whole.width * whole.height))
  const scale = Math.min((width / whole.width) * Math.min(devicePixelRatio, FINEST), finest)
  const viewport = page.getViewport({ scale })
  const canvas = document.createElement('canvas')
  canvas.width = Math.round(viewport.width)
  canvas.height = Math.round(viewport.height)
  const task = page.render({ canvas, viewport })
  let cancelled = false
  const done = task.promise.then(
    () => {
      if (!cancelled) return canvas
      release(canvas)
      return null
    },
    (error: unknown) => {
      release(canvas)
      if (error instanceof RenderingCancelledException) return null
      throw error
    },
  )
  const cancel = (): void => {
    cancelled = true
    task.cancel()
  }
  return { done, cancel }
}

/** Gives a canvas's memory back at once: iPads keep it until the garbage is collected. */
export function release(canvas: HTMLCanvasElement): void {
  canvas.width = canvas.height = 0
  canvas.remove()
}

/** Puts the page's words, unseen, over its picture. `--total-scale-factor` of the layer sets their size. */
export async function layText(page: PDFPageProxy, layer: HTMLElement): Promise<void> {
  const viewport = page.getViewport({ scale: 1 })
  const text = new TextLayer({ textContentSource: page.streamTextContent(), container: layer, viewport })
  const { pageWidth, pageHeight } = viewport.rawDims as { pageWidth: number; pageHeight: number }
  layer.style.width = `calc(var(--total-scale-factor) * ${pageWidth}px)`
  layer.style.height = `calc(var(--total-scale-factor) * ${pageHeight}px)`
  await text.render()
}

/** Links to places in the same paper; a link that leads out of it is not followed from here. */
export async function findLinks(doc: PDFDocumentProxy, page: PDFPageProxy): Promise<LinkBox[]> {
  const view = page.getViewport({ scale: 1 })
  const links: LinkBox[] = []
  for (const { subtype, rect, dest } of (await page.getAnnotations()) as LinkAnnotation[]) {
    const place = typeof dest === 'string' ? await doc.getDestination(dest) : dest
    if (subtype !== 'Link' || !Array.isArray(place)) continue
    const target = typeof place[0] === 'number' ? place[0] : await doc.getPageIndex(place[0]).catch(() => null)
    if (target === null) continue
    const [x1, y1] = view.convertToViewportPoint(rect[0] as number, rect[1] as number) as [number, number]
    const [x2, y2] = view.convertToViewportPoint(rect[2] as number, rect[3] as number) as [number, number]
    const box = [Math.min(x1, x2) / view.width, Math.min(y1, y2) / view.height] as const
    links.push({ box: [...box, Math.abs(x2 - x1) / view.width, Math.abs(y2 - y1) / view.height], page: target })
  }
  return links
}
