// Dates, times and numbers as the province writes them. Times are Vietnam time on every device.
import { language } from './words.svelte'

const ZONE = 'Asia/Ho_Chi_Minh'

function parts(iso: string): Record<string, string> {
  const made = new Intl.DateTimeFormat('en-GB', {
    timeZone: ZONE,
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    hour12: false,
  })
  return Object.fromEntries(made.formatToParts(new Date(iso)).map((part) => [part.type, part.value]))
}

/** `08:00` */
export function clockTime(iso: string): string {
  const at = parts(iso)
  return `${at.hour}:${at.minute}`
}

/** `10:42:07`, where the time is proof */
export function exactTime(iso: string): string {
  const at = parts(iso)
  return `${at.hour}:${at.minute}:${at.second}`
}

/** `09/12/2026`, or `9 December 2026` */
export function date(iso: string): string {
  const at = parts(iso)
  if (language.now === 'vi') return `${at.day}/${at.month}/${at.year}`
  return new Intl.DateTimeFormat('en-GB', { timeZone: ZONE, day: 'numeric', month: 'long', year: 'numeric' }).format(new Date(iso))
}

/** `09/12`, or `9 Dec` */
export function dayMonth(iso: string): string {
  const at = parts(iso)
  if (language.now === 'vi') return `${at.day}/${at.month}`
  return new Intl.DateTimeFormat('en-GB', { timeZone: ZONE, day: 'numeric', month: 'short' }).format(new Date(iso))
}

/** Whether two moments are on the same day in Vietnam. */
export function sameDay(one: string, other: string): boolean {
  return date(one) === date(other)
}

/** Seconds as `03:12`, over an hour as `1:03:12`; never below zero. */
export function length(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds))
  const pad = (part: number): string => String(part).padStart(2, '0')
  const hours = Math.floor(whole / 3600)
  return `${hours ? `${hours}:` : ''}${pad(Math.floor(whole / 60) % 60)}:${pad(whole % 60)}`
}

/** A share as `75,0%`, or `75.0%` */
export function percent(part: number, whole: number): string {
  const share = whole ? ((100 * part) / whole).toFixed(1) : '0.0'
  return `${language.now === 'vi' ? share.replace('.', ',') : share}%`
}

/** `31.850`, or `31,850` */
export function count(number: number): string {
  return new Intl.NumberFormat(language.now === 'vi' ? 'vi-VN' : 'en-GB').format(number)
}

/** Bytes as `3,1 MB` */
export function size(bytes: number): string {
  const mega = (bytes / 1e6).toFixed(1)
  return bytes < 1e5 ? `${Math.ceil(bytes / 1000)} KB` : `${language.now === 'vi' ? mega.replace('.', ',') : mega} MB`
}

/** Milliseconds in seconds, as `0,4` */
export function inSeconds(ms: number): string {
  const seconds = (ms / 1000).toFixed(1)
  return language.now === 'vi' ? seconds.replace('.', ',') : seconds
}

/** `0912 345 154`, or `+84 912 345 154`; what is no number of ten figures stays as it is. */
export function phone(number: string): string {
  const found = /^(?:0|\+84)(\d{3})(\d{3})(\d{3})$/.exec(number.replace(/[\s.-]/g, ''))
  return found ? `${language.now === 'vi' ? '0' : '+84 '}${found[1]} ${found[2]} ${found[3]}` : number
}
