// Ink on a page: from the pen's points to what is stored (integers of 0.1 pt in unrotated PDF user space) and to what is seen.
import { getStroke } from 'perfect-freehand'
import type { PageViewport } from './pdf'

/** x, y in tenths of a point, pressure 0 to 100. */
export type InkPoint = [number, number, number]
/** x, y as the page is seen at scale 1. */
export type Spot = [number, number]
export interface Box {
  x: number
  y: number
  width: number
  height: number
}
type View = Pick<PageViewport, 'convertToPdfPoint' | 'convertToViewportPoint'>

const CLOSEST = 6 // tenths of a point between two points worth keeping
const LONGEST = 5000 // points of one stroke that the server takes
const FARTHEST = 200_000

export function toPage(view: View, [x, y]: Spot): [number, number] {
  const [px, py] = view.convertToPdfPoint(x, y) as Spot
  const whole = (length: number): number => Math.max(-FARTHEST, Math.min(FARTHEST, Math.round(length * 10)))
  return [whole(px), whole(py)]
}

export function toView(view: View, x: number, y: number): Spot {
  return view.convertToViewportPoint(x / 10, y / 10) as Spot
}

/** Without points that say nothing new; the last one stays, so that the line ends where the pen did. */
export function thin(points: InkPoint[]): InkPoint[] {
  const kept: InkPoint[] = []
  for (const [at, point] of points.entries()) {
    const last = kept.at(-1)
    const near = last && Math.hypot(point[0] - last[0], point[1] - last[1]) < CLOSEST
    if (!near) kept.push(point)
    else if (at === points.length - 1 && kept.length > 1) kept[kept.length - 1] = point
  }
  return kept.slice(0, LONGEST)
}

/** The outline of a stroke as an SVG path; `spots` with pressure 0 to 1, `width` in the same unit. */
export function outline(spots: [number, number, number][], width: number, ended = true): string {
  const edge = getStroke(spots, { size: width, thinning: 0.5, smoothing: 0.5, streamline: 0.35, simulatePressure: false, last: ended })
  if (edge.length < 3) return ''
  const round = (length: number): number => Math.round(length * 100) / 100
  const [first, ...rest] = edge as [Spot, ...Spot[]]
  const curves = rest.map(([x, y], at) => {
    const [nx, ny] = rest[at + 1] ?? first
    return `${round(x)} ${round(y)} ${round((x + nx) / 2)} ${round((y + ny) / 2)}`
  })
  return `M${round(first[0])} ${round(first[1])}Q${curves.join(' ')}Z`
}

const paths = new WeakMap<object, string>()

/** A stored stroke as an SVG path in the page's view; drawn once for each stroke. */
export function strokePath(view: View, stroke: number[][], width: number): string {
  const known = paths.get(stroke)
  if (known !== undefined) return known
  const path = outline(
    stroke.map(([x = 0, y = 0, pressure = 50]) => [...toView(view, x, y), pressure / 100]),
    width / 10,
  )
  paths.set(stroke, path)
  return path
}

/** Upper left, upper right, lower left, lower right of what is seen as `box`, for a PDF highlight. */
export function quadOf(view: View, { x, y, width, height }: Box): number[] {
  const corners: Spot[] = [
    [x, y],
    [x + width, y],
    [x, y + height],
    [x + width, y + height],
  ]
  return corners.flatMap((corner) => toPage(view, corner))
}

export function boxOf(view: View, quad: number[]): Box {
  const spots = [0, 2, 4, 6].map((at) => toView(view, quad[at] as number, quad[at + 1] as number))
  const xs = spots.map(([x]) => x)
  const ys = spots.map(([, y]) => y)
  const [x, y] = [Math.min(...xs), Math.min(...ys)]
  return { x, y, width: Math.max(...xs) - x, height: Math.max(...ys) - y }
}

/** Whether the eraser, drawn from `a` to `b`, comes within `reach` of the stroke. */
export function touches(stroke: number[][], a: Spot, b: Spot, reach: number): boolean {
  return stroke.some((point, at) => {
    const from: Spot = [point[0] as number, point[1] as number]
    const next = stroke[at + 1] ?? point
    return apart(from, [next[0] as number, next[1] as number], a, b) <= reach
  })
}

/** Whether the point lies within the smallest upright box around the quad. */
export function within(quad: number[], [x, y]: Spot): boolean {
  const xs = quad.filter((_, at) => at % 2 === 0)
  const ys = quad.filter((_, at) => at % 2 === 1)
  return x >= Math.min(...xs) && x <= Math.max(...xs) && y >= Math.min(...ys) && y <= Math.max(...ys)
}

/** The shortest way between two segments. */
function apart(p: Spot, q: Spot, a: Spot, b: Spot): number {
  const side = (s: Spot, t: Spot, u: Spot): number => (t[0] - s[0]) * (u[1] - s[1]) - (t[1] - s[1]) * (u[0] - s[0])
  if (side(p, q, a) * side(p, q, b) < 0 && side(a, b, p) * side(a, b, q) < 0) return 0
  return Math.min(toSegment(p, a, b), toSegment(q, a, b), toSegment(a, p, q), toSegment(b, p, q))
}

function toSegment(point: Spot, a: Spot, b: Spot): number {
  const [dx, dy] = [b[0] - a[0], b[1] - a[1]]
  const long = dx * dx + dy * dy
  const part = long ? Math.max(0, Math.min(1, ((point[0] - a[0]) * dx + (point[1] - a[1]) * dy) / long)) : 0
  return Math.hypot(point[0] - a[0] - part * dx, point[1] - a[1] - part * dy)
}
