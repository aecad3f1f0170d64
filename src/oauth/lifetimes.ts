// Reads how long an answer's tokens live, under any name and in any unit that servers use. Pure.
import { LONGEST_ACCESS, LONGEST_REFRESH, lifetimeOf } from '../core/lifetime.js'
import type { RawAnswer } from '../core/ports.js'
import type { Fields } from './answer-fields.js'

/** Names that say their unit: they are right if an `expires_in` beside them has another one. */
const IN_SECONDS = ['expires_in_sec', 'expires_in_secs', 'expires_in_seconds', 'expires_seconds']
const IN_MILLISECONDS = ['expires_in_ms', 'expires_in_millis', 'expires_in_milliseconds', 'expires_in_msec']
const RELATIVE = [
  'expires_in',
  'access_token_expires_in',
  'access_expires_in',
  'token_expires_in',
  'expire_in',
]
const INSTANTS = [
  ...['expires_at', 'access_token_expires_at', 'access_expires_at', 'token_expires_at', 'expires_on'],
  ...['access_token_expires_on', 'expires', '.expires', 'expiry', 'access_token_expiry', 'expiration'],
  ...[
    'access_token_expiration',
    'expiration_time',
    'expires_time',
    'expire_time',
    'expiry_date',
    'expire_at',
  ],
  ...['expiration_date', 'access_token_expires'],
]
const REFRESH = [
  ...[
    'refresh_token_expires_in',
    'refresh_expires_in',
    'x_refresh_token_expires_in',
    'refreshExpirationTime',
  ],
  ...[
    'refresh_token_expires_in_sec',
    'refresh_token_expires_at',
    'refresh_expires_at',
    'refresh_token_expires',
  ],
  ...['refresh_token_expires_on', 'refresh_token_expiration', 'refresh_token_expiry'],
]

export interface Lifetimes {
  /** Seconds, counted from when the request was sent; `null` if the answer names none or nothing usable. */
  readonly expiresIn: number | null
  readonly isLifetimeUnusable?: true
  readonly refreshExpiresIn: number | null
}

/**
 * Reads the lifetimes in an answer. An instant is counted from the server's own `Date`, because both then come from
 * one clock and this machine's wrong clock cannot shorten the life. If that gives no lifetime, it is counted from
 * when the request was sent. `Date` is later than that by the server's working time, which makes the life shorter
 * and never longer.
 */
export function lifetimesIn(fields: Fields, { sentAt, date }: RawAnswer): Lifetimes {
  const theirs = Math.floor(Date.parse(date ?? '') / 1000)
  const clocks = Number.isNaN(theirs) ? [sentAt.now] : [theirs, sentAt.now]
  const read = (value: unknown, longest: number): number | undefined =>
    first(clocks, (now) => lifetimeOf(value, now, longest))

  const access = (names: readonly string[]) => first(names, (name) => read(fields(name), LONGEST_ACCESS))
  const milliseconds = first(IN_MILLISECONDS, (name) => thousandth(fields(name)))
  const end = access(INSTANTS)
  const told = access(IN_SECONDS) ?? milliseconds ?? inSeconds(fields, access(RELATIVE), end) ?? end ?? null
  const isThere = [...IN_SECONDS, ...IN_MILLISECONDS, ...RELATIVE, ...INSTANTS].some((name) =>
    isSaid(fields(name)),
  )
  return {
    expiresIn: told,
    ...(told === null && isThere ? { isLifetimeUnusable: true } : {}),
    refreshExpiresIn: first(REFRESH, (name) => read(fields(name), LONGEST_REFRESH)) ?? null,
  }
}

/** Recognises an `expires_in` in milliseconds by an instant beside it. */
function inSeconds(
  fields: Fields,
  relative: number | undefined,
  end: number | undefined,
): number | undefined {
  const thousandths = first(RELATIVE, (name) => thousandth(fields(name)))
  if (end === undefined || thousandths === undefined) return relative
  return Math.abs(thousandths - end) <= Math.max(5, end / 20) ? end : relative
}

function thousandth(value: unknown): number | undefined {
  const number = typeof value === 'string' ? Number(value.trim() === '' ? NaN : value) : value
  if (typeof number !== 'number') return undefined
  const seconds = Math.floor(number / 1000)
  return seconds >= 1 && seconds <= LONGEST_ACCESS ? seconds : undefined
}

function isSaid(value: unknown): boolean {
  return value !== undefined && value !== null && !(typeof value === 'string' && value.trim() === '')
}

function first<One, Found>(all: readonly One[], find: (one: One) => Found | undefined): Found | undefined {
  for (const one of all) {
    const found = find(one)
    if (found !== undefined) return found
  }
  return undefined
}
