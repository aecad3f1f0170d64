// Decides whether a pair that was received goes into a store, by what stands there. Pure; every store asks it.
import { areSame } from './ownership.js'
import type { TokenSet } from './token-set.js'

/** What becomes of a received pair. `stray`: nothing in the store tells whether it belongs there. */
export type Landing = 'save' | 'already' | 'overtaken' | 'stray'

/**
 * - The generation that the pair follows stands in the store: save it.
 * - A higher one stands there: another pair came first, unless it is this very pair.
 * - A lower one stands there: the store was put back, by a backup or a fail-over, and the pair is newer. Save it if
 *   it is of the same grant and client. A login begun since the backup must not be replaced by an older life.
 *
 * @param stored The set in the store.
 * @param next The received pair, as a set.
 * @param after The generation that it follows; 0 for none.
 * @param beginsGrant Whether it is a login's, which replaces any grant that is not newer.
 */
export function landing(
  stored: TokenSet | undefined,
  next: TokenSet,
  after: number,
  beginsGrant: boolean,
): Landing {
  const generation = stored?.generation ?? 0
  if (stored !== undefined && isPairOf(stored, next)) return 'already'
  if (generation > after) return 'overtaken'
  if (beginsGrant) return 'save'
  if (stored === undefined) return after === 0 ? 'save' : 'stray'
  // A set of an older version has no grant id, so only its place in the row shows whose it is.
  const isOfGrant = stored.grant === null ? generation === after : stored.grant === next.grant
  return isOfGrant && isOfClient(stored, next) ? 'save' : 'overtaken'
}

function isPairOf({ generation, pair }: TokenSet, next: TokenSet): boolean {
  const { accessToken, refreshToken } = next.pair
  return (
    generation === next.generation &&
    pair.accessToken.equals(accessToken) &&
    pair.refreshToken.equals(refreshToken)
  )
}

/** The client may have a new address since, by a person's word; then the set names the one before. */
function isOfClient({ client }: TokenSet, next: TokenSet): boolean {
  const named = [next.client, next.previousClient].filter((one) => one !== null)
  return client === null || named.length === 0 || named.some((one) => areSame(client, one))
}
