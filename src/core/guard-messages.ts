// A guard's warnings beside a token, and its reasons not to ask the server. Pure: the words and the next command.
import { rfc3339, type ClockReading } from './clock.js'
import { LOGIN_HINT, LoginRequired, OutcomeUnknown, ServerUnavailable, type TokenError } from './errors.js'
import { unreadHint } from './exchange-failure.js'
import { expiresAt, isPaused, rejectionHold, type Ask, type Hold } from './policy.js'
import type { Notice } from './ports.js'
import type { TokenSet } from './token-set.js'

export function warning(message: string, hint?: string): Notice {
  return { level: 'warning', message, ...(hint === undefined ? {} : { hint }) }
}

/** The warning that the server's tokens live shorter than was asked for. */
export function shortWarning(left: number, minValid: number): Notice {
  return warning(
    `the newest token that the server issues has ${Math.floor(left)} s left, less than the ${minValid} s asked for`,
  )
}

/** The warning that the API refuses even the newest token; `undefined` if it does not. */
export function rejectionWarning(set: TokenSet, { rejected }: Ask, at: ClockReading): Notice | undefined {
  const until = rejectionHold(set, at)
  if (until === null || rejected?.equals(set.pair.accessToken) !== true) return undefined
  return warning(
    `the API refuses this access token as it refused the one before: a refresh does not help; the next refresh for that reason may be at ${rfc3339(until)}`,
    'check what the user of the token may do there; to refresh anyway: hq-token refresh',
  )
}

/** The warning that the grant has ended while the access token is still good. */
export function endWarning(set: TokenSet, at: ClockReading): Notice {
  return warning(
    `the server has refused the refresh token; the access token is good until ${rfc3339(expiresAt(set.pair, at))}, then a person must log in`,
    LOGIN_HINT,
  )
}

/**
 * Why the server is not asked now; `undefined` if it may be asked.
 *
 * @param insist A person asks.
 * @param host The token endpoint's host.
 */
export function refusalToAsk(
  set: TokenSet,
  hold: Hold | null,
  insist: boolean,
  host: string,
  at: ClockReading,
): TokenError | undefined {
  if (hold?.because === 'server')
    return new ServerUnavailable(`${host} asks not to be called before ${rfc3339(hold.until)}`, {
      hint: 'nothing was lost; run the same command again then',
    })
  // Within the hour even a person may not ask, because a repetition may end the grant that the kept answer holds.
  if (hold?.because === 'unread' && (!insist || isPaused(set, at)))
    return new OutcomeUnknown(
      set.lastFailure?.message ?? `hq-token keeps an answer of ${host} that it cannot read`,
      { hint: unreadHint(hold.until) },
    )
  if (hold?.because === 'refused' && !insist)
    return new LoginRequired(
      set.lastFailure?.code === 'HQ_LOGIN_REQUIRED'
        ? set.lastFailure.message
        : `${host} has refused the refresh token`,
      { hint: `${LOGIN_HINT} (if the server was at fault: hq-token refresh asks it again)` },
    )
  return undefined
}
