import type { ClockReading } from './clock.js'
import type { Secret } from './secret.js'
import type { TokenPair, TokenSet } from './token-set.js'

/** When to start trying: a share of the lifetime, or a time before its end. */
export type Early = { readonly percent: number } | { readonly seconds: number }

declare const checked: unique symbol

/** Made by `expiryPolicy()` alone: a number that is none would compare false and call a dead token fresh. */
export interface ExpiryPolicy {
  /** From then on a renewal is tried, and may fail. */
  readonly early: Early
  /** Seconds; with less left than this, a refresh must succeed. */
  readonly minValid: number
  readonly [checked]: true
}

const DAY = 86_400
const HOUR = 3_600

/** The server's `Retry-After` counts for an hour at most; a stored instant further off is a clock that jumped. */
export const LONGEST_PAUSE = HOUR
/** An access token that the API refuses is renewed for that reason no sooner than this after the last time. */
const REJECTED_PAUSE = HOUR
/** A refused refresh token is tried again no sooner than this. */
const REFUSED_PAUSE = HOUR
/** An answer that nobody could read is followed by another request no sooner than this. */
export const UNREAD_PAUSE = HOUR
/** A server that says nothing but a bare 400 or 401 for this long has probably ended the grant … */
const BARE_LIKELY = HOUR
/** … and after this long a person is called. */
const BARE_ENDED = DAY
/** A clock this far behind the time when the token was obtained has gone back. */
const CLOCK_TOLERANCE = 60

/**
 * When a token is renewed: from `early` before its end on where that can be had (never more than half of
 * its life, nor a day), and in any case with less than `minValid` left.
 *
 * @param early A share of the lifetime in percent, or seconds before its end.
 * @param minValid Seconds that each token handed out must still live.
 * @throws {RangeError} when a number is none, or out of its range.
 * @example
 * expiryPolicy({ percent: 10 }, 60)
 */
export function expiryPolicy(early: Early, minValid: number): ExpiryPolicy {
  const inRange =
    'percent' in early
      ? early.percent >= 0 && early.percent <= 100
      : early.seconds >= 0 && early.seconds <= DAY
  if (!inRange) throw new RangeError('early must be 0% to 100%, or at most one day')
  if (!(minValid >= 0 && minValid < Infinity)) throw new RangeError('min_valid must be a duration')
  return { early, minValid } as ExpiryPolicy
}

/**
 * What a caller wants beyond "works now".
 *
 * @category Start here
 */
export interface Ask {
  /** Seconds that the token must still live. */
  readonly minValid?: number
  /**
   * An access token that the API refused: while the store holds this one, it is renewed; but once an
   * hour at most, unless `accepted` tells that it helped.
   */
  readonly rejected?: Secret
}

/** What the guard itself may ask beyond that. */
export interface Demand extends Ask {
  /** Must be renewed, however long it lives. */
  readonly outdated?: Secret
}

/**
 * - `fresh`: hand it out.
 * - `due`: still good, but renew it if that can be had.
 * - `expired`: must be renewed before use.
 */
export type Verdict = 'fresh' | 'due' | 'expired'

/** Why no renewal may be tried yet. `unread`: an answer is kept that nobody could read, and may hold the new tokens. */
export interface Hold {
  readonly because: 'server' | 'backoff' | 'refused' | 'unread'
  /** Epoch seconds. */
  readonly until: number
}

export interface Judgement {
  readonly verdict: Verdict
  /** Seconds of life left; negative when over. */
  readonly left: number
  readonly hold: Hold | null
}

/**
 * Decides what to do with a token set at one instant. Total and pure.
 *
 * A caller may ask for more validity than the server issues; so that this cannot become a refresh at
 * every call, a token in the first tenth of its life is as new as they come.
 *
 * @see RFC 6749 section 5.1 (`expires_in`); the shares of the lifetime are ours.
 */
export function judge(set: TokenSet, at: ClockReading, policy: ExpiryPolicy, ask: Demand = {}): Judgement {
  const { lifetime, accessToken } = set.pair
  const { age, clockWentBack } = ageOf(set.pair, at)
  const left = lifetime - age
  const newest = age <= lifetime / 10
  const isOver =
    !(left > 0) || (ask.rejected?.equals(accessToken) === true && rejectionHold(set, at) === null)
  const mustRenew =
    isOver || (left < needed(policy, ask) && !newest) || ask.outdated?.equals(accessToken) === true

  if (mustRenew)
    return { verdict: 'expired', left, hold: unreadHold(set, at, isOver) ?? holdOn(set, at, 'must') }
  const due = left <= earlyWindow(policy.early, lifetime) || set.intent !== null || clockWentBack
  return due
    ? { verdict: 'due', left, hold: unreadHold(set, at, false) ?? holdOn(set, at, 'may') }
    : { verdict: 'fresh', left, hold: null }
}

/** No caller gets less than the policy asks for, not even one who asks for no number. */
function needed({ minValid }: ExpiryPolicy, ask: Ask): number {
  return ask.minValid !== undefined && ask.minValid > minValid ? ask.minValid : minValid
}

/** Epoch seconds at which the access token ends, by the clock that counts it shortest. */
export function expiresAt(pair: TokenPair, at: ClockReading): number {
  return Math.floor(at.now + pair.lifetime - ageOf(pair, at).age)
}

/**
 * The older of two ages: the wall clock's, and within one boot the uptime's. A wall clock that was
 * set back makes a token look young, and so does the uptime of a virtual machine that was paused;
 * believing the older one costs at most a refresh that was not needed.
 */
export function ageOf(pair: TokenPair, at: ClockReading): { age: number; clockWentBack: boolean } {
  const wall = at.now - pair.obtained.now
  const sameBoot = at.boot !== null && at.boot === pair.obtained.boot
  const clockWentBack = wall < -CLOCK_TOLERANCE
  // Without the uptime to go by, nothing tells how old the token is: it counts as just over.
  if (clockWentBack && !sameBoot) return { age: pair.lifetime, clockWentBack }
  const uptime = sameBoot ? at.uptime - pair.obtained.uptime : 0
  // Both are rounded to seconds: what differs by rounding must not make the same token end twice. A
  // clock that gives no number tells of no age: then neither is this one, and the token counts as over.
  const older = uptime <= wall + 2 ? wall : Math.max(wall, uptime)
  return { age: Math.max(0, older), clockWentBack }
}

/** Never more than half of the life: else a token would be due from its first second on. */
function earlyWindow(early: Early, lifetime: number): number {
  const wanted = 'percent' in early ? (lifetime * early.percent) / 100 : early.seconds
  return Math.min(wanted, DAY, lifetime / 2)
}

/**
 * While an answer is kept that nobody could read, the refresh token is spent, and its repetition may end the grant: one
 * waits for an hour, and for as long as the access token works.
 */
function unreadHold(set: TokenSet, at: ClockReading, isOver: boolean): Hold | null {
  if (!isUnread(set)) return null
  const pause = isPaused(set, at) ? set.notBefore : at.now
  const until = isOver ? pause : Math.max(pause, expiresAt(set.pair, at))
  return until > at.now ? { because: 'unread', until } : null
}

/** Whether the last exchange ended with an answer that nobody could read, and that is kept. */
export function isUnread({ intent, notBefore, lastFailure }: TokenSet): boolean {
  // The server's own pauses come with answers that are no such thing.
  return intent !== null && notBefore !== null && lastFailure?.code === 'HQ_OUTCOME_UNKNOWN'
}

/** Whether nobody is to ask the server yet, not even a person. */
export function isPaused(
  set: TokenSet,
  { now }: ClockReading,
): set is TokenSet & { readonly notBefore: number } {
  return ahead(set.notBefore, now, LONGEST_PAUSE)
}

/** Whether the access token has come to its end. */
export function isOver(pair: TokenPair, at: ClockReading): boolean {
  return !(pair.lifetime - ageOf(pair, at).age > 0)
}

/**
 * Whether the grant has probably ended, though the server does not say so: for an hour it has answered nothing but a bare
 * 400 or 401, and the access token is over.
 */
export function isLikelyDead(set: TokenSet, at: ClockReading): boolean {
  return bareFor(set, at) >= BARE_LIKELY && isOver(set.pair, at)
}

/** Whether that has lasted for so long, a day, that a person must be called. */
export function isGivenUp(set: TokenSet, at: ClockReading): boolean {
  return bareFor(set, at) >= BARE_ENDED && isOver(set.pair, at)
}

function bareFor({ bareSince }: TokenSet, { now }: ClockReading): number {
  return bareSince === null ? -1 : now - bareSince
}

function holdOn(set: TokenSet, { now }: ClockReading, urgency: 'may' | 'must'): Hold | null {
  if (!isUnread(set) && ahead(set.notBefore, now, LONGEST_PAUSE))
    return { because: 'server', until: set.notBefore }
  if (set.refusedAt !== null) {
    const until = set.refusedAt + REFUSED_PAUSE
    if (ahead(until, now, REFUSED_PAUSE)) return { because: 'refused', until }
  }
  if (urgency === 'may' && ahead(set.backoffUntil, now, LONGEST_PAUSE))
    return { because: 'backoff', until: set.backoffUntil }
  return null
}

/** Until when a refusal by the API is no reason to renew: the last renewal for that reason is too young. */
export function rejectionHold({ rejectedAt }: TokenSet, { now }: ClockReading): number | null {
  const until = rejectedAt === null ? null : rejectedAt + REJECTED_PAUSE
  return ahead(until, now, REJECTED_PAUSE) ? until : null
}

/** An instant still to come, but no further off than it can ever have been set. */
function ahead(instant: number | null, now: number, atMost: number): instant is number {
  return instant !== null && instant > now && instant - now <= atMost
}

/** Seconds to rest after the n-th failure in a row: 30, 60, 120, … up to 15 minutes. */
export function backoff(failures: number): number {
  return Math.min(30 * 2 ** Math.max(0, failures - 1), 900)
}
