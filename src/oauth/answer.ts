// Reads any answer of a token endpoint. Pure but for loading the XML parser; prints and stores nothing.
import type { RawAnswer, Reading } from '../core/ports.js'
import { Secret } from '../core/secret.js'
import { verdictIn } from '../core/verdict.js'
import { embedded } from './answer-embedded.js'
import {
  accessTokenOf,
  candidatesIn,
  dereferenced,
  FOREIGN_ENTITY,
  FORM,
  formIn,
  isObject,
  isWholeForm,
  jsonIn,
  parsed,
  unwrapped,
  xmlIn,
  type Fields,
  type Named,
} from './answer-fields.js'
import { shapeOf, shapeOfJson } from './answer-shape.js'
import { textOf } from './answer-text.js'
import { errorIn, filled, wordsIn } from './answer-words.js'
import { lifetimesIn } from './lifetimes.js'
import { ordinary } from './raw-answer.js'

export { LONGEST_CODE, LONGEST_DESCRIPTION } from './answer-words.js'

type Unreadable = Extract<Reading, { kind: 'unreadable' }>

/** The parsed form of a whole text, if it has one. */
interface Document {
  readonly named: Named | undefined
  readonly isJson?: true
  readonly shape: string
}

/**
 * Reads any answer of a token endpoint: JSON, form or XML, recognised by content because servers mislabel their
 * answers; one level of wrapping around a pair; and a pair inside other text. An access token wins over everything,
 * then an error, both whatever the status. Never throws: an answer that cannot be read is `unreadable`. A token
 * that may be cut off is not taken, and of two different pairs neither is.
 *
 * @see RFC 6749 sections 5.1 and 5.2
 */
export async function readAnswer(kept: RawAnswer): Promise<Reading> {
  const answer = ordinary(kept)
  const { text, whole } = textOf(answer)
  const document = await documentIn(text, whole, answer.isFramed)
  const own = document?.named === undefined ? [] : candidatesIn(document.named)
  // Do not search JSON for pairs further down, because they may be somebody else's.
  const isSearched = own.length === 0 && document?.isJson !== true
  const found = isSearched ? await candidatesAround(text, whole, answer.isFramed) : own
  const pairs = distinct(found)
  const [pair] = pairs
  if (pair !== undefined && pairs.length === 1) return tokensIn(pair, text, answer)

  const holdsTokens = pairs.length > 1 || looksLikeTokens(text, answer.status)
  const isPage = WEB_PAGE.test(text.slice(0, 1024))
  const error = isPage || document?.named === undefined ? undefined : errorIn(document.named)
  if (error !== undefined && !(holdsTokens && verdictIn(error, true) === undefined))
    return { kind: 'error', ...error }
  const isHtml = isPage || (/text\/html/i.test(answer.contentType ?? '') && /<[a-z]/i.test(text))
  if (isHtml && document === undefined && !holdsTokens) return { kind: 'html' }
  const reading = unreadable(text, whole, answer.isFramed, document, isPage, holdsTokens)
  // Nobody can tell which of two pairs is meant.
  return pairs.length > 1 ? { ...reading, salvaged: null } : reading
}

const WEB_PAGE = /<(?:!doctype\s+html|html[\s>])/i

async function documentIn(
  text: string,
  whole: boolean,
  isFramed: boolean | undefined,
): Promise<Document | undefined> {
  const json = jsonIn(text)
  if (json !== undefined) {
    const named = unwrapped(json)
    return { named: isObject(named) ? named : undefined, isJson: true, shape: shapeOfJson(json) }
  }
  const form = formIn(text)
  // A form is the only format whose end may not show.
  if (form !== undefined)
    return { named: isWholeForm(text, whole, isFramed) ? form : undefined, shape: shapeOf('a form', form) }
  if (WEB_PAGE.test(text.slice(0, 1024))) return undefined
  const xml = await xmlIn(text)
  return xml === undefined ? undefined : { named: xml, shape: shapeOf('XML', xml) }
}

/**
 * Pairs inside other text. If the answer broke off, only pairs with a usable refresh token count, because the rest
 * of the pair may have been lost.
 */
async function candidatesAround(
  text: string,
  whole: boolean,
  isFramed: boolean | undefined,
): Promise<readonly Fields[]> {
  const found = (await embedded(text, whole, isFramed)).flatMap(candidatesIn)
  const isEnded = whole && isFramed !== false
  return found.filter(
    (fields) =>
      isPlain(fields('access_token')) &&
      (isEnded || refreshTokenOf(fields('refresh_token')) instanceof Secret),
  )
}

/** Whether a token holds no character that the surrounding text may have added. */
function isPlain(token: unknown): boolean {
  return typeof token === 'string' && !/[<>"'{}\\]/.test(token)
}

function distinct(found: readonly Fields[]): readonly Fields[] {
  const pairs = new Map(
    found.map((fields) => [
      JSON.stringify([accessTokenOf(fields('access_token')), fields('refresh_token')]),
      fields,
    ]),
  )
  return [...pairs.values()]
}

// --- from fields to what they say

function tokensIn(fields: Fields, text: string, answer: RawAnswer): Reading {
  const told = fields('refresh_token')
  const refreshToken = refreshTokenOf(told)
  const isUnusable = refreshToken === 'unusable' || (told === undefined && mentionsRefreshToken(text))
  return {
    kind: 'tokens',
    accessToken: new Secret(accessTokenOf(fields('access_token')) ?? ''),
    refreshToken: refreshToken instanceof Secret ? refreshToken : null,
    ...(isUnusable ? { isRefreshTokenUnusable: true } : {}),
    ...lifetimesIn(fields, answer),
    tokenType: filled(fields('token_type')),
    scope: filled(fields('scope')),
    user: filled(fields('useremail')),
  }
}

/**
 * Reads a refresh token. Trims it, because white space at its ends is the server's line end and no part of it.
 *
 * @returns `null` if there is none.
 * @see RFC 6749 appendix A.17
 */
function refreshTokenOf(value: unknown): Secret | 'unusable' | null {
  if (value === undefined || value === null || value === false) return null
  if (typeof value !== 'string') return 'unusable'
  const token = value.trim()
  if (token === '') return null
  return /^[\x20-\x7e]+$/.test(token) ? new Secret(token) : 'unusable'
}

// --- what looks like tokens

const ACCESS_NAMED =
  /access[_-]?token(?:\\?["']|&quot;)?\s{0,9}[:=]\s{0,9}(?:\\?["']|&quot;)[^"'\s\\&]{8}|<(?:[\w.-]{1,40}:)?access_?token(?:\s[^<>]*)?>\s{0,99}(?:<!\[CDATA\[)?[^<\s]{8}|(?:^|[&\s>])access_?token=[^\s&<>"']{8}/i
const REFRESH_NAMED = new RegExp(ACCESS_NAMED.source.replaceAll('access', 'refresh'), 'i')

/**
 * Whether something is named like a token and has a value. Refresh tokens count with a 2xx only, because an error
 * may quote the one that was sent.
 */
function looksLikeTokens(text: string, status: number | null): boolean {
  return ACCESS_NAMED.test(text) || ((status === null || status < 300) && REFRESH_NAMED.test(text))
}

/** Whether a refresh token with a value stands anywhere: if none was read, these bytes are its only copy. */
function mentionsRefreshToken(text: string): boolean {
  return /refresh_?token(?:\\?["']|&quot;)\s{0,9}:\s{0,9}(?!null|false|\\?["']\s*\\?["']|&quot;\s*&quot;)\S|<(?:[\w.-]{1,40}:)?refresh_?token(?:\s[^<>]*)?>\s{0,99}[^<\s]|refresh_?token=[^&\s]/i.test(
    text,
  )
}

// --- what cannot be read

/** A run of characters that may be a token. */
const LONG_WORD = /[\w.~+/=-]{16}/

function unreadable(
  text: string,
  whole: boolean,
  isFramed: boolean | undefined,
  document: Document | undefined,
  isPage: boolean,
  holdsTokens: boolean,
): Unreadable {
  const said = document?.named === undefined || isPage ? undefined : wordsIn(document.named)
  const hasEnd =
    whole && text !== '' && (isFramed !== false || document?.named !== undefined || isEnded(text))
  const isIdle = !/[{[<="&]/.test(text) && !LONG_WORD.test(text)
  return {
    kind: 'unreadable',
    salvaged: salvage(text),
    ...(hasEnd ? {} : { isCut: true }),
    ...(isIdle ? { isIdle: true } : {}),
    ...(holdsTokens ? { holdsTokens: true } : {}),
    ...(text === '' ? {} : { shape: document?.shape ?? shapeOfText(text, isPage) }),
    ...(said === undefined ? {} : { said }),
  }
}

/** Whether a text looks whole that only the end of the connection has ended. */
function isEnded(text: string): boolean {
  if (/^[{[]/.test(text)) return /[}\]]$/.test(text)
  if (text.startsWith('<')) return text.endsWith('>')
  return !FORM.test(text)
}

function shapeOfText(text: string, isPage: boolean): string {
  if (isPage) return 'a web page'
  const kind = /^[{[]/.test(text) ? 'what begins like JSON' : text.startsWith('<') ? 'markup' : 'text'
  return `${kind} of ${text.length} characters`
}

// --- what still stands in a ruin

/** A refresh token that stands whole in the text: the server may have rotated, and then it is the only good one. */
function salvage(text: string): Secret | null {
  const json = /"refresh_?token"\s*:\s*("(?:[^"\\\s]|\\.)+")/i.exec(text)?.[1]
  if (json !== undefined) return secretOf(parsed(json))
  const xml = /<(?:[\w.-]+:)?refresh_?token(?:\s[^<>]*)?>([^<]+)<\/(?:[\w.-]+:)?refresh_?token\s*>/i.exec(
    text,
  )?.[1]
  if (xml !== undefined) return FOREIGN_ENTITY.test(xml) ? null : secretOf(dereferenced(xml.trim()))
  const form = FORM.test(text) ? /(?:^|&)refresh_?token=([^&]+)&/i.exec(text)?.[1] : undefined
  return secretOf(form === undefined ? null : new URLSearchParams(`token=${form}`).get('token'))
}

function secretOf(value: unknown): Secret | null {
  const token = refreshTokenOf(value)
  return token instanceof Secret ? token : null
}
