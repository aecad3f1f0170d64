// Reads and writes INI text without cutting a value short. Opens no file, and puts no value in a message.
import { parse } from 'ini'
import { encodingOf } from '../core/encoding.js'
import { FileProblem } from './file.js'

/** One `key = value`. */
export interface Entry {
  /** In lower case; empty before the first section. */
  readonly section: string
  /** In lower case. */
  readonly key: string
  readonly value: string
  /** Counted from 1. */
  readonly line: number
}

export interface Ini {
  readonly entries: readonly Entry[]
  /** In lower case, each with the line where it first stands. */
  readonly sections: ReadonlyMap<string, number>
}

const NONSENSE = 'neither a section, nor a comment, nor key = value'

/**
 * Reads an INI file without cutting a value short. Names are folded to lower case. A `;` or `#` begins a comment
 * only at the start of a line or after white space, and not between quotes. A value that is one pair of quotes is
 * unquoted; several pairs, as a shell command has them, stay as they are. A section may be continued further down.
 * A key twice in one section is an error.
 *
 * @throws {FileProblem} with the line. The message holds no value.
 */
export function readIni(bytes: Uint8Array): Ini {
  const ini = scan(decode(bytes))
  crossCheck(ini.entries)
  return ini
}

/**
 * Bytes to text: UTF-8, or UTF-16 by its byte order mark or by where its zero bytes are.
 *
 * @throws {FileProblem}
 */
export function decode(bytes: Uint8Array): string {
  const encoding = encodingOf(bytes)
  if (encoding === 'utf-8') {
    // Pure ASCII needs no decoder, which takes longer to make than all the rest.
    const ascii = Buffer.from(bytes).toString('latin1')
    if (/^[\x01-\x7f]*$/.test(ascii)) return ascii
  }
  const text = new TextDecoder(encoding).decode(bytes)
  if (text.includes('\0')) throw new FileProblem('is a binary file, not text')
  try {
    new TextDecoder(encoding, { fatal: true }).decode(bytes)
  } catch {
    const line = text.slice(0, text.indexOf('\uFFFD')).split('\n').length
    throw new FileProblem('not UTF-8 or UTF-16 text', line, 'save the file as UTF-8')
  }
  return text
}

function scan(text: string): Ini {
  // The second pattern ignores the case, which takes long to compile, so few files meet it.
  if (/^\s*</.test(text) && /^\s*<(?:!doctype|html|head|body)/i.test(text))
    throw new FileProblem('a web page (HTML), not an INI file', 1)

  const entries: Entry[] = []
  const sections = new Map<string, number>()
  const seen = new Map<string, number>()
  let section = ''
  let margin = Infinity
  for (const [index, raw] of text.split(/\r\n|\n|\r/).entries()) {
    const line = index + 1
    const content = raw.trim()
    if (content === '' || /^[;#]/.test(content)) continue

    if (content.startsWith('[')) {
      section = sectionName(content, line)
      if (!sections.has(section)) sections.set(section, line)
      margin = Infinity
      continue
    }

    // Refuse an indented line, because Python's configparser joins it to the value before, and taking it for a key
    // would cut that value.
    const indent = raw.search(/\S/)
    if (indent > margin)
      throw new FileProblem(
        'indented, as if it continued the line before',
        line,
        'write each value on one line',
      )
    margin = indent

    const entry = { section, line, ...keyAndValue(content, line) }
    const earlier = seen.get(`${section}\n${entry.key}`)
    if (earlier !== undefined)
      throw new FileProblem(`${named(entry.key)} is given twice: line ${earlier} has it already`, line)
    seen.set(`${section}\n${entry.key}`, line)
    entries.push(entry)
  }
  return { entries, sections }
}

function sectionName(content: string, line: number): string {
  const name = /^\[([^\]]*)\](?:\s+[;#].*)?$/su.exec(content)?.[1]?.trim().toLowerCase()
  if (name === undefined) throw new FileProblem(`${NONSENSE} (a section is [name])`, line)
  if (name === '') throw new FileProblem('a section without a name', line)
  return name
}

function keyAndValue(content: string, line: number): { key: string; value: string } {
  const split = content.indexOf('=')
  const key = content.slice(0, Math.max(split, 0)).trim().toLowerCase()
  if (key === '' || /\s[;#]|[\x00-\x1f\x7f-\x9f]/.test(key)) throw new FileProblem(NONSENSE, line)
  const value = valueOf(content.slice(split + 1))
  if (/[\x00-\x08\x0a-\x1f\x7f-\x9f]/.test(value))
    throw new FileProblem(`${named(key)} holds a control character`, line)
  return { key, value }
}

function valueOf(text: string): string {
  const mayBeQuoted = text.includes('"') || text.includes("'")
  const quoted = mayBeQuoted ? /^\s*(["'])((?:(?!\1).)*)\1(?:\s+[;#].*)?$/s.exec(text)?.[2] : undefined
  return quoted ?? text.slice(0, commentIn(text)).trim()
}

/**
 * The place where a comment begins; `undefined` if there is none. Text between a quote before a word and one behind a word is
 * no comment.
 */
function commentIn(text: string): number | undefined {
  if (!/\s[;#]/.test(text)) return undefined
  const found = [...text.matchAll(/(?<!\S)(["']).*?\1(?!\S)|\s[;#]/gs)]
  return found.find(([, quote]) => quote === undefined)?.index
}

/** A value as it must be written after `key = ` to be read back unchanged; `undefined` if no way leads back to it. */
export function iniValue(value: string): string | undefined {
  if (/[\r\n]/.test(value)) return undefined
  return [value, `"${value}"`, `'${value}'`].find((text) => valueOf(` ${text}`) === value)
}

/**
 * Reads the entries once more with `ini`, from a text that leaves nothing to interpretation, because on the
 * original `ini` would cut values at `;` and `#` and let a duplicate win. If the two readings differ (`__proto__`),
 * nobody knows what was meant. Plain names, which are all that a configuration has, cannot differ, and then `ini`
 * is not loaded.
 */
function crossCheck(entries: readonly Entry[]): void {
  if (entries.every(({ section, key }) => isPlain(section) && isPlain(key))) return
  // Escape the dot, because `ini` would nest the section.
  const lines = entries.map(
    ({ section, key, value }) =>
      `[${literal(section.replaceAll('.', '\\.'))}]\n${literal(key)}=${literal(value)}`,
  )
  const parsed = parse(lines.join('\n'), { bracketedArray: false }) as Record<string, Record<string, unknown>>
  for (const { section, key, value, line } of entries)
    // `String()`, because `ini` makes a boolean of "true", and a list of a key that stands in two sections.
    if (String(parsed[section]?.[key]) !== value)
      throw new FileProblem('a name that cannot be read reliably', line)
}

function isPlain(name: string): boolean {
  return /^[a-z]\w*$/.test(name)
}

/** A JSON string that is one line for `ini` too, which also ends a line at U+2028. */
function literal(text: string): string {
  return JSON.stringify(text).replaceAll('\u2028', '\\u2028').replaceAll('\u2029', '\\u2029')
}

/**
 * Whether a message may repeat a name from a file: only one that looks like our own names, because the end of a
 * token that was broken over two lines looks like a key.
 */
export function shown(name: string): boolean {
  return /^[a-z_-]{1,24}$/.test(name)
}

/** Names a key in a message. */
export function named(key: string): string {
  return shown(key) ? key : 'a key'
}
