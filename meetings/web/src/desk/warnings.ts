// What the server found odd about a file that it took in all the same (docs_store.pdf.Inspected.warnings), in words.
import { t } from '../kit/words.svelte'

const CODES = [
  'repaired',
  'active-content-removed',
  'attachments-removed',
  'attachments-kept',
  'signed-kept-as-is',
  'no-text',
  'pages-without-text',
  'old-fonts',
  'fonts-not-embedded',
] as const
type Code = (typeof CODES)[number]
const MOST = 8 // names or page numbers that are told one by one

export function say(warning: Record<string, unknown>): string {
  const code = CODES.find((one) => one === warning.code) ?? ('other' as const satisfies Code | 'other')
  return t(`desk.warning.${code}`, { pages: few(warning.pages), fonts: few(warning.fonts) })
}

function few(list: unknown): string {
  if (!Array.isArray(list)) return ''
  return list.slice(0, MOST).join(', ') + (list.length > MOST ? '…' : '')
}
