// How the four states of a room are told: an icon, and always a word.
import { Activity, CircleCheck, CircleDashed, WifiOff } from '../kit/icons'
import type { Shape } from './rooms'

export const SHAPES: Shape[] = ['good', 'weak', 'lost', 'none']
export const SIGNS = { good: CircleCheck, weak: Activity, lost: WifiOff, none: CircleDashed } as const satisfies Record<Shape, unknown>
