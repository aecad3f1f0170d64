// The words, exit code and next command for a refresh that brought no token. Pure.
import {
  ClientRefused,
  ConfigInvalid,
  LOGIN_HINT,
  LoginRequired,
  OutcomeUnknown,
  ServerUnavailable,
  type ErrorDetails,
  type TokenError,
} from './errors.js'
import { rfc3339, type ClockReading } from './clock.js'
import type { OtherUsers } from './other-users.js'
import type { Outcome } from './outcome.js'
import { isGivenUp, isLikelyDead, isOver } from './policy.js'
import type { TokenSet } from './token-set.js'
import { checkOf, unreached } from './unreached.js'
import { namesReason } from './verdict.js'

type Failed = Exclude<Outcome, { kind: 'granted' }>

/** The facts that a failure is worded by, besides the answer. */
export interface Circumstances extends OtherUsers {
  /** The token endpoint's host. */
  readonly host: string
  /** Host and port of the proxy that the request may go through; `null` if unknown. */
  readonly proxy: string | null
  /** The set before this failure. */
  readonly set: TokenSet
  readonly at: ClockReading
  /** Whether an earlier answer of the server may have been lost. */
  readonly doubt: boolean
  /** Whether an earlier answer brought a refresh token that cannot be used. */
  readonly unusable: boolean
  /** The hint for a client that the server does not know. */
  readonly hint: Pick<ErrorDetails, 'hint'>
  /** Epoch seconds before which the server is not asked again; `null` if there is no such pause. */
  readonly retryAt: number | null
}

/** @param outcome Its words must hold no secret. */
export function failureOf(outcome: Failed, circumstances: Circumstances): TokenError {
  const { host, doubt, unusable } = circumstances
  const { what } = outcome
  switch (outcome.kind) {
    case 'not-sent':
      return new ServerUnavailable(unreached(host, what, circumstances.proxy), {
        hint: `nothing was lost; ${checkOf(what)}, then run the same command again`,
      })
    case 'unknown':
      return outcome.mayHoldTokens
        ? new OutcomeUnknown(
            `${host} gave no usable answer (${what}); the answer is kept because it may hold the new tokens`,
            { hint: unreadHint(circumstances.retryAt) },
          )
        : new OutcomeUnknown(`${host} gave no usable answer (${what}); the refresh may have happened`)
    case 'no-verdict':
      return withoutVerdict(outcome, circumstances)
    case 'refused': {
      const lost = doubt ? '; an earlier answer of the server had been lost' : ''
      const kept = unusable ? '; the server had sent a new refresh token that cannot be used' : ''
      const other = unusable ? '' : otherUse(what, circumstances)
      return new LoginRequired(`${host} refused the refresh token (${what})${lost}${kept}${other}`)
    }
    case 'misconfigured':
      return new ClientRefused(`${host} refused the client (${what})`, circumstances.hint)
  }
}

/** The hint for an answer that is kept and cannot be read. */
export function unreadHint(until: number | null): string {
  const again = until === null ? '' : `, and the server is not asked again before ${rfc3339(until)}`
  return `each call reads the kept answer again${again}; report its shape to the makers of hq-token, or begin again: hq-token login`
}

function withoutVerdict(
  outcome: Extract<Failed, { kind: 'no-verdict' }>,
  circumstances: Circumstances,
): TokenError {
  const { host, set } = circumstances
  const { what, retryAfter, redirect } = outcome
  const message = `${host} did not answer as a token endpoint (${what})`
  if (redirect !== null) return redirected(message, outcome, circumstances)
  if (outcome.isBare && set.bareSince !== null) return bare(message, set.bareSince, circumstances)
  const hint = addressHint(outcome)
  if (hint !== undefined) return new ServerUnavailable(message, { hint: `nothing was lost; ${hint}` })
  return new ServerUnavailable(
    message,
    retryAfter === null ? {} : { hint: `nothing was lost; the server asks to wait ${retryAfter} s` },
  )
}

/** What to look at where the address may be another's; `undefined` where the answer does not point at that. */
export function addressHint({
  what,
  redirect,
}: Pick<Extract<Failed, { kind: 'no-verdict' }>, 'what' | 'redirect'>): string | undefined {
  if (redirect?.location === null)
    return 'check instance or token_url in the configuration, and whether a proxy asks for a login'
  if (redirect !== null)
    return `if that is the server’s own address, set in the configuration: token_url = ${redirect.location}`
  return /^HTTP 40[45]\b/.test(what) ? 'check instance or token_url in the configuration' : undefined
}

/**
 * The error for a redirect. If it is permanent, comes twice in a row and no good token is left, it is a fault of
 * the configuration, because only a person can mend it.
 */
function redirected(
  message: string,
  outcome: Parameters<typeof addressHint>[0],
  { set, at }: Circumstances,
): TokenError {
  const { location = null, isPermanent = false } = outcome.redirect ?? {}
  const hint = `nothing was lost; ${addressHint(outcome) ?? ''}`
  const isLasting =
    location !== null && isPermanent && set.lastFailure?.message === message && isOver(set.pair, at)
  return isLasting ? new ConfigInvalid(message, { hint }) : new ServerUnavailable(message, { hint })
}

/** The error for a bare 400 or 401: no verdict at first, and a probable end of the grant if it lasts. */
function bare(message: string, since: number, { host, set, at }: Circumstances): TokenError {
  const lasting = `${message}, and nothing else since ${rfc3339(since)}`
  if (isGivenUp(set, at))
    return new LoginRequired(
      `${lasting}; the access token has expired, so ${host} has probably ended the grant`,
      {
        hint: `${LOGIN_HINT} (if token_url is wrong: hq-token doctor)`,
      },
    )
  return isLikelyDead(set, at)
    ? new ServerUnavailable(`${lasting}; the grant has probably ended`, { hint: LOGIN_HINT })
    : new ServerUnavailable(lasting)
}

/** Seconds without a refresh after which servers end a grant on their own. */
const IDLE = 90 * 86_400

/**
 * Names the other user of the grant, if nothing else explains the refusal: two stores with one grant make each
 * other's tokens refused.
 */
function otherUse(what: string, { set, at, doubt, spentElsewhere, savers }: Circumstances): string {
  const { host, cameFrom, lastRefreshAt, pair, seedFile } = set
  if (spentElsewhere !== null && seedFile !== null)
    return `; ${seedFile.path} was spent on ${rfc3339(spentElsewhere)} by another store, which holds this grant now: each store needs a grant of its own`
  const hasEnded = pair.refreshExpiresAt !== null && pair.refreshExpiresAt <= at.now
  if (hasEnded)
    return `; the refresh token expired at ${rfc3339(pair.refreshExpiresAt)}, by what the server said`
  if (namesReason(what)) return ''
  if (cameFrom !== null) {
    const here = host === null || host.name === cameFrom.name ? 'another machine of that name' : host.name
    return `; this store was on ${cameFrom.name} before ${rfc3339(cameFrom.at)} and is on ${here} now: if both use it, each ends the grant of the other`
  }
  // The lost answer is the cause then.
  if (doubt) return ''
  // A seed's token may have been old, or spent by its earlier owner.
  if (lastRefreshAt === null)
    return '; it had never been used here: it may have been replaced or ended where it came from'
  if (at.now - lastRefreshAt > IDLE) return `; it had not been used since ${rfc3339(lastRefreshAt)}`
  if (savers !== undefined) {
    const hosts = savers.length === 0 ? '' : ` (last saved by ${savers.join(', ')})`
    return `; unless the grant was ended at the server, a copy outside this database${hosts} has used it since ${rfc3339(lastRefreshAt)}`
  }
  const here = host === null ? '' : ` (this one is on ${host.name})`
  return `; unless the grant was ended at the server, a copy of this store${here}, on another machine or from a backup, has used it since ${rfc3339(lastRefreshAt)}`
}
