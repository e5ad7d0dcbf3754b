// How this device shows things: theme and large type, kept on the device.
export type Theme = 'light' | 'dark' | 'system'

const system = matchMedia('(prefers-color-scheme: dark)')
let theme = $state<Theme>('system')
let large = $state(false)

function show(): void {
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
  recall(): void {
    const kept = localStorage.getItem('theme')
    theme = kept === 'light' || kept === 'dark' ? kept : 'system'
    large = localStorage.getItem('large') === '1'
    system.addEventListener('change', show)
    show()
  },
}

/** The kind of screen this page is: sets the root size and the height of controls. */
export function surface(kind: 'tablet' | 'desk' | 'wall'): void {
  document.documentElement.dataset.surface = kind
}
