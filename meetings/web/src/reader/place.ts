// Where in a paper this device was reading last.
import type { Place } from './layout'

const TOP: Place = { page: 0, part: -1 } // above the first page, where the margin is
const key = (paperId: string): string => `reader.place.${paperId}`

export function recallPlace(paperId: string): Place {
  try {
    const kept = JSON.parse(localStorage.getItem(key(paperId)) ?? 'null') as Place
    return { page: Math.max(0, Number(kept.page) || 0), part: Number(kept.part) || 0 }
  } catch {
    return TOP
  }
}

export function keepPlace(paperId: string, place: Place): void {
  localStorage.setItem(key(paperId), JSON.stringify(place))
}
