import { expect, test } from 'vitest'
import { find, fold } from './fold'

const found = (text: string, query: string): string[] => find(text, query).map(([from, to]) => text.slice(from, to))

test.each([
  ['Đường sá Đắk Lắk', 'duong sa dak lak'],
  ['NGHỊ QUYẾT', 'nghi quyet'],
  ['Tổng thu', 'tong thu'],
  ['Tổng thu'.normalize('NFD'), 'tong thu'],
  ['café 31.850', 'cafe 31.850'],
])('%s without marks is %s', (text, plain) => {
  expect(fold(text)).toBe(plain)
})

test('a query without marks finds words with and without them', () => {
  expect(found('Dự phòng, dự phóng, du phong', 'du phong')).toEqual(['Dự phòng', 'dự phóng', 'du phong'])
})

test('a query with marks finds only those', () => {
  expect(found('Dự phòng, dự phóng, du phong', 'dự phòng')).toEqual(['Dự phòng'])
})

test('text in decomposed form is found, and its marks are inside what is found', () => {
  const text = 'Tờ trình Ủy ban'.normalize('NFD')
  expect(found(text, 'ủy ban')).toEqual(['Ủy ban'.normalize('NFD')])
  expect(found(text, 'trinh uy')).toEqual(['trình Ủy'.normalize('NFD')])
})

test('blanks and line ends are no obstacle', () => {
  expect(found('ngân\nsách   nhà nước', 'ngân sách nhà')).toEqual(['ngân\nsách   nhà'])
  expect(found('ngânsách', 'ngân sách')).toEqual(['ngânsách'])
})

test('nothing is found for nothing', () => {
  expect(find('abc', ' ')).toEqual([])
  expect(find('', 'a')).toEqual([])
})
