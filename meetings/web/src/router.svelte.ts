// The addresses of the app. The server gives its one page for each of them.
export type Route =
  | { page: 'start' | 'signed-in' | 'signed-out' | 'new' | 'bodies' | 'unknown' }
  | { page: 'wall'; id: string | null }
  | { page: 'meeting' | 'chair' | 'desk' | 'minutes' | 'bridges' | 'bridge' | 'rehearsal' | 'check-in' | 'members' | 'rooms' | 'wall-bridges'; id: string }

const ALONE = ['signed-in', 'signed-out', 'new', 'bodies'] as const
const OF_MEETING = ['chair', 'desk', 'minutes', 'bridges', 'bridge', 'rehearsal'] as const

export function parse(path: string): Route {
  const [first = '', id, third, more] = path.split('/').filter(Boolean)
  if (more) return { page: 'unknown' }
  if (first === 'wall' && (!id || (id === 'bridges' && !third))) return { page: 'wall', id: null }
  if (!id) {
    if (first === '') return { page: 'start' }
    return { page: ALONE.find((page) => page === first) ?? 'unknown' }
  }
  if (first === 'm' && !third) return { page: 'meeting', id }
  const screen = first === 'm' && OF_MEETING.find((page) => page === third)
  if (screen) return { page: screen, id }
  if (first === 'bodies' && third === 'members') return { page: 'members', id }
  if (first === 'bodies' && third === 'bridges') return { page: 'rooms', id }
  if (first === 'wall' && third === 'bridges') return { page: 'wall-bridges', id }
  if (!third && (first === 'wall' || first === 'check-in')) return { page: first, id }
  return { page: 'unknown' }
}

let path = $state(location.pathname)

export const router = {
  get route(): Route {
    return parse(path)
  },
  /** Goes to an address of the app without loading the page anew. */
  go(to: string, { replace = false } = {}): void {
    history[replace ? 'replaceState' : 'pushState'](null, '', to)
    path = location.pathname
  },
}

addEventListener('popstate', () => (path = location.pathname))

/** Lets plain links work inside the app: `<a href="/m/…" use:link>`. */
export function link(anchor: HTMLAnchorElement): { destroy: () => void } {
  const follow = (event: MouseEvent): void => {
    if (event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return
    event.preventDefault()
    router.go(anchor.pathname + anchor.search + anchor.hash)
  }
  anchor.addEventListener('click', follow)
  return { destroy: () => anchor.removeEventListener('click', follow) }
}
