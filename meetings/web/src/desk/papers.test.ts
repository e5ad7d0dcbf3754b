import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { json, surroundings } from '../../tests/province'

beforeEach(() => vi.resetModules())
afterEach(() => vi.unstubAllGlobals())

test('an answer that comes late does not bring back what has changed since', async () => {
  const world = surroundings()
  const answers: ((told: Response) => void)[] = []
  world.serve(() => new Promise((answer) => answers.push(answer)))
  const { DeskPapers } = await import('./papers.svelte')
  const papers = new DeskPapers('m1')
  const both = [papers.load(), papers.load()]
  await vi.waitFor(() => expect(answers).toHaveLength(2))
  answers[1]!(json([{ id: 'new' }]))
  answers[0]!(json([{ id: 'old' }]))
  await Promise.all(both)
  expect(papers.list).toEqual([{ id: 'new' }])
})
