/** Gives the element the focus when it appears: titles of sheets and of screens that replace another. */
export function focused(element: HTMLElement): void {
  element.focus({ preventScroll: true })
}
