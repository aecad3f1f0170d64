// Decides when a token is fresh, due or expired, and which pauses hold a renewal back. Pure: no I/O, and clocks are
// passed in.
import type { ClockReading } from './clock.js'
import type { Secret } from './secret.js'
import type { TokenPair, TokenSet } from './token-set.js'

/** How early to start renewing: a share of the lifetime, or a time before its end. */
export type Early = { readonly percent: number } | { readonly seconds: number }

declare const checked: unique symbol

/**
 * Only `expiryPolicy()` makes one, because it checks the numbers: with NaN every comparison is false, and a dead
 * token would count as fresh.
 */
export interface ExpiryPolicy {
  /** From this time before the end a renewal is tried, and may fail. */
  readonly early: Early
  /** Seconds: with less left, a refresh must succeed. */
  readonly minValid: number
  readonly [checked]: true
}

const DAY = 86_400
const HOUR = 3_600

/**
 * Seconds. The server's `Retry-After` counts for an hour at most; if a stored instant lies further ahead, a clock
 * has jumped.
 */
export const LONGEST_PAUSE = HOUR
/** Seconds between two renewals whose reason is that the API refuses the access token. */
const REJECTED_PAUSE = HOUR
/** Seconds before a refused refresh token is tried again. */
const REFUSED_PAUSE = HOUR
/** Seconds before another request follows an answer that nobody could read. */
export const UNREAD_PAUSE = HOUR
/** Seconds of nothing but a bare 400 or 401 after which the server has probably ended the grant … */
const BARE_LIKELY = HOUR
/** … and seconds after which a person is called. */
const BARE_ENDED = DAY
/** Seconds. If the clock is further than this behind the time when the token was obtained, it has gone back. */
const CLOCK_TOLERANCE = 60

/**
 * Makes the policy by which tokens are renewed: tried from `early` before the end (at most half of the lifetime,
 * and at most a day), and required once less than `minValid` is left.
 *
 * @param early A share of the lifetime in percent, or seconds before its end.
 * @param minValid Seconds that each token handed out must still live.
 * @throws {RangeError} a number is not finite, or out of its range.
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
 * Demands of a caller beyond "works now".
 *
 * @category Start here
 */
export interface Ask {
  /** Seconds that the token must still live. */
  readonly minValid?: number
  /**
   * An access token that the API refused. While the store holds it, it is renewed, but at most once an hour unless
   * `accepted` reports that renewing helped.
   */
  readonly rejected?: Secret
}

/** Demands that only the guard itself makes. */
export interface Demand extends Ask {
  /** This access token must be renewed, however long it lives. */
  readonly outdated?: Secret
}

/**
 * - `fresh`: hand it out.
 * - `due`: still good, but renew it if that can be had.
 * - `expired`: must be renewed before use.
 */
export type Verdict = 'fresh' | 'due' | 'expired'

/** Why no renewal may be tried yet. `unread`: an unreadable answer is kept that may hold the new tokens. */
export interface Hold {
  readonly because: 'server' | 'backoff' | 'refused' | 'unread'
  /** Epoch seconds. */
  readonly until: number
}

export interface Judgement {
  readonly verdict: Verdict
  /** Seconds of life left; negative after the end. */
  readonly left: number
  readonly hold: Hold | null
}

/**
 * Decides what to do with a token set at one instant. Total and pure.
 *
 * A caller may ask for more validity than the server issues. That must not cost a refresh at every call, so a token
 * in the first tenth of its life counts as the newest to be had.
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

/** The policy's `minValid` is the least: a caller may ask for more, not for less. */
function needed({ minValid }: ExpiryPolicy, ask: Ask): number {
  return ask.minValid !== undefined && ask.minValid > minValid ? ask.minValid : minValid
}

/** Epoch seconds at which the access token ends, by the clock that makes it end first. */
export function expiresAt(pair: TokenPair, at: ClockReading): number {
  return Math.floor(at.now + pair.lifetime - ageOf(pair, at).age)
}

/**
 * The age of a token: the older of the wall clock's and, within one boot, the uptime's. A wall clock that was set
 * back makes a token look young, and so does the uptime of a virtual machine that was paused. Believing the older
 * age costs at most one refresh too many.
 */
export function ageOf(pair: TokenPair, at: ClockReading): { age: number; clockWentBack: boolean } {
  const wall = at.now - pair.obtained.now
  const sameBoot = at.boot !== null && at.boot === pair.obtained.boot
  const clockWentBack = wall < -CLOCK_TOLERANCE
  // Without the uptime nothing tells the token's age, so it counts as just over.
  if (clockWentBack && !sameBoot) return { age: pair.lifetime, clockWentBack }
  const uptime = sameBoot ? at.uptime - pair.obtained.uptime : 0
  // Allow 2 s, because both ages are rounded to seconds: else the same token could end at two times. If the clock
  // gives NaN, the age is NaN too, and the token counts as over.
  const older = uptime <= wall + 2 ? wall : Math.max(wall, uptime)
  return { age: Math.max(0, older), clockWentBack }
}

/**
 * Seconds before the end from which a token is due. At most half of the lifetime: else it would be due from its
 * first second.
 */
function earlyWindow(early: Early, lifetime: number): number {
  const wanted = 'percent' in early ? (lifetime * early.percent) / 100 : early.seconds
  return Math.min(wanted, DAY, lifetime / 2)
}

/**
 * The hold while an unreadable answer is kept. The refresh token is spent then, and repeating it may end the grant,
 * so it waits for an hour and for as long as the access token works.
 */
function unreadHold(set: TokenSet, at: ClockReading, isOver: boolean): Hold | null {
  if (!isUnread(set)) return null
  const pause = isPaused(set, at) ? set.notBefore : at.now
  const until = isOver ? pause : Math.max(pause, expiresAt(set.pair, at))
  return until > at.now ? { because: 'unread', until } : null
}

/** Whether the last exchange ended with an unreadable answer that is kept. */
export function isUnread({ intent, notBefore, lastFailure }: TokenSet): boolean {
  // The error code tells it from an answer with a `Retry-After`, which sets `notBefore` too.
  return intent !== null && notBefore !== null && lastFailure?.code === 'HQ_OUTCOME_UNKNOWN'
}

/** Whether nobody may ask the server yet, not even a person. */
export function isPaused(
  set: TokenSet,
  { now }: ClockReading,
): set is TokenSet & { readonly notBefore: number } {
  return ahead(set.notBefore, now, LONGEST_PAUSE)
}

/** Whether the access token has expired. */
export function isOver(pair: TokenPair, at: ClockReading): boolean {
  return !(pair.lifetime - ageOf(pair, at).age > 0)
}

/**
 * Whether the grant has probably ended although the server does not say so: it has answered nothing but a bare 400
 * or 401 for an hour, and the access token is over.
 */
export function isLikelyDead(set: TokenSet, at: ClockReading): boolean {
  return bareFor(set, at) >= BARE_LIKELY && isOver(set.pair, at)
}

/** Whether that has lasted for a day, so that a person must be called. */
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

/**
 * Epoch seconds until which the API's refusal is no reason to renew, because the last renewal for that reason is
 * too recent.
 */
export function rejectionHold({ rejectedAt }: TokenSet, { now }: ClockReading): number | null {
  const until = rejectedAt === null ? null : rejectedAt + REJECTED_PAUSE
  return ahead(until, now, REJECTED_PAUSE) ? until : null
}

/** Whether an instant lies ahead, but no further than it can ever have been set. */
function ahead(instant: number | null, now: number, atMost: number): instant is number {
  return instant !== null && instant > now && instant - now <= atMost
}

/** Seconds to pause after the n-th failure in a row: 30, 60, 120, … up to 15 minutes. */
export function backoff(failures: number): number {
  return Math.min(30 * 2 ** Math.max(0, failures - 1), 900)
}
