// The only door to pdf.js: opening a paper by ranges, drawing a page, its words, its links.
import {
  getDocument,
  GlobalWorkerOptions,
  PDFDataRangeTransport,
  PDFWorker,
  TextLayer,
  type PageViewport,
  type PDFDocumentProxy,
  type PDFPageProxy,
} from 'pdfjs-dist/legacy/build/pdf.mjs'
import workerUrl from 'pdfjs-dist/legacy/build/pdf.worker.min.mjs?url'
import { LineLost, Problem, request } from '../wire/http'
import { backoff } from '../wire/socket'

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

const CHUNK = 128 * 1024
const MOST_PIXELS = 8_400_000 // of one page: tablets give all canvases of a tab some 256 MB
const FINEST = 2 // device pixels for one of ours
const parts = (folder: string): string => new URL(`/assets/pdfjs/${folder}/`, location.origin).href

GlobalWorkerOptions.workerSrc = workerUrl
const worker = new PDFWorker() // starts while the paper's first bytes are on their way

/** Gives pdf.js the bytes it asks for, with a token that is renewed, and again when the line is back. */
class Ranges extends PDFDataRangeTransport {
  #ended = new AbortController()

  constructor(
    readonly url: string,
    size: number,
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
        const answer = await request(this.url, { headers: { Range: `bytes=${begin}-${end - 1}` }, signal })
        const bytes = new Uint8Array(await answer.arrayBuffer())
        if (!signal.aborted) this.onDataRange(begin, bytes)
        return
      } catch (error) {
        if (signal.aborted) return
        if (error instanceof Problem && error.status < 500 && error.status !== 429) return this.refused(error)
        await until(backoff(attempt))
      }
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

/** A paper's version, fetched by ranges as it is read. `size` in bytes; null: asked of the server. */
export function openPaper(url: string, size: number | null): Opening {
  let close = (): void => {}
  let closed = false
  const ready = (async () => {
    const length = size ?? (await askSize(url))
    if (closed) throw new LineLost()
    return new Promise<PDFDocumentProxy>((opened, failed) => {
      const task = getDocument({
        ...SETTINGS,
        range: new Ranges(url, length, failed),
        rangeChunkSize: CHUNK,
        disableStream: true,
        disableAutoFetch: true,
      })
      close = () => void task.destroy()
      task.promise.then(opened, failed)
    })
  })()
  return {
    ready,
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

/** Draws a page so many CSS pixels wide on a canvas of its own; `null` where it was cancelled. */
export function draw(page: PDFPageProxy, width: number): { done: Promise<HTMLCanvasElement | null>; cancel: () => void } {
  const whole = page.getViewport({ scale: 1 })
  const finest = Math.sqrt(MOST_PIXELS / (whole.width * whole.height))
  const scale = Math.min((width / whole.width) * Math.min(devicePixelRatio, FINEST), finest)
  const viewport = page.getViewport({ scale })
  const canvas = document.createElement('canvas')
  canvas.width = Math.round(viewport.width)
  canvas.height = Math.round(viewport.height)
  const task = page.render({ canvas, viewport })
  const done = task.promise.then(
    () => canvas,
    () => {
      release(canvas)
      return null
    },
  )
  return { done, cancel: () => task.cancel() }
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
