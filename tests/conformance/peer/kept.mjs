// What stays in this process between two calls, by the handle that the tester knows.
import * as jose from 'jose'

const kept = new Map()
let count = 0

export function keep(thing) {
  const handle = `h${++count}`
  kept.set(handle, thing)
  return handle
}

export function find(handle) {
  if (!kept.has(handle)) throw new Error(`unknown handle ${handle}`)
  return kept.get(handle)
}

export async function privateKey({ jwk, alg }) {
  return { key: await jose.importJWK(jwk, alg ?? jwk.alg), kid: jwk.kid }
}
