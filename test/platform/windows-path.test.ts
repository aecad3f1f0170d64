import fc from 'fast-check'
import { win32 } from 'node:path'
import { describe, expect, it } from 'vitest'
import { isDeviceName, windowsSpelling } from '../../src/platform/windows-path.js'

function spelling(path: string): ReturnType<typeof windowsSpelling> {
  return windowsSpelling(win32.resolve(path), 'win32')
}

/** The file that Windows opens for a program that does not ask for the path as it is: GetFullPathName, as seen under Wine. */
function opened(path: string): string {
  const [root = ''] = /^(?:[A-Z]:\\|\\\\[^\\]+\\[^\\]+\\)/i.exec(path) ?? []
  const parts = path.slice(root.length).split('\\')
  const names = parts.map((part, nth) => part.replace(nth < parts.length - 1 ? /\.$/ : /[. ]+$/, ''))
  return isDeviceName(names.at(-1) ?? '') ? `\\\\.\\${names.at(-1) ?? ''}` : root + names.join('\\')
}

describe('a path on Windows', () => {
  it.each([
    ['D:\\hq\\token.db', 'D:\\hq\\token.db'],
    ['D:\\hq\\token.db.', 'D:\\hq\\token.db'],
    ['D:\\hq\\token.db ', 'D:\\hq\\token.db'],
    ['D:\\hq\\token.db . .', 'D:\\hq\\token.db'],
    ['D:\\hq.\\token.db', 'D:\\hq\\token.db'],
    ['d:/hq/token.db', 'd:\\hq\\token.db'],
    ['D:\\hq\\..\\x\\.\\token.db', 'D:\\x\\token.db'],
    ['\\\\?\\D:\\hq\\token.db.', 'D:\\hq\\token.db'],
    ['\\\\.\\D:\\hq\\token.db', 'D:\\hq\\token.db'],
    ['//?/D:/hq/token.db', 'D:\\hq\\token.db'],
    ['\\\\?\\UNC\\server\\share\\token.db', '\\\\server\\share\\token.db'],
    ['\\\\server\\share\\hq.\\token.db.', '\\\\server\\share\\hq\\token.db'],
    ['\\\\?\\Volume{8e5ad0b9-0000}\\hq\\token.db', '\\\\?\\Volume{8e5ad0b9-0000}\\hq\\token.db'],
    ['D:\\', 'D:\\'],
    ['D:\\ hq\\.token\\a.b. c\\console.db', 'D:\\ hq\\.token\\a.b. c\\console.db'],
    ["D:\\it's (1) & 100% #{}\\日本.db", "D:\\it's (1) & 100% #{}\\日本.db"],
  ])('%s is spelled %s', (path, expected) => {
    expect(spelling(path)).toBe(expected)
  })

  it.each([
    ['D:\\hq\\nul', 'holds nul, which is the name of a device'],
    ['D:\\hq\\con.txt.db', 'holds con.txt.db, which is the name of a device'],
    ['D:\\AUX\\token.db', 'holds AUX, which is the name of a device'],
    ['D:\\hq\\com1', 'holds com1, '],
    ['D:\\hq\\LPT¹.db', 'holds LPT¹.db, '],
    ['D:\\hq\\prn .db', 'holds prn .db, '],
    ['D:\\hq\\conin$', 'holds conin$, '],
    ['\\\\.\\COM1', 'names a device'],
    ['\\\\.\\pipe\\hq', 'names a device'],
    ['\\\\?\\GLOBALROOT\\Device\\x\\token.db', 'names a device'],
    ['D:\\hq\\f.txt:stream', 'holds a colon'],
    ['D:\\hq\\token.db::$DATA', 'holds a colon'],
    ['D:\\hq\\:memory:', 'holds a colon'],
    ['D:\\hq\\a|b', 'holds |, which no name on Windows has'],
    ['D:\\hq\\a*?', 'holds *, '],
    ['D:\\<hq>\\a', 'holds <, '],
    ['\\??\\D:\\hq', 'holds ?, '],
    ['D:\\hq\\a\u0007', 'holds a control character, '],
    ['D:\\hq\\"q"', 'holds a quotation mark'],
    ['D:\\hq\\...', 'holds a name that ends in dots or spaces'],
    ['D:\\hq\\ ', 'holds a name that ends in dots or spaces'],
    ['D:\\hq \\token.db', 'holds a name that ends in dots or spaces'],
    ['D:\\hq..\\token.db', 'holds a name that ends in dots or spaces'],
    ['D:\\hq .\\token.db', 'holds a name that ends in dots or spaces'],
  ])('%s is refused', (path, problem) => {
    const found = spelling(path)
    expect(found).toMatchObject({ hint: expect.any(String) as string })
    expect((found as { problem: string }).problem).toContain(problem)
  })

  it('is for Node the file that Windows opens for SQLite, whatever was typed', () => {
    const piece = fc.constantFrom('a', 'b.db', '.', ' ', '..', '\\', '/', 'con', 'nul.db', ':', '"', '$', '?')
    const root = fc.constantFrom(
      'D:\\',
      'd:/',
      '\\\\s\\share\\',
      '\\\\?\\D:\\',
      '\\\\.\\d:\\',
      '//?/UNC/s/share/',
    )
    let taken = 0
    fc.assert(
      fc.property(root, fc.array(piece, { maxLength: 9 }), (root, pieces) => {
        const path = win32.resolve(root + pieces.join(''))
        const found = windowsSpelling(path, 'win32')
        if (typeof found !== 'string') return
        taken += 1
        expect(opened(found)).toBe(found)
        expect(spelling(found)).toBe(found)
        const own = path.replace(/^\\\\[?.]\\(UNC\\)?/i, (_, share) => (share === undefined ? '' : '\\\\'))
        if (!path.endsWith(':\\')) expect(opened(own)).toBe(found)
      }),
      { numRuns: 20_000 },
    )
    expect(taken).toBeGreaterThan(2000)
  })

  it('has the prefix for long ones where SQLite could not open it, in each spelling', () => {
    const long = `D:\\${'x'.repeat(100)}\\${'y'.repeat(100)}\\${'z'.repeat(60)}.db`
    for (const path of [long, `\\\\?\\${long}`, `${long}.`]) expect(spelling(path)).toBe(`\\\\?\\${long}`)
    const most = `D:\\${'x'.repeat(100)}\\${'y'.repeat(147)}`
    expect(most).toHaveLength(251)
    expect(spelling(`\\\\?\\${most}`)).toBe(most)
    expect(spelling(`\\\\server${long.slice(2)}`)).toBe(`\\\\?\\UNC\\server${long.slice(2)}`)
  })

  it('is left alone elsewhere', () => {
    for (const platform of ['linux', 'darwin'] as const)
      for (const path of ['/hq/token.db.', '/hq/con', '/hq /"a|b":c', '/..'])
        expect(windowsSpelling(path, platform)).toBe(path)
  })
})
