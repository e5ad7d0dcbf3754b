import { t } from '../kit/words.svelte'
import type { Member } from '../meeting/read'

/** Where one sits: `Tổ 7 · ghế C12` */
export function placeOf(member: Member | undefined): string {
  return [member?.group, member?.seat ? t('speaking.seat', { seat: member.seat }) : ''].filter(Boolean).join(' · ')
}
