// How this device shows things: theme, large type and the side of the pens, kept on the device.
export type Theme = 'light' | 'dark' | 'system'
export type Hand = 'left' | 'right'

const system = matchMedia('(prefers-color-scheme: dark)')
let theme = $state<Theme>('system')
let large = $state(false)
let hand = $state<Hand>('right')

function show(): void {
  if (document.documentElement.dataset.surface === 'wall') return // how a wall looks, its address says
  const dark = theme === 'dark' || (theme === 'system' && system.matches)
  document.documentElement.dataset.theme = dark ? 'dark' : 'light'
  document.documentElement.toggleAttribute('data-large', large)
}

export const looks = {
  get theme(): Theme {
    return theme
  },
  get large(): boolean {
    return large
  },
  /** The hand that writes: the pens stand on its side. */
  get hand(): Hand {
    return hand
  },
  chooseTheme(wanted: Theme): void {
    theme = wanted
    localStorage.setItem('theme', wanted)
    show()
  },
  chooseLarge(wanted: boolean): void {
    large = wanted
    localStorage.setItem('large', wanted ? '1' : '')
    show()
  },
  chooseHand(wanted: Hand): void {
    hand = wanted
    localStorage.setItem('hand', wanted)
  },
  recall(): void {
    const kept = localStorage.getItem('theme')
    theme = kept === 'light' || kept === 'dark' ? kept : 'system'
    large = localStorage.getItem('large') === '1'
    hand = localStorage.getItem('hand') === 'left' ? 'left' : 'right'
    system.addEventListener('change', show)
    show()
  },
}

/** The kind of screen this page is: sets the root size and the height of controls. */
export function surface(kind: 'tablet' | 'desk' | 'wall'): void {
  document.documentElement.dataset.surface = kind
}
