import fc from 'fast-check'
import { parse } from 'ini'
import { describe, expect, it } from 'vitest'
import { FileProblem } from '../../src/config/file.js'
import { iniValue, readIni } from '../../src/config/ini.js'

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)
const utf16 = (text: string): Buffer => Buffer.from(text, 'utf16le')
const bytes = (...parts: (Uint8Array | number[])[]): Uint8Array =>
  Buffer.concat(parts.map((part) => Buffer.from(part)))

const valueOf = (line: string): string | undefined => readIni(utf8(`[s]\n${line}\n`)).entries[0]?.value

const problem = (content: string | Uint8Array): FileProblem => {
  try {
    readIni(typeof content === 'string' ? utf8(content) : content)
  } catch (error) {
    if (error instanceof FileProblem) return error
    throw error
  }
  throw new Error('it did not fail')
}

const visible = fc.stringMatching(/^[!-~]{1,60}$/)

describe('readIni', () => {
  it.each([
    ['a plain value', 'k = v', 'v'],
    ['no spaces', 'k=v', 'v'],
    ['a space before or after only', 'k= v', 'v'],
    ['no value', 'k =', ''],
    ['a value with =', 'k = a=b==', 'a=b=='],
    ['; and # inside', 'k = a;b#c', 'a;b#c'],
    ['; right after =', 'k =;a', ';a'],
    ['a comment after white space', 'k = a ; b', 'a'],
    ['a comment after a tab', 'k = a\t# b', 'a'],
    ['a comment for a value', 'k = ; b', ''],
    ['double quotes', 'k = "a b"', 'a b'],
    ['single quotes', "k = 'a b'", 'a b'],
    ['a comment sign in quotes', 'k = "a ; b"', 'a ; b'],
    ['a comment after quotes', 'k = "a ; b" ; c', 'a ; b'],
    ['a comment with quotes after quotes', 'k = "a" ; "b"', 'a'],
    ['nothing in quotes', 'k = ""', ''],
    ['the words of a shell command', 'k = "/bin/sh" -c "exit 3"', '"/bin/sh" -c "exit 3"'],
    ['the same in single quotes', `k = '/bin/sh' -c 'exit 3'`, `'/bin/sh' -c 'exit 3'`],
    ['words in quotes of both kinds', `k = '/bin/sh' -c "echo 'a'"`, `'/bin/sh' -c "echo 'a'"`],
    ['two words in quotes', 'k = "a" "b" ; c', '"a" "b"'],
    ['quotes of one kind within the other', `k = '"a" "b"'`, '"a" "b"'],
    ['quotes with a backslash', 'k = "a \\"b\\" c"', '"a \\"b\\" c"'],
    ['a quote within quotes', 'k = "pa"ss"', '"pa"ss"'],
    ['three quotes', 'k = """', '"""'],
    ['a comment sign between the quotes of a word', `k = sh -c "a ; b" 'c # d' ; e`, `sh -c "a ; b" 'c # d'`],
    ['a comment sign behind a quote that stays open', 'k = "a ; b', '"a'],
    ['an apostrophe before a comment', "k = don't ; it's 'so'", "don't"],
    ['one quote', 'k = "', '"'],
    ['a quote at one end', 'k = "a', '"a'],
    ['a quote at the other end', 'k = a"', 'a"'],
    ['quotes inside', `k = a"b'c`, `a"b'c`],
    ['quotes that do not match', `k = "a'`, `"a'`],
    ['a backslash', 'k = a\\;b\\n', 'a\\;b\\n'],
    ['a JSON escape in quotes', 'k = "a\\u0041"', 'a\\u0041'],
    ['what ini takes for a boolean', 'k = true', 'true'],
    ['what ini takes for null', 'k = null', 'null'],
    ['brackets', 'k = [a]', '[a]'],
    ['a line separator', 'k = a\u2028b', 'a\u2028b'],
  ])('readIni reads %s', (_, line, value) => {
    expect(valueOf(line)).toBe(value)
  })

  it.each([
    ['UTF-8', utf8('[s]\nk = ü')],
    ['UTF-8 with a byte order mark', bytes([0xef, 0xbb, 0xbf], utf8('[s]\nk = ü'))],
    ['UTF-16 little endian with its mark', bytes([0xff, 0xfe], utf16('[s]\nk = ü'))],
    ['UTF-16 big endian with its mark', bytes([0xfe, 0xff], utf16('[s]\nk = ü').swap16())],
    ['UTF-16 little endian without', utf16('[s]\nk = ü')],
    ['UTF-16 big endian without', utf16('[s]\nk = ü').swap16()],
    ['CRLF', utf8('[s]\r\nk = ü\r\n')],
    ['CR', utf8('[s]\rk = ü\r')],
  ])('readIni reads %s', (_, content) => {
    expect(readIni(content).entries).toEqual([{ section: 's', key: 'k', value: 'ü', line: 2 }])
  })

  it('readIni folds names, continues sections and counts lines', () => {
    const ini = readIni(utf8('; a\n[Auth] ; b\nOne=1\n\n[other.x]\nOne=2\n[AUTH]\nTWO[]=3\n'))
    expect(ini.entries).toEqual([
      { section: 'auth', key: 'one', value: '1', line: 3 },
      { section: 'other.x', key: 'one', value: '2', line: 6 },
      { section: 'auth', key: 'two[]', value: '3', line: 8 },
    ])
    expect([...ini.sections]).toEqual([
      ['auth', 2],
      ['other.x', 5],
    ])
  })

  it.each([
    ['a word alone', '[s]\nk = v\nword', 3],
    ['a value without a key', '[s]\n= v', 2],
    ['a comment before the =', '[s]\nk ; c = v', 2],
    ['a section that is not closed', '[s\nk = v', 1],
    ['a section without a name', '[ ]', 1],
    ['something after a section', '[s] x', 1],
    ['a key twice', '[s]\nk = 1\n[t]\n[s]\nK = 2', 5],
    ['a value continued on an indented line', '[s]\nk = abc\n  def==', 3],
    ['a control character in a value', '[s]\nk = a\u0007b', 2],
    ['a control character in a key', '[s]\nk\u0007 = b', 2],
    ['__proto__ for a key', '[s]\n__proto__ = v', 2],
    ['__proto__ for a section', '[__proto__]\nk = v', 2],
    ['a web page', '\n<!DOCTYPE html><title>Log in</title>', 1],
    ['Latin-1', bytes(utf8('[s]\nk = '), [0xfc]), 2],
    ['a binary file', Uint8Array.of(1, 2, 3, 0, 0, 5), null],
    ['half a UTF-16 character', bytes([0xff, 0xfe], utf16('[s]'), [0x41]), 1],
  ])('readIni refuses %s and says where', (_, content, line) => {
    expect(problem(content).line).toBe(line)
  })

  it('readIni names both lines of a key that stands twice', () => {
    expect(problem('[s]\nkey = 1\nKEY = 2').told('f.ini')).toBe(
      'f.ini, line 3: key is given twice: line 2 has it already',
    )
  })

  it('readIni never repeats what may be the end of a broken token', () => {
    expect(problem('[s]\nk = aaa\neyJhbGciOi\neyJhbGciOi').message).not.toContain('eyJ')
    expect(problem('[s]\neyJhbGciOi9=1\neyJhbGciOi9=1').message).not.toMatch(/eyJ/i)
  })

  it('readIni never answers a part of a value', () => {
    const wholly = /^(["'])((?:(?!\1).)*)\1$/s
    fc.assert(
      fc.property(
        visible,
        fc.constantFrom(' = ', '=', '= ', ' ='),
        fc.constantFrom('\n', '\r\n', ''),
        (token, equals, end) => {
          const value = valueOf(`token${equals}${token}${end}`)
          const begunAsComment = equals.endsWith(' ') && /^[;#]/.test(token)
          const unquoted = token.length > 1 ? wholly.exec(token)?.[2] : undefined
          expect(value).toBe(begunAsComment ? '' : (unquoted ?? token))
        },
      ),
      { numRuns: 2000 },
    )
  })

  it('readIni needs no second reading of plain names: `ini` has no choice with them', () => {
    const name = fc.oneof(
      fc.stringMatching(/^[a-z]\w*$/),
      fc.constantFrom('constructor', 'true', 'x__proto__'),
    )
    fc.assert(
      fc.property(name, name, fc.string(), (section, key, value) => {
        const [head, left, right] = [section, key, value].map((text) => JSON.stringify(text))
        const read = parse(`[${head ?? ''}]\n${left ?? ''}=${right ?? ''}`, { bracketedArray: false })
        expect(String((read[section] as Record<string, unknown>)[key])).toBe(value)
      }),
      { numRuns: 2000 },
    )
  })

  it('readIni never throws anything else than a problem with the file', () => {
    const lines = fc.array(
      fc.oneof(
        fc.string(),
        fc.constantFrom('[s]', '[t.u]', 'k = v', 'K[] = ', '"', 'constructor = 1', '\0', '\uFEFF'),
      ),
    )
    fc.assert(
      fc.property(
        fc.oneof(
          fc.uint8Array(),
          lines.map((all) => utf8(all.join('\n'))),
        ),
        (content) => {
          try {
            readIni(content)
          } catch (error) {
            expect(error).toBeInstanceOf(FileProblem)
          }
        },
      ),
      { numRuns: 2000 },
    )
  })
})

describe('iniValue', () => {
  it.each([
    ['a plain value', 'a=b;c', 'a=b;c'],
    ['white space at an end', ' a', '" a"'],
    ['what would begin a comment', 'a ; b', '"a ; b"'],
    ['a comment sign at its start', ';a', '";a"'],
    ['quotes that would be taken away', '"a"', `'"a"'`],
    ['the words of a shell command', '"/bin/sh" -c "a ; b"', '"/bin/sh" -c "a ; b"'],
    ['quotes of both kinds that would be taken away', `"a'b"`, undefined],
    ['double quotes before a comment sign', 'a" ; b', `'a" ; b'`],
    ['both quotes before a comment sign', `a" ; b' ; c`, undefined],
    ['a line end', 'a\nb', undefined],
  ])('iniValue writes %s', (_, value, text) => {
    expect(iniValue(value)).toBe(text)
  })

  it('iniValue is read as what was written, whatever it holds', () => {
    const part = fc.oneof(fc.constantFrom(' ', '\t', ';', '#', '"', "'", '\\', '\r', '\uFEFF'), fc.string())
    fc.assert(
      fc.property(fc.array(part), (parts) => {
        const value = parts.join('').replace(/[^\P{Cc}\t\r]/gu, '')
        const text = iniValue(value)
        if (text !== undefined) expect(valueOf(`k = ${text}`)).toBe(value)
      }),
      { numRuns: 2000 },
    )
  })
})
