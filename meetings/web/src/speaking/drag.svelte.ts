// Dragging a row of a list by its dots, with mouse, pen or finger alike. The others stay where they are; a line shows
// where the row would land.
import { placeAt } from './list'

const EDGE = 48 // px from the edge of the list where it scrolls by itself

export class RowDrag {
  id = $state<string | null>(null)
  /** Px by which the dragged row is off its place. */
  offset = $state(0)
  /** The place (from 0, among the others) where it would land. */
  place = $state(0)

  #from = 0
  #middles: number[] = []

  constructor(
    readonly list: () => HTMLElement,
    readonly drop: (id: string, place: number) => void,
  ) {}

  start(event: PointerEvent, id: string): void {
    if (event.button) return
    event.preventDefault()
    ;(event.currentTarget as HTMLElement).setPointerCapture(event.pointerId)
    const list = this.list()
    const rows = [...list.querySelectorAll<HTMLElement>('[data-id]')]
    this.#middles = rows.filter((row) => row.dataset.id !== id).map((row) => row.offsetTop + row.offsetHeight / 2)
    this.place = rows.findIndex((row) => row.dataset.id === id)
    this.#from = this.#inList(event)
    this.offset = 0
    this.id = id
  }

  move(event: PointerEvent): void {
    if (!this.id) return
    const list = this.list()
    const box = list.getBoundingClientRect()
    if (event.clientY < box.top + EDGE) list.scrollTop -= 12
    else if (event.clientY > box.bottom - EDGE) list.scrollTop += 12
    const y = this.#inList(event)
    this.offset = y - this.#from
    this.place = placeAt(this.#middles, y)
  }

  end(): void {
    const { id, place } = this
    this.cancel()
    if (id) this.drop(id, place)
  }

  cancel(): void {
    this.id = null
    this.offset = 0
  }

  /** The pointer's height in the list, however far it is scrolled. */
  #inList(event: PointerEvent): number {
    const list = this.list()
    return event.clientY - list.getBoundingClientRect().top + list.scrollTop
  }
}
