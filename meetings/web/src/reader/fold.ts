// Finding words with and without tone marks; `fold` is the twin of `shared.words.fold`.

/** Lower case, no marks, đ as d. */
export function fold(text: string): string {
  return text.toLowerCase().replaceAll('đ', 'd').normalize('NFD').replace(/\p{M}/gu, '').normalize('NFC')
}

const lower = (text: string): string => text.normalize('NFC').toLowerCase()

/**
 * Where `query` stands in `text`, as [start, end) of it. Marks count only if the query has some, blanks never do: a PDF breaks
 * lines and words where it likes.
 */
export function find(text: string, query: string): [number, number][] {
  const wanted = lower(query)
  const exact = fold(wanted) !== wanted
  const plain = exact ? lower : fold
  const needle = plain(query).replace(/\s+/g, '')
  if (!needle) return []
  let signs = ''
  const from: number[] = []
  const to: number[] = []
  for (const { 0: sign, index } of text.matchAll(/\P{M}\p{M}*|\p{M}+/gu)) {
    const shown = plain(sign).trim()
    signs += shown
    for (let count = 0; count < shown.length; count++) {
      from.push(index)
      to.push(index + sign.length)
    }
  }
  const found: [number, number][] = []
  for (let at = signs.indexOf(needle); at >= 0; at = signs.indexOf(needle, at + needle.length))
    found.push([from[at] as number, to[at + needle.length - 1] as number])
  return found
}
