import { brotliDecompressSync, constants, gunzipSync, inflateRawSync, inflateSync } from 'node:zlib'

import type { RawAnswer, Reading } from '../core/ports.js'
import { Secret } from '../core/secret.js'
import { unwrapped } from './raw-answer.js'

/** Bytes; what decompresses to more is no token set. */
const MAX_DECODED = 1024 * 1024
/** Seconds; a longer life, ten years, is an instant in disguise or a mistake. */
const LONGEST_LIFETIME = 10 * 365 * 86_400
/** Characters of a server's words that are said on. */
export const LONGEST_CODE = 100
export const LONGEST_DESCRIPTION = 300

/**
 * Reads whatever a token endpoint answered: JSON, form or XML, told apart by content, for servers
 * mislabel what they send. An access token wins over everything, then an error, both whatever the
 * status. Never throws: what cannot be read is `unreadable`, and a token that may be cut is none.
 *
 * @see RFC 6749 sections 5.1 and 5.2
 */
export async function readAnswer(kept: RawAnswer): Promise<Reading> {
  const answer = unwrapped(kept)
  const { text, whole } = textOf(answer)
  const read =
    readFields(jsonFields(text)) ??
    // The only one of the three whose end does not show.
    (whole ? readFields(formFields(text)) : undefined)
  if (read !== undefined) return read
  if (WEB_PAGE.test(text.slice(0, 1024))) return { kind: 'html' }

  const markup = readFields(await xmlFields(text))
  if (markup !== undefined) return markup
  if (/text\/html/i.test(answer.contentType ?? '') && /<[a-z]/i.test(text)) return { kind: 'html' }
  return { kind: 'unreadable', salvaged: salvage(text) }
}

const WEB_PAGE = /<(?:!doctype\s+html|html[\s>])/i

// --- from bytes to text

function textOf({ body, contentEncoding, complete }: RawAnswer): { text: string; whole: boolean } {
  const { bytes, whole } = decompress(body, contentEncoding?.trim().toLowerCase() ?? '')
  // The decoder takes the byte order mark away, and `trim` a second one.
  return { text: new TextDecoder(charsetOf(bytes)).decode(bytes).trim(), whole: complete && whole }
}

function charsetOf([first, second]: Uint8Array): string {
  if (first === 0xff && second === 0xfe) return 'utf-16le'
  return first === 0xfe && second === 0xff ? 'utf-16be' : 'utf-8'
}

type Decompress = (bytes: Uint8Array, toTheEnd: boolean) => Uint8Array

const zlibOptions = (toTheEnd: boolean) => ({
  maxOutputLength: MAX_DECODED,
  finishFlush: toTheEnd ? constants.Z_FINISH : constants.Z_SYNC_FLUSH,
})
const gzip: Decompress = (bytes, toTheEnd) => gunzipSync(bytes, zlibOptions(toTheEnd))
const deflate: Decompress = (bytes, toTheEnd) => inflateSync(bytes, zlibOptions(toTheEnd))
/** Some send `deflate` without its wrapper: RFC 9110 section 8.4.1.2. */
const deflateRaw: Decompress = (bytes, toTheEnd) => inflateRawSync(bytes, zlibOptions(toTheEnd))
const brotli: Decompress = (bytes, toTheEnd) =>
  brotliDecompressSync(bytes, {
    maxOutputLength: MAX_DECODED,
    finishFlush: toTheEnd ? constants.BROTLI_OPERATION_FINISH : constants.BROTLI_OPERATION_FLUSH,
  })
const DECOMPRESS = new Map([
  ['gzip', [gzip]],
  ['x-gzip', [gzip]],
  ['deflate', [deflate, deflateRaw]],
  ['br', [brotli]],
])

/** As far as it goes. Bytes that do not decompress are taken as they are: a proxy may have done it already. */
function decompress(bytes: Uint8Array, coding: string): { bytes: Uint8Array; whole: boolean } {
  const ways = isPlain(bytes) ? [] : (DECOMPRESS.get(isGzip(bytes) ? 'gzip' : coding) ?? [])
  for (const whole of [true, false])
    for (const way of ways) {
      try {
        return { bytes: way(bytes, whole), whole }
      } catch {
        // The next way, and in the end none.
      }
    }
  return { bytes, whole: true }
}

function isGzip([first, second]: Uint8Array): boolean {
  return first === 0x1f && second === 0x8b
}

/** No compressed stream begins with so much ASCII text. */
function isPlain(bytes: Uint8Array): boolean {
  return bytes
    .subarray(0, 32)
    .every((byte) => (byte >= 0x20 && byte < 0x7f) || (byte >= 0x09 && byte <= 0x0d))
}

// --- from text to fields

/** The value under a name: as the standard spells it, else in another case or without `_`. */
type Fields = (name: string) => unknown

function fieldsOf(entries: readonly (readonly [string, unknown])[]): Fields {
  const exact = new Map(entries)
  const folded = new Map(entries.map(([name, value]) => [fold(name), value]))
  return (name) => exact.get(name) ?? folded.get(fold(name))
}

function fold(name: string): string {
  return name.replaceAll('_', '').toLowerCase()
}

function jsonFields(text: string): Fields | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return isObject(value) ? fieldsOf(Object.entries(value)) : undefined
  } catch {
    return undefined
  }
}

const FORM = /^[^\s<>{}"=&]+=[^\r\n<>{}"]*$/

function formFields(text: string): Fields | undefined {
  return FORM.test(text) ? fieldsOf([...new URLSearchParams(text)]) : undefined
}

/** An entity other than the five. References to characters are none. */
const FOREIGN_ENTITY = /&(?!(?:amp|lt|gt|quot|apos|#\d+|#x[\da-f]+);)/i

async function xmlFields(text: string): Promise<Fields | undefined> {
  if (!/^<[?!\w]/.test(text) || /<!(?:doctype|entity)/i.test(text) || FOREIGN_ENTITY.test(text))
    return undefined
  try {
    const { XMLParser } = await import('fast-xml-parser')
    const parser = new XMLParser({
      ignoreDeclaration: true,
      ignorePiTags: true,
      maxNestedTags: 2,
      parseTagValue: false,
      // It would leave `&#43;` standing in a token.
      processEntities: false,
      removeNSPrefix: true,
    })
    // `true`: it validates first, and throws; without, it reads a cut-off element as a whole one.
    // eslint-disable-next-line @typescript-eslint/no-deprecated -- its successor is one more package for the same code
    const [root, ...more] = Object.entries(parser.parse(text, true) as Record<string, unknown>)
    if (root === undefined || more.length > 0) return undefined
    // `<error>invalid_grant</error>` alone is an answer too.
    const elements = [root, ...(isObject(root[1]) ? Object.entries(root[1]) : [])]
    return fieldsOf(
      elements.map(([name, value]) => [name, typeof value === 'string' ? dereferenced(value) : value]),
    )
  } catch {
    return undefined
  }
}

const FIVE = new Map(Object.entries({ amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" }))

/** @see XML 1.0 section 4.1 */
function dereferenced(text: string): string {
  return text.replace(
    /&(?:#(\d+)|#x([\da-f]+)|(\w+));/gi,
    (reference, decimal?: string, hex?: string, name?: string) => {
      const point =
        decimal !== undefined ? Number(decimal) : hex !== undefined ? parseInt(hex, 16) : undefined
      if (point === undefined) return FIVE.get(name ?? '') ?? reference
      return point <= 0x10ffff ? String.fromCodePoint(point) : '\uFFFD'
    },
  )
}

// --- from fields to what they say

function readFields(fields: Fields | undefined): Reading | undefined {
  if (fields === undefined) return undefined
  const accessToken = fields('access_token')
  if (!isAccessToken(accessToken)) return readError(fields)
  return {
    kind: 'tokens',
    accessToken: new Secret(accessToken),
    refreshToken: refreshToken(fields('refresh_token')),
    expiresIn: lifetime(fields, ['expires_in', 'expires']),
    refreshExpiresIn: lifetime(fields, [
      'refresh_token_expires_in',
      'refresh_expires_in',
      'x_refresh_token_expires_in',
      'refreshExpirationTime',
    ]),
    tokenType: filled(fields('token_type')),
    scope: filled(fields('scope')),
    user: filled(fields('useremail')),
  }
}

/** Wider than the `b64token` of RFC 6750, and nothing that could end a header line or a shell word early. */
function isAccessToken(value: unknown): value is string {
  return typeof value === 'string' && /^[\x21-\x7e]+$/.test(value)
}

/** @see RFC 6749 appendix A.17 */
function refreshToken(value: unknown): Secret | null {
  const token = filled(value)
  return token !== null && /^[\x20-\x7e]+$/.test(token) ? new Secret(token) : null
}

function lifetime(fields: Fields, names: readonly string[]): number | null {
  return names.map((name) => seconds(fields(name))).find((value) => value !== null) ?? null
}

function seconds(value: unknown): number | null {
  const number = typeof value === 'string' && /^\s*\d+(?:\.\d+)?\s*$/.test(value) ? Number(value) : value
  if (typeof number !== 'number' || !(number >= 1 && number <= LONGEST_LIFETIME)) return null
  return Math.floor(number)
}

function filled(value: unknown): string | null {
  return typeof value === 'string' && value.trim() !== '' ? value : null
}

function readError(fields: Fields): Reading | undefined {
  const errors = fields('errors')
  const causes = [fields('error'), ...(Array.isArray(errors) ? (errors as unknown[]).slice(0, 1) : [errors])]
  for (const cause of causes) {
    const code = codeOf(cause)
    if (code === null) continue
    const description =
      filled(fields('error_description')) ?? (isObject(cause) ? filled(cause['message']) : null)
    return {
      kind: 'error',
      code: code.trim().slice(0, LONGEST_CODE),
      description: description?.slice(0, LONGEST_DESCRIPTION) ?? null,
    }
  }
  return undefined
}

/** The code in the `error` of RFC 6749, or in what others put in its place: a number, an object, an array's first. */
function codeOf(cause: unknown): string | null {
  if (!isObject(cause)) return nameOf(cause)
  const said = ['errorType', 'code', 'type', 'status'].map((name) => cause[name])
  return (
    said.map(filled).find((code) => code !== null) ??
    said.map(nameOf).find((code) => code !== null) ??
    'unspecified'
  )
}

function nameOf(cause: unknown): string | null {
  if (cause === true || (typeof cause === 'number' && cause !== 0)) return String(cause)
  return filled(cause)
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

// --- what still stands in a ruin

/** A refresh token that has its end: the server may have rotated, and this is then the only good one. */
function salvage(text: string): Secret | null {
  const json = /"refresh_?token"\s*:\s*("(?:[^"\\\s]|\\.)+")/i.exec(text)?.[1]
  if (json !== undefined) return refreshToken(unquoted(json))
  const xml = /<(?:[\w.-]+:)?refresh_?token(?:\s[^<>]*)?>([^<]+)<\/(?:[\w.-]+:)?refresh_?token\s*>/i.exec(
    text,
  )?.[1]
  if (xml !== undefined) return FOREIGN_ENTITY.test(xml) ? null : refreshToken(dereferenced(xml.trim()))
  const form = FORM.test(text) ? /(?:^|&)refresh_?token=([^&]+)&/i.exec(text)?.[1] : undefined
  return refreshToken(form === undefined ? null : new URLSearchParams(`token=${form}`).get('token'))
}

function unquoted(literal: string): unknown {
  try {
    return JSON.parse(literal)
  } catch {
    return null
  }
}
