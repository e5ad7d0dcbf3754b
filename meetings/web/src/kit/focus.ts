/** Gives the element the focus when it appears: titles of sheets and of screens that replace another. */
export function focused(element: HTMLElement): void {
  element.focus({ preventScroll: true })
}

/** Remembers who has the focus now; the returned function gives it back, or to the content where nobody had it or they are gone. */
export function returnFocus(): () => void {
  const before = document.activeElement
  return () => {
    const back = before instanceof HTMLElement && before !== document.body && before.isConnected ? before : document.getElementById('content')
    back?.focus({ preventScroll: true })
  }
}
