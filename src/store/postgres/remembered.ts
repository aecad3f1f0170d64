// What a seat remembers of the shared row, and what follows from it: whether a token may be handed out without a look
// at the database, whether the database was put back, and whether a lease may be followed. Pure.
import type { ClockReading } from '../../core/clock.js'
import type { Discovered } from '../../core/ports.js'
import type { Rescued } from '../../core/store-ports.js'
import { Secret } from '../../core/secret.js'
import type { TokenPair, TokenSet } from '../../core/token-set.js'
import { isLaterLife } from '../../core/transitions.js'
import { offsetOf, shiftDiscovered } from './database-time.js'
import { secondsSince, type Recent } from './recency.js'
import type { Seen, SeenLease } from './registry.js'

/** Seconds after a fail-over in which nobody spends, so that a host which has a newer pair can come … */
const SETTLE = 300
/** … and seconds while there is no access token to serve meanwhile. */
const SETTLE_OVER = 60

/** Instants are this machine's. */
export interface Remembered extends Recent {
  /** Names this seat in leases. */
  readonly seat: string
  /** Tells which URL and row it is about. */
  readonly place: string | null
  /** The id of the registry. */
  readonly registry: string | null
  readonly discovered: Discovered | undefined
  /** The highest generation that was seen, and the sequence in it. */
  readonly generation: number
  readonly sequence: number
  readonly observed: Observed | null
  /** The answers to the generation before the highest, if this seat has landed one: the database may forget the pair. */
  readonly answers: readonly Rescued[]
}

/** A lease of another seat that stands still. */
export interface Observed {
  readonly term: number
  readonly beat: number
  /** When the database was started, by its own clock: its restart begins the observation anew. */
  readonly startedAt: number
  readonly since: ClockReading
  readonly last: ClockReading
}

export function nothing(seat: string): Remembered {
  return {
    ...{ seat, place: null, registry: null, set: undefined, discovered: undefined },
    ...{ generation: 0, sequence: 0, checkedAt: null, unreachableAt: null },
    ...{ observed: null, answers: [] },
  }
}

/**
 * Whether the row is older than what this seat has seen: the database was put back, by a fail-over or a backup. A
 * lower generation of another grant is a new life if its pair is newer: a person has begun it since.
 *
 * @param set The set in the row, by this machine's clocks.
 */
export function isPutBack(
  known: Pick<Remembered, 'registry' | 'generation' | 'set'>,
  { generation, registryId }: Seen,
  set: TokenSet | undefined,
): boolean {
  if (registryId !== known.registry || generation >= known.generation) return false
  return set === undefined || known.set === undefined || !isLaterLife(set, known.set)
}

/**
 * Whether this seat has the answer that heals a row which was put back. Answers of another grant are of no use there: a
 * login belongs to a person.
 */
export function canHeal(known: Remembered, seen: Seen, set: TokenSet | undefined): boolean {
  const isOurs = known.answers.some(
    ({ generation, grant }) => generation >= seen.generation && grant === set?.grant,
  )
  return isOurs && isPutBack(known, seen, set)
}

/**
 * What is remembered after a look. A row that is older than what was seen changes nothing: it was put back, or another
 * process has looked later and written earlier.
 *
 * @param set As in `isPutBack`.
 */
export function afterLook(
  known: Remembered,
  seen: Seen,
  set: TokenSet | undefined,
  at: ClockReading,
  place: string,
): Remembered {
  const { registryId, generation, sequence, discovered, now, move } = seen
  const isOther = known.registry !== null && registryId !== known.registry
  const before = isOther ? nothing(known.seat) : known
  const isStale = !isOther && generation === before.generation && sequence < before.sequence
  if (isStale || isPutBack(known, seen, set)) return before
  return {
    ...before,
    ...{ place, registry: registryId, generation, sequence, checkedAt: at, unreachableAt: null },
    // Nobody uses a row that a move has closed.
    set: set && move === undefined ? withheld(withOwnAge(set, before)) : undefined,
    discovered: discovered && shiftDiscovered(discovered, offsetOf(at, now)),
    answers:
      move?.direction === 'to' ? [] : before.answers.filter((record) => record.generation >= generation - 1),
  }
}

/** What is remembered of a pair that could not be saved: every call asks the database, until it has the pair. */
export function afterUnsaved(known: Remembered, set: TokenSet, at: ClockReading): Remembered {
  const { generation, sequence } = set
  return { ...known, generation, sequence, set: withheld(set), checkedAt: null, unreachableAt: at }
}

/** The set with the older of two ages of its pair: a database whose clock was set back makes it look young. */
export function withOwnAge(set: TokenSet, known: Pick<Remembered, 'set'>): TokenSet {
  const { generation, pair } = known.set ?? {}
  const isSame = generation === set.generation && pair?.accessToken.equals(set.pair.accessToken) === true
  if (!isSame || pair.obtained.now >= set.pair.obtained.now) return set
  return { ...set, pair: { ...set.pair, obtained: pair.obtained } }
}

/** The set as a seat keeps it: a stolen disk must not hold what buys new tokens. */
function withheld(set: TokenSet): TokenSet {
  const { refreshToken } = set.pair
  const pair: TokenPair = { ...set.pair, refreshToken: Secret.elsewhere(refreshToken.fingerprint) }
  const previous = set.previous && tokenless(set.previous, (fingerprint) => Secret.elsewhere(fingerprint))
  return { ...set, pair, previous, intent: set.intent && { ...set.intent, salvaged: null } }
}

/** The pair before the last refresh: its end tells whether refreshes move it. */
export function tokenless(pair: TokenPair, make: (fingerprint: string) => Secret): TokenPair {
  const { accessToken, refreshToken } = pair
  return { ...pair, accessToken: make(accessToken.fingerprint), refreshToken: make(refreshToken.fingerprint) }
}

/**
 * The observation of another seat's lease after one more look; `null` if no other seat has it.
 *
 * @param at By a clock that never jumps: with another `boot` the observation begins anew.
 */
export function observe(known: Remembered, seen: Seen, at: ClockReading): Observed | null {
  const { lease, startedAt, set } = seen
  if (lease.seat === null || lease.seat === known.seat) return null
  const { observed } = known
  const stands =
    observed !== null &&
    observed.last.boot === at.boot &&
    observed.term === lease.term &&
    observed.beat === lease.beat &&
    Math.abs(observed.startedAt - startedAt) < 1
  // With an intent in the row the holder may wait with an answer for a database that nobody could reach meanwhile.
  const unseen = stands ? secondsSince(observed.last, at) : Infinity
  const isUnbroken = set?.intent == null || unseen * 1000 <= lease.ms
  const since = !stands ? at : isUnbroken ? observed.since : later(observed.since, unseen, at)
  return { term: lease.term, beat: lease.beat, startedAt, since, last: at }
}

/** An instant, moved by a time that does not count. */
function later(since: ClockReading, seconds: number, at: ClockReading): ClockReading {
  if (!Number.isFinite(seconds)) return at
  return { ...since, now: since.now + seconds, uptime: since.uptime + seconds }
}

/** Whether a lease that stands still has ended, by this machine's own clock. */
export function hasEnded({ since }: Observed, { ms }: SeenLease, at: ClockReading): boolean {
  // Whole seconds: one more shows that the whole length has passed.
  const seconds = secondsSince(since, at)
  return Number.isFinite(seconds) && seconds * 1000 >= ms + 1000
}

/** Seconds after which an unchanged observation is written again, so that another process can go on from it. */
const OBSERVE_EVERY = 5

/** Whether what was learned is worth a write. */
export function isNews(before: Remembered, after: Remembered, at: ClockReading): boolean {
  const keys = ['place', 'registry', 'generation', 'sequence'] as const
  if (keys.some((key) => before[key] !== after[key]) || before.set === undefined) return true
  const [was, is] = [before.observed, after.observed]
  if (was?.term !== is?.term || was?.beat !== is?.beat) return true
  return was !== null && secondsSince(was.last, at) >= OBSERVE_EVERY
}

/**
 * Seconds for which nobody may spend after a fail-over that may have lost the newest pair. They count from the first
 * holder that met it: a host that is made for each job would begin anew each time.
 *
 * @param seen As the lease was taken.
 * @param isOver Whether the access token has expired.
 */
export function settlesIn(seen: Seen, isOver: boolean): number {
  const { timeline, timelineNow, timelineSince, isSynchronous, now } = seen
  if (timeline === null || timelineNow === null || timeline === timelineNow || isSynchronous) return 0
  return Math.max(0, (isOver ? SETTLE_OVER : SETTLE) - (now - (timelineSince ?? now)))
}
