// What the board of remote rooms works out from the state and from what the house measures; all pure.
import type { State } from '../meeting/apply'
import { waiting } from '../meeting/read'
import type { Schemas } from '../wire/http'

export type Bridge = Schemas['BridgeView']
/** Members online, milliseconds of delay, and when that was measured. */
export type Measured = Schemas['BridgesFrame']['bridges'][string]
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
  delay: number | null
}

export interface Cluster {
  name: string
  rooms: Room[]
}

const SLOW = 1000 // ms of delay from which a room hears and answers too late
const BACK = 120_000 // ms over which it is watched how many come and go

/** How many were online when, within the last two minutes. */
export type Trail = readonly { at: number; online: number }[]

export function follow(trail: Trail, at: number, online: number): Trail {
  return [...trail.filter((one) => one.at > at - BACK), { at, online }]
}

/** Whether members were lost, came back, and were lost again, though the room was there all the time. */
export function unsteady(trail: Trail): boolean {
  const turns = trail.slice(1).map(({ online }, before) => Math.sign(online - trail[before]!.online))
  return turns.filter((turn) => turn < 0).length >= 2 && turns.includes(1)
}

export function shapeOf({ state }: Pick<Bridge, 'state'>, measured: Measured | undefined, trail: Trail = []): Shape {
  if (state === 'waiting') return 'none'
  if (state === 'lost') return 'lost'
  const [online = 1, delay = null] = measured ?? []
  return online === 0 || (delay ?? 0) >= SLOW || unsteady(trail) ? 'weak' : 'good'
}

/** Every room, in its place for ever. */
export function roomsOf(state: State, measured: Record<string, Measured>, trails: Record<string, Trail> = {}): Room[] {
  const rooms: Record<string, Room> = {}
  for (const bridge of Object.values(state.bridges)) {
    const [online, delay] = measured[bridge.id] ?? [0, null]
    const shape = shapeOf(bridge, measured[bridge.id], trails[bridge.id])
    rooms[bridge.id] = { bridge, shape, online, delay, seats: 0, present: 0, votes: 0, speaks: 0 }
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
