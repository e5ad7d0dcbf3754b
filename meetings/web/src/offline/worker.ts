// The service worker: keeps the app's own files, so that it starts without a line. Nothing of a meeting goes through here:
// what the service says and the bytes of papers are asked for by the page itself.
declare const SHELL: string[] // every file of this release, written in by the build
declare const RELEASE: string

interface Work extends Event {
  waitUntil(work: Promise<unknown>): void
}
interface Asked extends Work {
  request: Request
  respondWith(answer: Promise<Response>): void
}
interface Worker {
  addEventListener(what: 'install' | 'activate' | 'message', ear: (event: Work) => void): void
  addEventListener(what: 'fetch', ear: (event: Asked) => void): void
  skipWaiting(): Promise<void>
  clients: { claim(): Promise<void>; matchAll(): Promise<{ postMessage(words: unknown): void }[]> }
}

const worker = self as unknown as Worker
const CACHE = `shell-${RELEASE}`
const PATIENCE = 4000 // ms that a page may take over a bad line before the kept one is shown
const APP = /^\/(m\/.+|wall(\/[^/]+)?|check-in\/[^/]+|new|bodies(\/.+)?|signed-in|signed-out)?$/ // as the router has them

worker.addEventListener('install', (event) => event.waitUntil(install()))
worker.addEventListener('activate', (event) => event.waitUntil(activate()))
worker.addEventListener('message', (event) => event.waitUntil(worker.clients.claim())) // a page's only word to it
worker.addEventListener('fetch', (event) => {
  const { request } = event
  const { origin, pathname } = new URL(request.url)
  if (request.method !== 'GET' || origin !== location.origin || request.headers.has('Authorization')) return
  if (request.mode === 'navigate' && APP.test(pathname)) event.respondWith(page(request))
  else if (SHELL.includes(pathname)) event.respondWith(kept(request))
})

async function install(): Promise<void> {
  const cache = await caches.open(CACHE)
  await cache.addAll(['/', ...SHELL])
  await worker.skipWaiting()
}

/** The release before stays for the pages that still run it: they load their screens one by one. */
async function activate(): Promise<void> {
  const ours = (await caches.keys()).filter((name) => name.startsWith('shell-') && name !== CACHE) // oldest first
  await Promise.all(ours.slice(0, -1).map((name) => caches.delete(name)))
  await worker.clients.claim()
  for (const client of await worker.clients.matchAll()) client.postMessage({ shell: SHELL })
}

/** The server's page; the kept one where no line is, or none that is worth the name. */
async function page(request: Request): Promise<Response> {
  const late = new Promise<undefined>((resolve) => setTimeout(resolve, PATIENCE))
  const answer = fetch(request).catch(() => undefined)
  const first = await Promise.race([answer, late])
  if (first && first.status < 500) return first
  return (await (await caches.open(CACHE)).match('/')) ?? (await answer) ?? Response.error()
}

async function kept(request: Request): Promise<Response> {
  return (await caches.match(request)) ?? fetch(request)
}
