// Finds how long a refresh token lives, and whether refreshes move its end. Pure: facts in, facts out.
import type { HistoryEntry } from './store-ports.js'
import type { TokenSet } from './token-set.js'

/** Seconds before the end, when that is worth a look. */
const SOON = 30 * 86_400

/** The end of a refresh token. Goes through JSON unharmed. */
export interface RefreshEnd {
  /** Epoch seconds. */
  readonly endsAt: number
  /**
   * Seconds that limits are shares of: the life of the refresh token; where the end is fixed, that of the grant, and
   * `null` if the history does not reach back to its beginning.
   */
  readonly life: number | null
  /** Whether the last refresh has brought no later end: then only a person who logs in can. */
  readonly isFixed: boolean
}

/**
 * Where the end is fixed, the limits are shares of the grant's life, because the time that is left at each refresh shrinks.
 *
 * @param history Newest first.
 * @returns `null` where the server does not say when it ends.
 */
export function refreshEndOf(set: TokenSet, history: readonly HistoryEntry[]): RefreshEnd | null {
  const { refreshExpiresAt: endsAt, obtained } = set.pair
  if (endsAt === null) return null
  const isFixed = hasFixedEnd(set)
  const begunAt = isFixed ? beginningOf(set, history) : obtained.now
  return { endsAt, life: begunAt === null ? null : endsAt - begunAt, isFixed }
}

/**
 * A refresh moves the end by the time since the one before, or not at all: half of that allows for slow answers. The clock
 * may have been set back in between. Two refreshes in one second show nothing: the end counts as fixed until the next one,
 * because the other mistake would hide an end that is near.
 */
export function hasFixedEnd({ pair, previous, lastRefreshAt }: TokenSet): boolean {
  // Before the first refresh the previous pair is that of another grant.
  if (lastRefreshAt === null || previous === null) return false
  const { refreshExpiresAt: end, obtained } = pair
  const { refreshExpiresAt: before } = previous
  if (end === null || before === null) return false
  const between = obtained.now - previous.obtained.now
  return Math.abs(end - before) <= Math.abs(between) / 2
}

/** A tenth of the life at most: else a token that never lives long would end soon all its life. */
export function endsSoon({ endsAt, life }: RefreshEnd, now: number): boolean {
  const left = endsAt - now
  return left <= 0 || left < Math.min(SOON, (life ?? Infinity) / 10)
}

/** Epoch seconds: when a person began the grant; `null` where the history does not tell. */
function beginningOf({ grant }: TokenSet, history: readonly HistoryEntry[]): number | null {
  const begun = history.find(
    ({ event, outcome }) => (event === 'login' || event === 'seed') && outcome === 'done',
  )
  if (begun === undefined) return null
  // An entry of an older version does not say which grant it is of.
  const isOther = begun.grant !== null && grant !== null && begun.grant !== grant
  return isOther ? null : begun.at
}
