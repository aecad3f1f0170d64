import { describe, expect, it } from 'vitest'
import { fileName, fileNameOn } from '../../src/cli/options.js'
import { checkOptions } from '../../src/cli/commands/check/options.js'
import { getOptions } from '../../src/cli/commands/get/options.js'

describe('the name of a file on the command line', () => {
  const windows = fileNameOn('win32')

  it.each([
    ['out.txt', 'out.txt'],
    ['D:\\hq\\out.txt', 'D:\\hq\\out.txt'],
    ['D:\\hq\\out.txt.', 'D:\\hq\\out.txt'],
    ['D:/hq./out.txt', 'D:\\hq\\out.txt'],
    ['-', '-'],
    ['', ''],
  ])('on Windows %s is %s', (text, expected) => {
    // A path that needs no other spelling stays as it was typed.
    expect(windows.read(text)).toBe(expected)
  })

  it.each(['NUL', 'D:\\hq\\con.txt', 'out.txt:stream', 'D:\\hq\\a"', 'a*', '\\\\.\\pipe\\hq'])(
    'on Windows %s is none',
    (text) => {
      expect(windows.read(text)).toBeUndefined()
      expect(windows.otherwise).toContain('NUL')
    },
  )

  it('may be any elsewhere', () => {
    for (const platform of ['linux', 'darwin'] as const)
      for (const text of ['NUL', 'a:b', '/x/a"', 'a.']) expect(fileNameOn(platform).read(text)).toBe(text)
  })

  it('is what --outfile and --prometheus take', () => {
    expect(getOptions.find(({ flags }) => flags.startsWith('--outfile'))?.value).toBe(fileName)
    const prometheus = checkOptions.find(({ flags }) => flags.startsWith('--prometheus'))?.value
    expect(prometheus?.read('x.prom')).toBe('x.prom')
    expect(prometheus?.read('-x.prom')).toBeUndefined()
  })
})
