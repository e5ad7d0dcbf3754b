import { expect, test } from 'vitest'
import { boxOf, outline, quadOf, strokePath, thin, toPage, toView, touches, within, type InkPoint, type Spot } from './ink'

/** The view at scale 1 of an A4 page turned by so many degrees, as pdf.js has it. */
function view(turn: 0 | 90 | 180 | 270): Parameters<typeof toPage>[0] & { width: number } {
  const [a, b, c, d, e, f] = { 0: [1, 0, 0, -1, 0, 842], 90: [0, 1, 1, 0, 0, 0], 180: [-1, 0, 0, 1, 595, 0], 270: [0, -1, -1, 0, 842, 595] }[turn] as [number, number, number, number, number, number]
  const whole = a * d - b * c
  return {
    width: turn % 180 ? 842 : 595,
    convertToViewportPoint: (x, y) => [a * x + c * y + e, b * x + d * y + f],
    convertToPdfPoint: (x, y) => [(d * (x - e) - c * (y - f)) / whole, (a * (y - f) - b * (x - e)) / whole],
  }
}

test.each([0, 90, 180, 270] as const)('a spot on a page turned by %i is stored in the unturned page and shown where it was', (turn) => {
  const seen: Spot = [123.4, 56.7]
  const stored = toPage(view(turn), seen)
  expect(stored.every(Number.isInteger)).toBe(true)
  expect(toView(view(turn), ...stored)[0]).toBeCloseTo(seen[0], 1)
  expect(toView(view(turn), ...stored)[1]).toBeCloseTo(seen[1], 1)
})

test('on a page that stands, x counts from the left and y from below', () => {
  expect(toPage(view(0), [100, 42])).toEqual([1000, 8000])
})

test('places far outside the page are drawn in to what the server takes', () => {
  expect(toPage(view(0), [1e9, 1e9])).toEqual([200_000, -200_000])
})

test.each([0, 90, 180, 270] as const)('a highlight on a page turned by %i names its corners as they are read', (turn) => {
  const box = { x: 100, y: 200, width: 80, height: 12 }
  const quad = quadOf(view(turn), box)
  expect(toView(view(turn), quad[0] as number, quad[1] as number)).toEqual([100, 200])
  expect(toView(view(turn), quad[6] as number, quad[7] as number)).toEqual([180, 212])
  expect(boxOf(view(turn), quad)).toEqual(box)
})

test('points that say nothing new are left out, the end is kept', () => {
  const line: InkPoint[] = Array.from({ length: 100 }, (_, at) => [at, 0, 50])
  const kept = thin(line)
  expect(kept.length).toBeLessThan(20)
  expect(kept[0]).toEqual([0, 0, 50])
  expect(kept.at(-1)).toEqual([99, 0, 50])
})

test('a touch without a movement is a dot', () => {
  expect(thin([[5, 5, 50]])).toEqual([[5, 5, 50]])
  expect(outline([[5, 5, 0.5]], 2)).toMatch(/^M.+Z$/)
})

test('a stroke longer than the server takes is cut', () => {
  expect(thin(Array.from({ length: 9000 }, (_, at): InkPoint => [at * 10, 0, 50]))).toHaveLength(5000)
})

test('a firmer hand draws a broader line', () => {
  const high = (pressure: number): number => {
    const stroke = Array.from({ length: 20 }, (_, at) => [at * 100, 4000, pressure])
    const ys = [...strokePath(view(0), stroke, 20).matchAll(/-?[\d.]+ (-?[\d.]+)/g)].map(([, y]) => Number(y))
    return Math.max(...ys) - Math.min(...ys)
  }
  expect(high(90)).toBeGreaterThan(1.5 * high(10))
})

test.each([
  ['crosses it', [50, -50], [50, 50], true],
  ['passes within reach', [0, 40], [100, 40], true],
  ['stays away', [0, 80], [100, 80], false],
  ['is a tap on its end', [103, 0], [103, 0], true],
] as [string, Spot, Spot, boolean][])('an eraser that %s', (_, from, to, hit) => {
  expect(touches([[0, 0, 50], [100, 0, 50]], from, to, 50)).toBe(hit) // prettier-ignore
})

test('a spot is within a quad or not', () => {
  const quad = [0, 100, 200, 100, 0, 0, 200, 0]
  expect(within(quad, [50, 50])).toBe(true)
  expect(within(quad, [250, 50])).toBe(false)
})
