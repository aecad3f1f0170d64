// Reads how long a token lives, as servers and people write it: a number of seconds, or an instant. Reads no clock.
import { LAST_INSTANT } from './clock.js'

/** Seconds: if an access token's life is longer, more than a year, it is a mistake or no lifetime. */
export const LONGEST_ACCESS = 366 * 86_400
/** Seconds: if a refresh token's life is longer, ten years, it is no lifetime. */
export const LONGEST_REFRESH = 10 * LONGEST_ACCESS
/** A number from here on is an instant: epoch seconds of the year 2001 and later. */
const FIRST_EPOCH = 1e9
/** A number from here on is an instant in milliseconds. */
const FIRST_EPOCH_MS = 1e12

/**
 * Reads an instant: RFC 3339, or epoch seconds.
 *
 * @returns Epoch seconds, whole; `undefined` if the text is no instant, or has no offset from UTC.
 * @see RFC 3339 section 5.6
 */
export function instant(text: string): number | undefined {
  if (/^\d+(?:\.\d+)?$/.test(text)) return Number(text) <= LAST_INSTANT ? Math.floor(Number(text)) : undefined
  const [, date, time] =
    /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d))$/i.exec(text) ?? []
  if (date === undefined || time === undefined) return undefined
  const milliseconds = Date.parse(`${date}T${time.toUpperCase()}`)
  // Compare the day, because `Date.parse` turns 30 February into March.
  const sameDay = new Date(`${date}T00:00:00Z`).getUTCDate() === Number(date.slice(-2))
  return Number.isNaN(milliseconds) || !sameDay ? undefined : Math.floor(milliseconds / 1000)
}

/**
 * Reads a lifetime from whatever a server calls one: seconds, epoch seconds, epoch milliseconds, RFC 3339 or the
 * date of RFC 9110 section 5.6.7.
 *
 * @param now Epoch seconds, by the clock of whoever wrote an instant.
 * @param longest Seconds.
 * @returns Whole seconds from 1 to `longest`; `undefined` for what is no such lifetime.
 */
export function lifetimeOf(value: unknown, now: number, longest: number): number | undefined {
  const number = numberOf(value)
  const end = number === undefined ? dateOf(value) : instantOf(number)
  const seconds = end === undefined ? number : end - now
  return seconds !== undefined && seconds >= 1 && seconds <= longest ? Math.floor(seconds) : undefined
}

/** Epoch seconds, if the number is evidently an instant. */
function instantOf(number: number): number | undefined {
  if (number >= FIRST_EPOCH_MS) return number / 1000
  return number >= FIRST_EPOCH ? number : undefined
}

function numberOf(value: unknown): number | undefined {
  if (typeof value === 'number') return value
  // Google writes durations as `3600s`.
  const [, digits] = (typeof value === 'string' ? /^\s*(\d+(?:\.\d+)?)s?\s*$/.exec(value) : null) ?? []
  return digits === undefined ? undefined : Number(digits)
}

function dateOf(value: unknown): number | undefined {
  if (typeof value !== 'string') return undefined
  const text = value.trim()
  // `Date.parse` takes any number for a year.
  if (!/^[A-Z][a-z]{2},? .*GMT$/.test(text)) return instant(text)
  const milliseconds = Date.parse(text)
  return Number.isNaN(milliseconds) ? undefined : Math.floor(milliseconds / 1000)
}
