// Decides what one answer of the token endpoint means for the grant. Pure: no I/O, and no words for people.
import type { RawAnswer, Reading, Words } from './ports.js'
import { LONGEST_PAUSE } from './policy.js'
import type { Secret } from './secret.js'
import type { Tokens } from './transitions.js'
import { isBusy, isStandard, verdictIn } from './verdict.js'

/** The meaning of one answer of the token endpoint for the grant. */
export type Outcome =
  | { readonly kind: 'granted'; readonly tokens: Tokens }
  /** No byte left this machine. */
  | { readonly kind: 'not-sent'; readonly what: string }
  /** The request left, and the server may have rotated. */
  | {
      readonly kind: 'unknown'
      readonly what: string
      readonly salvaged: Secret | null
      /** The answer may hold the only copy of a pair, so it stays until a pair is saved. */
      readonly isKept: boolean
      /** The answer came whole and nobody can read it, so asking again would bring the same. */
      readonly isUnread: boolean
      /** The answer came whole and is long enough to hold a token, so the refresh token that was sent is spent. */
      readonly mayHoldTokens: boolean
    }
  /** An answer came that says nothing about the grant. */
  | {
      readonly kind: 'no-verdict'
      readonly what: string
      readonly retryAfter: number | null
      /** True for a 400 or 401 that is no web page and says nothing that is known. */
      readonly isBare: boolean
      /** True for a 2xx status: the answer stays until a pair is saved, because a pair may be found in it later. */
      readonly isKept: boolean
      readonly redirect: Redirect | null
    }
  /** The server refused the refresh token that was sent. */
  | {
      readonly kind: 'refused'
      readonly what: string
      /** By its words, the server may answer otherwise a moment later. */
      readonly isBusy: boolean
    }
  /** The server refused the client or the request. */
  | { readonly kind: 'misconfigured'; readonly what: string }

export interface Redirect {
  /** An address at the same origin; `null` for another origin, or if the answer named none. */
  readonly location: string | null
  readonly isPermanent: boolean
}

/** Seconds to pause after a 429 without `Retry-After`. */
const UNSAID_PAUSE = 30
/** 407 comes from a proxy; the others mean that nobody has looked at the grant. */
const NOBODY_LOOKED = new Set([407, 408, 425, 429])

/**
 * Reads a verdict from an answer. Pure. In this order: an access token anywhere in it; a code of RFC 6749, whatever
 * the status, because servers send `invalid_grant` with 200, 401, 403 and 404; the server's own words, if the
 * status can be a verdict; the status.
 *
 * @param now Epoch seconds, for a `Retry-After` that is a date.
 * @see RFC 6749 sections 5.1 and 5.2, RFC 9110 section 10.2.3
 */
export function outcomeOf(answer: RawAnswer, reading: Reading, now: number): Outcome {
  if (reading.kind === 'tokens') return { kind: 'granted', tokens: reading }

  const { status } = answer
  const words = wordsOf(reading)
  const verdict = verdictOf(reading, words, status)
  if (verdict === 'refused' || verdict === 'misconfigured') {
    const what = [words?.code, words?.description].filter((part) => part != null).join(': ')
    return verdict === 'refused'
      ? { kind: 'refused', what, isBusy: isBusy(what) }
      : { kind: 'misconfigured', what }
  }
  if (status === null) {
    const what = answer.failure ?? 'no answer'
    return answer.sent ? unknown(what, answer, reading) : { kind: 'not-sent', what }
  }
  const said = words?.code == null ? '' : ` (${words.code})`
  const what = `HTTP ${status}${said}${describe(answer, reading)}`
  const holdsTokens = reading.kind === 'unreadable' && reading.holdsTokens === true
  if ((status === 429 || status === 503 || status === 408) && !holdsTokens)
    return noVerdict(what, pause(answer, now) ?? (status === 429 ? UNSAID_PAUSE : null))
  if (status >= 500 || holdsTokens) return unknown(what, answer, reading)
  if (status >= 300 && status < 400) {
    const isPermanent = status === 301 || status === 308
    return {
      ...noVerdict(what, pause(answer, now)),
      redirect: { location: answer.location ?? null, isPermanent },
    }
  }
  if (status >= 300 || reading.kind === 'html' || reading.kind === 'error') {
    const isBare =
      (status === 400 || status === 401) &&
      reading.kind !== 'html' &&
      verdict === undefined &&
      answer.complete
    const isKept = status < 300 && answer.body.byteLength > 0
    return { ...noVerdict(what, pause(answer, now)), isBare, isKept }
  }
  return unknown(what, answer, reading)
}

/** Drops a salvaged token that equals the one sent: the answer only quotes it. */
export function withoutEcho(outcome: Outcome, spent: Secret | undefined): Outcome {
  const salvaged = outcome.kind === 'unknown' ? outcome.salvaged : null
  const isEcho = salvaged !== null && spent?.equals(salvaged) === true
  return outcome.kind === 'unknown' && isEcho ? { ...outcome, salvaged: null } : outcome
}

/** The outcome of an answer that could not be kept: nobody can read it later, so there is no reason to wait. */
export function unkept(outcome: Outcome): Outcome {
  if (outcome.kind !== 'unknown') return outcome
  return { ...outcome, isKept: false, isUnread: false, mayHoldTokens: false }
}

function wordsOf(reading: Reading): Words | null {
  if (reading.kind === 'error') return reading
  return reading.kind === 'unreadable' ? (reading.said ?? null) : null
}

function verdictOf(reading: Reading, words: Words | null, status: number | null) {
  if (words === null) return undefined
  const isError = reading.kind === 'error' || (status !== null && status >= 400)
  const isJudge =
    status === null || ((status < 300 || (status >= 400 && status < 500)) && !NOBODY_LOOKED.has(status))
  if (!isJudge && !(reading.kind === 'error' && isStandard(reading.code))) return undefined
  return verdictIn(words, isError)
}

function noVerdict(what: string, retryAfter: number | null) {
  return { kind: 'no-verdict', what, retryAfter, isBare: false, isKept: false, redirect: null } as const
}

function unknown(what: string, { status, body, complete }: RawAnswer, reading: Reading): Outcome {
  if (reading.kind !== 'unreadable')
    return { kind: 'unknown', what, salvaged: null, isKept: false, isUnread: false, mayHoldTokens: false }
  const { salvaged, isCut, isIdle, holdsTokens } = reading
  const isKept =
    body.byteLength > 0 && (status === null || status < 300 || salvaged !== null || holdsTokens === true)
  const isUnread = isKept && complete && isCut !== true && status !== null
  return { kind: 'unknown', what, salvaged, isKept, isUnread, mayHoldTokens: isUnread && isIdle !== true }
}

/** Characters of an address that a message shows. */
const LONGEST_ADDRESS = 300

function describe(answer: RawAnswer, reading: Reading): string {
  const { status, failure, location } = answer
  if (reading.kind === 'html') return ', a web page and not the token endpoint’s answer'
  if (failure !== null) return `, broken off (${failure})`
  if (status !== null && status >= 300 && status < 400)
    return location == null
      ? ', a redirect, which is not followed'
      : `, a redirect to ${location.slice(0, LONGEST_ADDRESS)}, which is not followed`
  if (reading.kind !== 'unreadable') return ''
  if ((status !== null && status < 300) || reading.holdsTokens === true)
    return `, an answer that cannot be read${reading.shape === undefined ? '' : ` (${reading.shape})`}`
  return ''
}

/** `Retry-After` in seconds from now, an hour at most. */
function pause({ retryAfter }: RawAnswer, now: number): number | null {
  if (retryAfter === null) return null
  const text = retryAfter.trim()
  // `Date.parse` takes any number for a year.
  const isDate = /^[A-Z][a-z]+,? /.test(text)
  const seconds = /^\d+$/.test(text) ? Number(text) : isDate ? Math.ceil(Date.parse(text) / 1000) - now : NaN
  return Number.isNaN(seconds) ? null : Math.min(Math.max(seconds, 0), LONGEST_PAUSE)
}
