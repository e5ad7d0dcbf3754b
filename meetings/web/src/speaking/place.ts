import { t } from '../kit/words.svelte'
import type { State } from '../meeting/apply'
import type { Member } from '../meeting/read'

/** Where one sits: `Tổ 7 · ghế C12`, or `Tổ 7 · điểm cầu Đạ Hòa` */
export function placeOf(member: Member | undefined, bridges: State['bridges']): string {
  const seat = member?.seat ? t('speaking.seat', { seat: member.seat }) : ''
  return [member?.group, roomOf(member, bridges), seat].filter(Boolean).join(' · ')
}

/** The remote room of one who is at one: `điểm cầu Đạ Hòa` */
export function roomOf(member: Member | undefined, bridges: State['bridges']): string {
  const bridge = bridges[member?.bridge_id ?? '']
  return bridge ? t('speaking.bridge', { name: bridge.short }) : ''
}
