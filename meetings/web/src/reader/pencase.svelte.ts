// The tool in hand, and what each of them does to the notes of a paper.
import { touches, within, type InkPoint, type Spot } from './ink'
import type { Kind, Note } from './notes'
import type { NoteShelf } from './shelf.svelte'

export type Tool = 'read' | 'pen' | 'marker' | 'eraser' | 'remark'
export const COLORS = { blue: '#1E4C9A', red: '#B02E1A', coal: '#33302A' } as const
export type Color = keyof typeof COLORS

export const MARKER = '#FFD84D'
export const WIDTH = 18 // tenths of a point
const PAUSE = 1200 // ms: strokes that follow sooner, and near, are one note
const NEAR = 400 // tenths of a point
const MOST_STROKES = 60
const A_DAY = 12 * 3600e3 // ms of work; who has lost the pen writes with a finger tomorrow
const ICON = 180 // tenths of a point: side of a remark's sign
const ERASER = 50 // tenths of a point around its middle

export class Pencase {
  tool = $state<Tool>('read')
  color = $state<Color>('blue')
  /** Whether what others share is shown. */
  others = $state(true)
  /** The remark whose words are open, a new one without words yet among them. */
  open = $state.raw<Note | null>(null)
  /** A pen has been near this device today: fingers scroll from now on, and never draw. */
  penSeen = $state(Date.now() - Number(localStorage.getItem('reader.pen')) < A_DAY)

  #last = { id: '', at: 0 }
  #penAt = 0
  #erasing = false

  constructor(
    readonly shelf: NoteShelf,
    readonly version: () => number,
  ) {}

  choose(tool: Tool): void {
    this.tool = tool
  }

  dip(color: Color): void {
    this.color = color
    if (this.tool !== 'remark') this.tool = 'pen'
  }

  sawPen(): void {
    this.#penAt = performance.now()
    if (this.penSeen) return
    this.penSeen = true
    localStorage.setItem('reader.pen', String(Date.now()))
  }

  /** A pen is at work: what touches the glass now is the palm. */
  get penNear(): boolean {
    return performance.now() - this.#penAt < 500
  }

  stroke(page: number, points: InkPoint[]): void {
    const last = this.shelf.find(this.#last.id)
    const soon = performance.now() - this.#last.at < PAUSE
    const joins = soon && last && last.page === page && last.color === COLORS[this.color] && !last.deleted && !last.shared
    if (joins && last.version === this.version() && last.strokes.length < MOST_STROKES && near(last.strokes.at(-1) ?? [], points)) {
      this.shelf.change([{ ...last, strokes: [...last.strokes, points] }])
      this.#last.at = performance.now()
    } else {
      const note = this.#make('ink', page, { strokes: [points] })
      this.shelf.change([note])
      this.#last = { id: note.id, at: performance.now() }
    }
  }

  highlight(page: number, quads: number[][], text: string): void {
    if (quads.length) this.shelf.change([this.#make('highlight', page, { quads, text: text.slice(0, 5000), color: MARKER })])
  }

  remark(page: number, at: Spot): void {
    this.open = this.#make('text', page, { at })
  }

  /** Keeps a remark's words as they are typed; one without words is not kept. */
  write(text: string, shared: boolean): void {
    const note = this.open
    if (!note) return
    const known = this.shelf.find(note.id)
    if (!known && !text.trim()) return
    this.open = { ...note, text: text.slice(0, 5000), shared }
    this.shelf.change([this.open], { join: Boolean(known) })
  }

  share(note: Note, shared: boolean): void {
    this.shelf.change([{ ...note, shared }])
  }

  remove(note: Note): void {
    if (this.open?.id === note.id) this.open = null
    if (this.shelf.find(note.id)) this.shelf.change([{ ...note, deleted: true }])
  }

  startErasing(): void {
    this.#erasing = false
  }

  /** Takes away every stroke, highlight and remark of one's own that the eraser crosses; one movement is one step. */
  erase(page: number, from: Spot, to: Spot): void {
    const mine = this.shelf.notes.filter((note) => note.mine && !note.deleted && note.page === page && note.version === this.version())
    const changed = mine.map((note) => rubbed(note, from, to)).filter((note) => note !== null)
    if (!changed.length) return
    this.shelf.change(changed, { join: this.#erasing })
    this.#erasing = true
  }

  #make(kind: Kind, page: number, made: Partial<Note>): Note {
    return {
      id: crypto.randomUUID(),
      paper_id: this.shelf.paperId,
      version: this.version(),
      page,
      kind,
      strokes: [],
      quads: [],
      at: null,
      color: COLORS[this.color],
      width: WIDTH,
      text: '',
      shared: false,
      deleted: false,
      rev: 0,
      author_id: this.shelf.me,
      mine: true,
      modified_at: '',
      ...made,
    }
  }
}

/** The note after the eraser went over it; null where it was not touched. */
function rubbed(note: Note, from: Spot, to: Spot): Note | null {
  if (note.kind === 'ink') {
    const strokes = note.strokes.filter((stroke) => !touches(stroke, from, to, ERASER))
    if (strokes.length === note.strokes.length) return null
    return strokes.length ? { ...note, strokes } : { ...note, deleted: true }
  }
  const [x, y] = (note.at ?? [0, 0]) as Spot
  const places = note.kind === 'highlight' ? note.quads : [[x, y, x + ICON, y, x, y - ICON, x + ICON, y - ICON]]
  return places.some((quad) => within(quad, to)) ? { ...note, deleted: true } : null
}

function near(stroke: number[][], points: number[][]): boolean {
  const [a, b] = [bounds(stroke), bounds(points)]
  return a[0] - b[2] < NEAR && b[0] - a[2] < NEAR && a[1] - b[3] < NEAR && b[1] - a[3] < NEAR
}

function bounds(points: number[][]): [number, number, number, number] {
  const xs = points.map((point) => point[0] as number)
  const ys = points.map((point) => point[1] as number)
  return [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)]
}
