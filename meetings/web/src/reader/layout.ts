// Where pages stand in one long column, and where in it one reads. Pure; lengths in CSS pixels, pages from 0.
export interface Size {
  width: number
  height: number
}
interface Layout {
  tops: number[]
  heights: number[]
  /** Of each page, and how far from the column's edge it stands. */
  wide: number
  margin: number
  /** Of the whole column. */
  height: number
  width: number
}
/** A line of a page: `part` of its height from its top. */
export interface Place {
  page: number
  part: number
}

export const GAP = 18
const WIDEST = 1100 // a page is not blown up to the width of a big screen

/** Every page as wide as the room (less its margins) times `zoom`, one below the other. */
export function layOut(sizes: Size[], room: number, zoom: number): Layout {
  const margin = Math.max(12, Math.min(54, room * 0.0635))
  const wide = Math.max(1, Math.min(WIDEST, room - 2 * margin)) * zoom
  const tops: number[] = []
  const heights: number[] = []
  let at = GAP
  for (const size of sizes) {
    tops.push(at)
    heights.push((wide * size.height) / size.width)
    at += (wide * size.height) / size.width + GAP
  }
  const width = Math.max(room, wide + 2 * Math.min(margin, 24))
  return { tops, heights, wide, margin: (width - wide) / 2, height: at, width }
}

/** The last page that begins at or above `y`. */
export function pageAt({ tops }: Layout, y: number): number {
  let low = 0
  let high = tops.length - 1
  while (low < high) {
    const middle = Math.ceil((low + high) / 2)
    if ((tops[middle] as number) <= y) low = middle
    else high = middle - 1
  }
  return Math.max(0, low)
}

export function placeAt(layout: Layout, y: number): Place {
  const page = pageAt(layout, y)
  return { page, part: (y - (layout.tops[page] ?? 0)) / (layout.heights[page] ?? 1) }
}

export function topOf(layout: Layout, { page, part }: Place): number {
  const known = Math.min(page, layout.tops.length - 1)
  return (layout.tops[known] ?? 0) + part * (layout.heights[known] ?? 0)
}

/** The page one reads: the one a third down the window, or the last when the end is reached. */
export function readPage(layout: Layout, y: number, window: number): number {
  if (y + window >= layout.height - 2) return layout.tops.length - 1
  return pageAt(layout, y + window / 3)
}

/** First and last page of which something is in the window, and `more` on either side. */
export function inWindow(layout: Layout, y: number, window: number, more: number): [number, number] {
  const last = layout.tops.length - 1
  return [Math.max(0, pageAt(layout, y) - more), Math.min(last, pageAt(layout, y + window) + more)]
}
