// Titles have up to 500 characters and are never cut: what stands in the node grows smaller until it fits.
const STEP = 0.04
const LEAST = 0.4

/** For `{@attach fits}` on a box whose height is given; sizes within are multiples of `--fit`. */
export function fits(box: HTMLElement): () => void {
  const fit = (): void => {
    let scale = 1
    do box.style.setProperty('--fit', String(scale))
    while (box.scrollHeight > box.clientHeight && (scale -= STEP) >= LEAST)
  }
  const words = new MutationObserver(fit)
  words.observe(box, { subtree: true, childList: true, characterData: true })
  const room = new ResizeObserver(fit)
  room.observe(box)
  document.fonts.addEventListener('loadingdone', fit)
  fit()
  return () => {
    words.disconnect()
    room.disconnect()
    document.fonts.removeEventListener('loadingdone', fit)
  }
}
