// Whether the server has a newer release than the one this page runs. The page goes on as it is until the person asks.
let newer = $state(false)

export const release = {
  get newer(): boolean {
    return newer
  },
  /** Not now: the next start takes it anyhow. */
  later(): void {
    newer = false
  },
}

/** Keeps the app on the device, and hears of a new release: at the start, and whenever the page comes back to the eyes. */
export function watchReleases(): void {
  if (!import.meta.env.PROD || !('serviceWorker' in navigator)) return
  const entry = document.querySelector<HTMLScriptElement>('script[type=module][src]')
  const running = new URL(entry?.src ?? '/', location.href).pathname
  navigator.serviceWorker.addEventListener('message', ({ data }: MessageEvent<{ shell: string[] }>) => {
    newer = !data.shell.includes(running)
  })
  addEventListener('load', async () => {
    // A device that refuses to keep anything starts by the line alone.
    const kept = await navigator.serviceWorker.register('/sw.js', { updateViaCache: 'none' }).catch(() => null)
    void navigator.serviceWorker.ready.then(({ active }) => {
      if (!navigator.serviceWorker.controller) active?.postMessage('claim') // it began while this page was on its way, and passed it over
    })
    document.addEventListener('visibilitychange', () => {
      if (document.visibilityState === 'visible') void kept?.update().catch(() => undefined)
    })
  })
}
