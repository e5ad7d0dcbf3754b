// What fingers do on the pages: two of them zoom; one scrolls where the browser is told not to, because a pen writes there.
interface Hands {
  /** Whether one finger must be helped to scroll, since the page under it takes ink. */
  helps: () => boolean
  /** Whether a pen is at work, so that what touches is a palm. */
  palm: () => boolean
  /** Two fingers went apart by `factor`; the point between them is to stay where it is. */
  zoom: (factor: number, x: number, y: number) => void
}
interface Moment {
  x: number
  y: number
  spread: number
  at: number
}

const FRICTION = 0.95 // of the speed is left after 16 ms

/** Listens on a scrolling element until the returned function is called. */
export function fingers(node: HTMLElement, hands: Hands): () => void {
  let last: Moment | null = null
  let speed = { x: 0, y: 0 }
  let glide = 0

  function moment({ touches, timeStamp }: TouchEvent): Moment {
    const [a, b = a] = [...touches] as [Touch, Touch?]
    const spread = Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY)
    return { x: (a.clientX + b.clientX) / 2, y: (a.clientY + b.clientY) / 2, spread, at: timeStamp }
  }

  function start(event: TouchEvent): void {
    cancelAnimationFrame(glide)
    const ours = event.touches.length === 2 || (event.touches.length === 1 && hands.helps())
    last = ours && !hands.palm() ? moment(event) : null
    speed = { x: 0, y: 0 }
    if (event.touches.length === 2) event.preventDefault()
  }

  function move(event: TouchEvent): void {
    if (!last) return
    if (event.cancelable) event.preventDefault()
    const now = moment(event)
    if (now.spread && last.spread) hands.zoom(now.spread / last.spread, now.x, now.y)
    const by = { x: last.x - now.x, y: last.y - now.y }
    node.scrollBy(by.x, by.y)
    const time = Math.max(1, now.at - last.at)
    speed = { x: by.x / time, y: by.y / time }
    last = now
  }

  function end(event: TouchEvent): void {
    const threw = last && event.touches.length === 0 && event.timeStamp - last.at < 60
    last = event.touches.length && last ? moment(event) : null
    if (threw && !matchMedia('(prefers-reduced-motion: reduce)').matches) glide = requestAnimationFrame(slow)
  }

  function slow(): void {
    node.scrollBy(speed.x * 16, speed.y * 16)
    speed = { x: speed.x * FRICTION, y: speed.y * FRICTION }
    if (Math.hypot(speed.x, speed.y) > 0.02) glide = requestAnimationFrame(slow)
  }

  function wheel(event: WheelEvent): void {
    if (!event.ctrlKey) return
    event.preventDefault()
    hands.zoom(Math.exp(-event.deltaY / 300), event.clientX, event.clientY)
  }

  const listening = { passive: false }
  node.addEventListener('touchstart', start, listening)
  node.addEventListener('touchmove', move, listening)
  node.addEventListener('touchend', end)
  node.addEventListener('touchcancel', end)
  node.addEventListener('wheel', wheel, listening)
  return () => {
    cancelAnimationFrame(glide)
    node.removeEventListener('touchstart', start)
    node.removeEventListener('touchmove', move)
    node.removeEventListener('touchend', end)
    node.removeEventListener('touchcancel', end)
    node.removeEventListener('wheel', wheel)
  }
}
