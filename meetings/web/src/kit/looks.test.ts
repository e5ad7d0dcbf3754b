import { afterEach, expect, test, vi } from 'vitest'

afterEach(() => vi.unstubAllGlobals())

test('the evening turns the screens dark that follow the device, and no wall light', async () => {
  let turn = (): void => {}
  const system = { matches: false, addEventListener: (_: string, ear: () => void) => (turn = ear) }
  const root = { dataset: {} as Record<string, string>, toggleAttribute() {} }
  vi.stubGlobal('matchMedia', () => system)
  vi.stubGlobal('localStorage', { getItem: () => null })
  vi.stubGlobal('document', { documentElement: root })
  const { looks, surface } = await import('./looks.svelte')
  looks.recall()
  expect(root.dataset.theme).toBe('light')
  system.matches = true
  turn()
  expect(root.dataset.theme).toBe('dark')
  surface('wall')
  system.matches = false
  turn()
  expect(root.dataset.theme).toBe('dark')
})
