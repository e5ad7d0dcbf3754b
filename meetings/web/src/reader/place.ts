// Where in a paper this device was reading last.
import type { Place } from './layout'

const key = (paperId: string): string => `reader.place.${paperId}`

export function recallPlace(paperId: string): Place {
  try {
    const kept = JSON.parse(localStorage.getItem(key(paperId)) ?? '{}') as Partial<Place>
    return { page: Math.max(0, Number(kept.page) || 0), part: Number(kept.part) || 0 }
  } catch {
    return { page: 0, part: 0 }
  }
}

export function keepPlace(paperId: string, place: Place): void {
  localStorage.setItem(key(paperId), JSON.stringify(place))
}
