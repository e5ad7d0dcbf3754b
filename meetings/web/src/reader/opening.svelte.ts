// A version of a paper being opened, and what comes of it.
import { untrack } from 'svelte'
import { t } from '../kit/words.svelte'
import { Problem } from '../wire/http'
import type { Size } from './layout'
import { openPaper, type PDFDocumentProxy } from './pdf'

const LONG = 4000 // ms after which one is told that it takes long

export class Opening {
  done = $state.raw<{ doc: PDFDocumentProxy; size: Size } | null>(null)
  trouble = $state.raw<Problem | null>(null)
  slow = $state(false)
  #attempt = $state(0)

  /** Opens what `url` says, anew whenever it says another; `size` in bytes, null where not known. For a component's beginning. */
  constructor(url: () => string, size: () => number | null) {
    $effect(() => {
      void this.#attempt
      const opening = openPaper(url(), untrack(size))
      const late = setTimeout(() => (this.slow = true), LONG)
      let gone = false
      opening.ready
        .then(async (doc) => {
          const { width, height } = (await doc.getPage(1)).getViewport({ scale: 1 })
          if (!gone) this.done = { doc, size: { width, height } }
        })
        .catch((error: unknown) => {
          if (!gone) this.trouble = error instanceof Problem ? error : new Problem('broken-pdf', 0, t('reader.broken'))
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

  retry(): void {
    this.#attempt++
  }
}
