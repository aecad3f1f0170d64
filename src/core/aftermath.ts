// What an answer without a token leaves in the store. Pure.
import type { ClockReading } from './clock.js'
import type { Outcome } from './outcome.js'
import { isGivenUp, UNREAD_PAUSE } from './policy.js'
import type { RawAnswer } from './ports.js'
import type { TokenSet } from './token-set.js'
import type { Aftermath } from './transitions.js'

/**
 * @param set As it was before.
 * @param doubt An earlier try of this exchange may have rotated: that outlives every other answer.
 */
export function aftermathOf(
  outcome: Outcome,
  { status, sentAt }: RawAnswer,
  at: ClockReading,
  set: TokenSet,
  doubt: boolean,
): Aftermath {
  switch (outcome.kind) {
    case 'unknown':
      return {
        unfinished: true,
        ...(outcome.mayHoldTokens ? { notBefore: sentAt.now + UNREAD_PAUSE } : {}),
        ...(status !== null && status < 300 ? { bareSince: null } : {}),
      }
    case 'refused':
      return { refused: true, bareSince: null }
    case 'no-verdict': {
      const notBefore = outcome.retryAfter === null ? null : at.now + outcome.retryAfter
      if (!outcome.isBare) return { unfinished: doubt, notBefore }
      const bareSince = set.bareSince ?? at.now
      return { unfinished: doubt, notBefore, bareSince, refused: isGivenUp(set, at) }
    }
    case 'misconfigured':
      return { unfinished: doubt, bareSince: null }
    default:
      return { unfinished: doubt }
  }
}
