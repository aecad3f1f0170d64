import type { RawAnswer, Reading } from './ports.js'
import { LONGEST_PAUSE } from './policy.js'
import type { Secret } from './secret.js'
import type { Tokens } from './transitions.js'

/** What one answer of the token endpoint means for the grant. */
export type Outcome =
  | { readonly kind: 'granted'; readonly tokens: Tokens }
  /** No byte left this machine. */
  | { readonly kind: 'not-sent'; readonly what: string }
  /** The request left; the server may have rotated. */
  | { readonly kind: 'unknown'; readonly what: string; readonly salvaged: Secret | null }
  /** Somebody answered, and said nothing about the grant. */
  | { readonly kind: 'no-verdict'; readonly what: string; readonly retryAfter: number | null }
  /** A verdict on the refresh token that was sent. */
  | { readonly kind: 'refused'; readonly what: string }
  /** A verdict on the client or the request. */
  | { readonly kind: 'misconfigured'; readonly what: string }

/** `invalid_grant`, what GitHub and OpenAI call it, and OpenID Connect's words for "a person is needed". */
const REFUSED = new Set([
  'invalid_grant',
  'bad_refresh_token',
  'refresh_token_reused',
  'refresh_token_expired',
  'login_required',
  'interaction_required',
  'consent_required',
])

/** RFC 6749 section 5.2 but for `invalid_grant`, and GitHub's name for `invalid_client`. */
const MISCONFIGURED = new Set([
  'invalid_client',
  'unauthorized_client',
  'invalid_scope',
  'invalid_request',
  'unsupported_grant_type',
  'access_denied',
  'invalid_target',
  'incorrect_client_credentials',
])

/** Seconds nobody asks a server that says "too many" without saying for how long. */
const UNSAID_PAUSE = 30

/**
 * Reads a verdict from an answer. Pure; an access token anywhere wins, then an error code whatever
 * the status (servers send `invalid_grant` with 200, 401, 403 and 404), then the status.
 *
 * @param now Epoch seconds, for a `Retry-After` that is a date.
 * @see RFC 6749 sections 5.1 and 5.2, RFC 9110 section 10.2.3
 */
export function outcomeOf(answer: RawAnswer, reading: Reading, now: number): Outcome {
  if (reading.kind === 'tokens') return { kind: 'granted', tokens: reading }

  const { status } = answer
  if (reading.kind === 'error') {
    const what = reading.description === null ? reading.code : `${reading.code}: ${reading.description}`
    if (REFUSED.has(reading.code)) return { kind: 'refused', what }
    if (MISCONFIGURED.has(reading.code)) return { kind: 'misconfigured', what }
  }
  if (status === null) {
    const what = answer.failure ?? 'no answer'
    return answer.sent ? { kind: 'unknown', what, salvaged: null } : { kind: 'not-sent', what }
  }
  const what = `HTTP ${status}${reading.kind === 'error' ? ` (${reading.code})` : ''}${describe(answer, reading)}`
  if (status === 429 || status === 503 || status === 408)
    return {
      kind: 'no-verdict',
      what,
      retryAfter: pause(answer, now) ?? (status === 429 ? UNSAID_PAUSE : null),
    }
  if (status >= 500) return { kind: 'unknown', what, salvaged: salvagedFrom(reading) }
  if (status >= 300 || reading.kind === 'html' || reading.kind === 'error')
    return { kind: 'no-verdict', what, retryAfter: pause(answer, now) }
  return { kind: 'unknown', what, salvaged: salvagedFrom(reading) }
}

function salvagedFrom(reading: Reading): Secret | null {
  return reading.kind === 'unreadable' ? reading.salvaged : null
}

function describe(answer: RawAnswer, reading: Reading): string {
  if (reading.kind === 'html') return ', a web page and not the token endpoint’s answer'
  if (answer.failure !== null) return `, broken off (${answer.failure})`
  if (answer.status !== null && answer.status >= 300 && answer.status < 400)
    return ', a redirect, which is not followed'
  if (answer.status !== null && answer.status < 300) return ', an answer that cannot be read'
  return ''
}

/** `Retry-After` in seconds from now, an hour at most. */
function pause({ retryAfter }: RawAnswer, now: number): number | null {
  if (retryAfter === null) return null
  const text = retryAfter.trim()
  // `Date.parse` would make a year of any number.
  const isDate = /^[A-Z][a-z]+,? /.test(text)
  const seconds = /^\d+$/.test(text) ? Number(text) : isDate ? Math.ceil(Date.parse(text) / 1000) - now : NaN
  return Number.isNaN(seconds) ? null : Math.min(Math.max(seconds, 0), LONGEST_PAUSE)
}
