// Dates in forms: always Vietnam time (UTC+7, no summer time), whatever the clock of the device says.
const HOURS = 7 * 3_600_000

export function toForm(iso: string): { date: string; time: string } {
  const there = new Date(Date.parse(iso) + HOURS).toISOString()
  return { date: there.slice(0, 10), time: there.slice(11, 16) }
}

export function fromForm(date: string, time: string): string {
  return new Date(`${date}T${time}:00+07:00`).toISOString()
}
