// Dragging a row of the tree by its dots, with mouse, pen or finger alike.
import { branch, dropPlace, moved, rows, type Agenda, type Place, type Row } from './tree'

const STEP = 26 // px of indent, and of sideways movement, for one level
const EDGE = 48 // px from the edge of the list where it scrolls by itself

interface Slot extends Place {
  depth: number
  /** Stands before this row, or (null) at the end. */
  before: string | null
  /** The number that the item will have. */
  number: string
}

export class Drag {
  id = $state<string | null>(null)
  slot = $state.raw<Slot | null>(null)
  gone = $state.raw<Set<string>>(new Set())

  #rest: Row[] = []
  #middles: number[] = []
  #from = { x: 0, depth: 1 }

  constructor(
    readonly agenda: () => Agenda,
    readonly list: () => HTMLElement,
    readonly drop: (id: string, place: Place) => void,
  ) {}

  start(event: PointerEvent, row: Row): void {
    if (event.button) return
    event.preventDefault()
    const grip = event.currentTarget as HTMLElement
    grip.setPointerCapture(event.pointerId)
    const list = this.list()
    const top = list.getBoundingClientRect().top - list.scrollTop
    this.gone = branch(this.agenda(), row.item.id)
    this.#rest = rows(this.agenda()).filter((one) => !this.gone.has(one.item.id))
    this.#middles = this.#rest.map((one) => {
      const box = list.querySelector(`[data-id="${CSS.escape(one.item.id)}"]`)?.getBoundingClientRect()
      return box ? box.top + box.height / 2 - top : 0
    })
    this.#from = { x: event.clientX, depth: row.depth }
    this.id = row.item.id
  }

  move(event: PointerEvent): void {
    if (!this.id) return
    const list = this.list()
    const box = list.getBoundingClientRect()
    if (event.clientY < box.top + EDGE) list.scrollTop -= 12
    else if (event.clientY > box.bottom - EDGE) list.scrollTop += 12
    const y = event.clientY - box.top + list.scrollTop
    const above = this.#middles.filter((middle) => middle < y).length - 1
    const wish = this.#from.depth + Math.round((event.clientX - this.#from.x) / STEP)
    const agenda = this.agenda()
    const place = dropPlace(agenda, this.id, this.#rest, above, wish)
    const number = moved(agenda, this.id, place)[this.id]?.number ?? ''
    this.slot = { ...place, number, before: this.#rest[above + 1]?.item.id ?? null }
  }

  end(): void {
    const { id, slot } = this
    this.cancel()
    if (id && slot) this.drop(id, { parent_id: slot.parent_id, position: slot.position })
  }

  cancel(): void {
    this.id = this.slot = null
    this.gone = new Set()
  }
}
