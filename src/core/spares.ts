// Sorts kept answers, and finds among them refresh tokens that the store lacks. Pure.
import type { Outcome } from './outcome.js'
import { belongs } from './ownership.js'
import type { RawAnswer } from './ports.js'
import type { Secret } from './secret.js'
import type { Rescued } from './store-ports.js'
import type { TokenSet } from './token-set.js'

/** Sorts records: the latest generation first, and of one generation the latest attempt. */
export function newestFirst(one: Rescued, other: Rescued): number {
  return other.generation - one.generation || other.attempt - one.attempt
}

/** Whether the answer to a refresh brings a refresh token that cannot be used: it is the only copy. */
export function bringsUnusable({ login }: Rescued, outcome: Outcome): boolean {
  return login !== true && outcome.kind === 'granted' && outcome.tokens.isRefreshTokenUnusable === true
}

/**
 * The refresh tokens that the server issued for the generation of a set beside the set's own, newest first. One of
 * them may live where the server refuses the set's own. Never those of another grant: a login has replaced it.
 */
export async function spares(
  records: readonly Rescued[],
  set: TokenSet,
  read: (answer: RawAnswer) => Promise<Outcome>,
): Promise<readonly Secret[]> {
  const second = records.filter(
    (kept) => kept.generation === set.generation - 1 && kept.login !== true && belongs(kept, set),
  )
  const outcomes = await Promise.all(second.toSorted(newestFirst).map(({ answer }) => read(answer)))
  const tokens = outcomes.map((outcome) => (outcome.kind === 'granted' ? outcome.tokens.refreshToken : null))
  const own = [set.pair.refreshToken, set.previous?.refreshToken]
  return tokens.filter((token) => token !== null).filter((token) => !own.some((one) => one?.equals(token)))
}
