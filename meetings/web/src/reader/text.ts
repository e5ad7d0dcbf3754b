// The words that lie over a page: where the searched ones stand, and which are under the marker.
import { find } from './fold'
import type { Box } from './ink'

interface Rect {
  left: number
  top: number
  width: number
  height: number
}

/** The ranges of `layer` in which `query` stands, in reading order. */
export function findIn(layer: HTMLElement, query: string): Range[] {
  const nodes = textNodes(layer)
  const starts: number[] = []
  let text = ''
  for (const node of nodes) {
    starts.push(text.length)
    text += node.data
  }
  const spot = (at: number): [Text, number] => {
    let index = starts.findLastIndex((start) => start <= at)
    if (index < 0) index = 0
    return [nodes[index] as Text, at - (starts[index] as number)]
  }
  return find(text, query).map(([from, to]) => {
    const range = document.createRange()
    const [last, end] = spot(to - 1)
    range.setStart(...spot(from))
    range.setEnd(last, end + 1)
    return range
  })
}

function textNodes(layer: HTMLElement): Text[] {
  const walker = document.createTreeWalker(layer, NodeFilter.SHOW_TEXT)
  const nodes: Text[] = []
  while (walker.nextNode()) nodes.push(walker.currentNode as Text)
  return nodes
}

/** What `range` covers, one box for each line, in a page that is `width` wide and `page` on the screen. */
export function boxesOf(range: Range, page: Rect, width: number): Box[] {
  const scale = width / page.width
  const boxes: Box[] = []
  for (const node of nodesIn(range)) {
    for (const rect of rectsIn(range, node)) {
      const box = { x: (rect.left - page.left) * scale, y: (rect.top - page.top) * scale, width: rect.width * scale, height: rect.height * scale }
      const last = boxes.at(-1)
      if (last && onOneLine(last, box)) boxes[boxes.length - 1] = around(last, box)
      else boxes.push(box)
    }
  }
  return boxes
}

function nodesIn(range: Range): Text[] {
  const root = range.commonAncestorContainer
  if (root instanceof Text) return [root]
  return textNodes(root as HTMLElement).filter((node) => range.intersectsNode(node))
}

/** The words of `range`, with a blank where the paper begins a new line. */
export function textOf(range: Range): string {
  const words = nodesIn(range).map((node) => {
    const from = node === range.startContainer ? range.startOffset : 0
    const to = node === range.endContainer ? range.endOffset : node.length
    return node.data.slice(from, to) + (node.parentElement?.nextElementSibling instanceof HTMLBRElement ? ' ' : '')
  })
  return words.join('').replace(/\s+/g, ' ').trim()
}

function rectsIn(range: Range, node: Text): Rect[] {
  const part = document.createRange()
  part.setStart(node, node === range.startContainer ? range.startOffset : 0)
  part.setEnd(node, node === range.endContainer ? range.endOffset : node.length)
  return [...part.getClientRects()].filter((rect) => rect.width > 0.5 && rect.height > 0)
}

function onOneLine(a: Box, b: Box): boolean {
  const overlap = Math.min(a.y + a.height, b.y + b.height) - Math.max(a.y, b.y)
  const gap = Math.max(a.x, b.x) - Math.min(a.x + a.width, b.x + b.width)
  return overlap > 0.5 * Math.min(a.height, b.height) && gap < 3 * Math.max(a.height, b.height)
}

function around(a: Box, b: Box): Box {
  const [x, y] = [Math.min(a.x, b.x), Math.min(a.y, b.y)]
  return { x, y, width: Math.max(a.x + a.width, b.x + b.width) - x, height: Math.max(a.y + a.height, b.y + b.height) - y }
}

/** The place between two signs that is nearest to a point of the screen: in the nearest line, then along it. */
export function caretAt(layer: HTMLElement, x: number, y: number): [Text, number] | null {
  let nearest: Text | null = null
  let least = Infinity
  for (const node of textNodes(layer)) {
    const rect = node.parentElement?.getBoundingClientRect()
    if (!rect || !node.data.trim()) continue
    const beside = Math.max(rect.left - x, 0, x - rect.right)
    const above = Math.max(rect.top - y, 0, y - rect.bottom)
    const upright = node.length > 1 && rect.height > 1.5 * rect.width // of a page that lies on its side
    const [aside, away] = upright ? [above, beside] : [beside, above]
    if (aside + 8 * away < least) {
      least = aside + 8 * away
      nearest = node
    }
  }
  return nearest && [nearest, offsetAt(nearest, x, y)]
}

/** Before which sign of `node` the point stands, along the way its words run. */
function offsetAt(node: Text, x: number, y: number): number {
  const range = document.createRange()
  const middleOf = (at: number): [number, number] => {
    range.setStart(node, at)
    range.setEnd(node, at + 1)
    const rect = range.getBoundingClientRect()
    return [rect.left + rect.width / 2, rect.top + rect.height / 2]
  }
  const [start, end] = [middleOf(0), middleOf(node.length - 1)]
  const [dx, dy] = node.length > 1 ? [end[0] - start[0], end[1] - start[1]] : [1, 0]
  let low = 0
  let high = node.length
  while (low < high) {
    const middle = (low + high) >> 1
    const [mx, my] = middleOf(middle)
    if ((x - mx) * dx + (y - my) * dy > 0) low = middle + 1
    else high = middle
  }
  return low
}

/** From one place to another, whichever comes first. */
export function between(a: [Text, number], b: [Text, number]): Range {
  const range = document.createRange()
  range.setStart(...a)
  range.collapse(true)
  if (range.comparePoint(...b) < 0) range.setStart(...b)
  else range.setEnd(...b)
  return range
}
