// What the board of remote rooms works out from the state and from what the house measures; all pure.
import type { State } from '../meeting/apply'
import { waiting } from '../meeting/read'
import type { Schemas } from '../wire/http'

export type Bridge = Schemas['BridgeView']
/** How a room is heard, as the house judges it. */
export type Health = Schemas['BridgeHealth']
/** The four states of a room on the board, each a shape of its own. */
export type Shape = 'good' | 'weak' | 'lost' | 'none'

export interface Room {
  bridge: Bridge
  shape: Shape
  seats: number
  present: number
  /** Of those present, the ones with a vote. */
  votes: number
  /** Its members who wait to speak. */
  speaks: number
  online: number
  /** Of those online, the ones behind a relay of the room. */
  relayed: number
  delay: number | null
}

export interface Cluster {
  name: string
  rooms: Room[]
}

export function shapeOf({ state }: Pick<Bridge, 'state'>, health: Health | undefined): Shape {
  if (state === 'waiting') return 'none'
  if (state === 'lost') return 'lost'
  return health?.unsteady ? 'weak' : 'good'
}

/** Every room, in its place for ever. */
export function roomsOf(state: State, heard: Record<string, Health>): Room[] {
  const rooms: Record<string, Room> = {}
  for (const bridge of Object.values(state.bridges)) {
    const health = heard[bridge.id]
    const { online, relayed, delay } = health ?? { online: 0, relayed: 0, delay: null }
    rooms[bridge.id] = { bridge, shape: shapeOf(bridge, health), online, relayed, delay, seats: 0, present: 0, votes: 0, speaks: 0 }
  }
  for (const member of Object.values(state.members)) {
    const room = rooms[member.bridge_id ?? '']
    if (!room) continue
    room.seats += 1
    if (state.attendance[member.id]?.state !== 'present') continue
    room.present += 1
    if (member.votes) room.votes += 1
  }
  for (const speech of waiting(state)) {
    const room = rooms[state.members[speech.member_id]?.bridge_id ?? '']
    if (room) room.speaks += 1
  }
  return Object.values(rooms).sort((a, b) => a.bridge.place - b.bridge.place)
}

/** The rooms by cluster; the order is that of the rooms' places. */
export function clustersOf(rooms: readonly Room[]): Cluster[] {
  const clusters = new Map<string, Room[]>()
  for (const room of rooms) clusters.set(room.bridge.cluster, [...(clusters.get(room.bridge.cluster) ?? []), room])
  return [...clusters].map(([name, those]) => ({ name, rooms: those }))
}

export interface Sums extends Record<Shape, number> {
  rooms: number
  present: number
  seats: number
  /** The median delay of the rooms that answer, in milliseconds. */
  delay: number | null
}

export function sumsOf(rooms: readonly Room[]): Sums {
  const sums: Sums = { good: 0, weak: 0, lost: 0, none: 0, rooms: rooms.length, present: 0, seats: 0, delay: null }
  for (const room of rooms) {
    sums[room.shape] += 1
    sums.present += room.present
    sums.seats += room.seats
  }
  const delays = rooms.flatMap(({ shape, delay }) => (delay !== null && (shape === 'good' || shape === 'weak') ? [delay] : [])).sort((a, b) => a - b)
  sums.delay = delays[delays.length >> 1] ?? null
  return sums
}

const FIRST: Shape[] = ['lost', 'none', 'weak', 'good']
/** Who is cut off: those present in a room that is there, everybody of one that never came. */
export const affected = (room: Room): number => (room.shape === 'none' ? room.seats : room.present)

/** What to see to, most pressing first: kind of trouble, people affected, voters among them, somebody about to speak, how long. */
export function troublesOf(rooms: readonly Room[]): Room[] {
  const since = ({ bridge }: Room): number => (bridge.since ? Date.parse(bridge.since) : 0)
  return rooms
    .filter((room) => room.shape !== 'good')
    .sort(
      (a, b) =>
        FIRST.indexOf(a.shape) - FIRST.indexOf(b.shape) ||
        affected(b) - affected(a) ||
        b.votes - a.votes ||
        b.speaks - a.speaks ||
        since(a) - since(b) ||
        a.bridge.place - b.bridge.place,
    )
}

/** What lost rooms do to the quorum: how many they are, and how many voters marked present are not counted. */
export function lossOf(state: State): { rooms: number; uncounted: number } {
  const lost = new Set(Object.values(state.bridges).flatMap((bridge) => (bridge.state === 'lost' ? [bridge.id] : [])))
  if (!lost.size) return { rooms: 0, uncounted: 0 }
  const present = Object.values(state.members).filter((member) => member.votes && state.attendance[member.id]?.state === 'present')
  return { rooms: lost.size, uncounted: Math.max(0, present.length - state.quorum.present) }
}
