import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { fill } from '../src/kit/words.svelte'
import en from '../src/locales/en.json'
import vi from '../src/locales/vi.json'

const words = { vi, en } as Record<'vi' | 'en', Record<string, string>>
const src = join(import.meta.dirname, '../src')
/** A number that only chooses between one and many need not stand in Vietnamese, which has one form. */
const facts = (text: string): string[] => [...new Set([...text.matchAll(/\{(\w+)\}/g)].map((match) => match[1]!))].sort()

test('both languages have the same keys', () => {
  expect(Object.keys(en).sort()).toEqual(Object.keys(vi).sort())
})

test('words of one key take the same facts in both languages', () => {
  for (const key of Object.keys(vi)) expect(facts(words.en[key]!), key).toEqual(facts(words.vi[key]!))
})

test('the voice: no exclamation, never "bạn", composed letters, old-style tone marks', () => {
  for (const [key, text] of Object.entries(words.vi)) {
    expect(text, key).not.toMatch(/!|(?:^|[^\p{L}])[Bb]ạn(?![\p{L}])(?! đọc)/u)
    expect(text, key).toBe(text.normalize('NFC'))
    expect(text, key).not.toMatch(/(?:hoà|toà|khoá|thuý|uỷ)(?!\p{L})/iu)
  }
  for (const [key, text] of Object.entries(words.en)) expect(text, key).not.toMatch(/!|\bsorry\b|\bplease wait\b|oops/i)
})

test('every key is used somewhere, whole or as the end of a built one', () => {
  const code = readdirSync(src, { recursive: true, encoding: 'utf8' })
    .filter((path) => /\.(svelte|ts)$/.test(path) && !path.endsWith('.test.ts'))
    .map((path) => readFileSync(join(src, path), 'utf8'))
    .join('\n')
  const built = [...code.matchAll(/`([\w.-]+[.-])\$\{/g)].map((match) => match[1]!)
  const unused = Object.keys(vi).filter((key) => !code.includes(`'${key}'`) && !code.includes(`"${key}"`) && !built.some((start) => key.startsWith(start)))
  expect(unused).toEqual([])
})

test('facts fill their places, and one is told from many', () => {
  expect(fill('{count} {count:minute|minutes}', { count: 1 })).toBe('1 minute')
  expect(fill('{count} {count:minute|minutes}', { count: 5 })).toBe('5 minutes')
  expect(fill('cần {needed}/{total}', { needed: 31, total: 60 })).toBe('cần 31/60')
  expect(fill('{unknown}', {})).toBe('{unknown}')
})
