// The agenda as rows, and where a move leads. The server decides (`move` in meetings/agenda/rules.py); this side says
// beforehand, in words, what a drop will do.
import type { Schemas } from '../wire/http'

export type Item = Schemas['ItemView']
export type Agenda = Record<string, Item>
export interface Row {
  item: Item
  /** From 1. */
  depth: number
}
/** The `position`-th child, from 0, of `parent_id`; counted without the moved item. */
export interface Place {
  parent_id: string | null
  position: number
}
export type Verb = 'up' | 'down' | 'in' | 'out'
export const VERBS: Verb[] = ['up', 'down', 'in', 'out']
const DEPTH = 3

export function childrenOf(agenda: Agenda, parent: string | null): Item[] {
  return Object.values(agenda)
    .filter((item) => item.parent_id === parent)
    .sort((one, other) => one.position - other.position)
}

/** All items in the order of the printed agenda. */
export function rows(agenda: Agenda, parent: string | null = null, depth = 1): Row[] {
  return childrenOf(agenda, parent).flatMap((item) => [{ item, depth }, ...rows(agenda, item.id, depth + 1)])
}

/** The item and all below it. */
export function branch(agenda: Agenda, id: string): Set<string> {
  return new Set([id, ...childrenOf(agenda, id).flatMap((child) => [...branch(agenda, child.id)])])
}

function height(agenda: Agenda, id: string): number {
  return 1 + Math.max(0, ...childrenOf(agenda, id).map((child) => height(agenda, child.id)))
}

function depthOf(agenda: Agenda, id: string | null): number {
  return id ? 1 + depthOf(agenda, agenda[id]?.parent_id ?? null) : 0
}

/** Where each verb would take the item; null where it cannot go. */
export function moves(agenda: Agenda, id: string): Record<Verb, Place | null> {
  const item = agenda[id]
  if (!item) return { up: null, down: null, in: null, out: null }
  const siblings = childrenOf(agenda, item.parent_id)
  const at = siblings.findIndex((one) => one.id === id)
  const above = siblings[at - 1]
  const fits = depthOf(agenda, id) + height(agenda, id) <= DEPTH
  const parent = item.parent_id ? agenda[item.parent_id] : undefined
  const beside = parent ? childrenOf(agenda, parent.parent_id).findIndex((one) => one.id === parent.id) : -1
  return {
    up: at > 0 ? { parent_id: item.parent_id, position: at - 1 } : null,
    down: at < siblings.length - 1 ? { parent_id: item.parent_id, position: at + 1 } : null,
    in: above && fits ? { parent_id: above.id, position: childrenOf(agenda, above.id).length } : null,
    out: parent ? { parent_id: parent.parent_id, position: beside + 1 } : null,
  }
}

/** The agenda as it would stand after the move, numbers included. */
export function moved(agenda: Agenda, id: string, to: Place): Agenda {
  const next: Agenda = Object.fromEntries(Object.values(agenda).map((item) => [item.id, { ...item }]))
  const item = next[id]
  if (!item) return agenda
  item.parent_id = to.parent_id
  const siblings = childrenOf(next, to.parent_id).filter((one) => one.id !== id)
  siblings.splice(to.position, 0, item)
  siblings.forEach((one, position) => (one.position = position))
  number(next, null, '')
  return next
}

function number(agenda: Agenda, parent: string | null, prefix: string): void {
  childrenOf(agenda, parent).forEach((item, place) => {
    item.number = `${prefix}${place + 1}`
    number(agenda, item.id, `${item.number}.`)
  })
}

/** Where an item dropped after `above` of the rows `rest` (without the moved branch) goes, at the depth nearest `wish`. */
export function dropPlace(agenda: Agenda, id: string, rest: Row[], above: number, wish: number): Place & { depth: number } {
  const upper = rest[above]
  const lower = rest[above + 1]
  const deepest = Math.min((upper?.depth ?? 0) + 1, DEPTH + 1 - height(agenda, id))
  const depth = Math.max(Math.min(wish, deepest), Math.min(lower?.depth ?? 1, deepest), 1)
  let parent: string | null = upper?.item.id ?? null
  let before: string | null = null
  for (let level = upper?.depth ?? 0; level >= depth; level--) {
    before = parent
    parent = parent ? (agenda[parent]?.parent_id ?? null) : null
  }
  const siblings = childrenOf(agenda, parent).filter((one) => one.id !== id)
  return { parent_id: parent, position: siblings.findIndex((one) => one.id === before) + 1, depth }
}

/** Planned minutes of an item: its own, else the sum of what is below it. */
export function minutesOf(agenda: Agenda, item: Item): number {
  return item.minutes ?? childrenOf(agenda, item.id).reduce((sum, child) => sum + minutesOf(agenda, child), 0)
}

export function totalMinutes(agenda: Agenda): number {
  return childrenOf(agenda, null).reduce((sum, item) => sum + minutesOf(agenda, item), 0)
}
