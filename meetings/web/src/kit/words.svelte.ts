import en from '../locales/en.json'
import vi from '../locales/vi.json'

export type Key = keyof typeof vi
type Language = 'vi' | 'en'
type Facts = Record<string, string | number>

const CATALOGUES: Record<Language, Record<string, string>> = { vi, en }

let chosen = $state<Language>('vi')

/** The language of the interface: the cookie `lang` (which the server reads too), else Vietnamese. */
export const language = {
  get now(): Language {
    return chosen
  },
  /** For this page only; `choose` is for good. */
  show(wanted: Language): void {
    chosen = wanted
    document.documentElement.lang = wanted
  },
  choose(wanted: Language): void {
    language.show(wanted)
    document.cookie = `lang=${wanted}; Path=/; Max-Age=31536000; SameSite=Lax${location.protocol === 'https:' ? '; Secure' : ''}`
  },
  recall(): void {
    language.show(/(?:^|; )lang=en/.test(document.cookie) ? 'en' : 'vi')
  },
}

/** The words for `key` with `{facts}` filled in; `{n:day|days}` takes the first form where `n` is 1, else the second. */
export function t(key: Key, facts: Facts = {}): string {
  return fill(CATALOGUES[chosen][key] ?? key, facts)
}

export function fill(template: string, facts: Facts): string {
  return template.replace(/\{(\w+)(?::([^|}]*)\|([^}]*))?\}/g, (whole, name: string, one?: string, many?: string) => {
    const fact = facts[name]
    if (fact === undefined) return whole
    return one === undefined ? String(fact) : ((Number(fact) === 1 ? one : many) ?? '')
  })
}
