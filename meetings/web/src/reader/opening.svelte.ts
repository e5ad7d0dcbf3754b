// A version of a paper being opened, and what comes of it.
import { untrack } from 'svelte'
import { t } from '../kit/words.svelte'
import { LineLost, Problem } from '../wire/http'
import type { Size } from './layout'
import { openPaper, type Known, type PDFDocumentProxy } from './pdf'

const LONG = 4000 // ms after which one is told that it takes long

/** Why a paper does not open, in words. */
export function whyNot(error: unknown): string {
  return error instanceof Problem ? error.title : t(error instanceof LineLost ? 'reader.lost' : 'reader.broken')
}

export class Opening {
  done = $state.raw<{ doc: PDFDocumentProxy; size: Size } | null>(null)
  trouble = $state<string | null>(null)
  slow = $state(false)
  #attempt = $state(0)
  #fill = (): void => {}

  /** Opens what `url` says, anew whenever it says another. For a component's beginning. */
  constructor(url: () => string, known: () => Known | null) {
    $effect(() => {
      void this.#attempt
      const opening = openPaper(url(), untrack(known))
      this.#fill = opening.fill
      const late = setTimeout(() => (this.slow = true), LONG)
      let gone = false
      opening.ready
        .then(async (doc) => {
          const { width, height } = (await doc.getPage(1)).getViewport({ scale: 1 })
          if (!gone) this.done = { doc, size: { width, height } }
        })
        .catch((error: unknown) => {
          if (!gone) this.trouble = whyNot(error)
        })
        .finally(() => clearTimeout(late))
      return () => {
        gone = true
        clearTimeout(late)
        opening.close()
        this.done = this.trouble = null
        this.slow = false
      }
    })
  }

  /** The first page is shown: the others may come to the device. */
  fill(): void {
    this.#fill()
  }

  retry(): void {
    this.#attempt++
  }
}
