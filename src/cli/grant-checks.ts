import { fail, ok, skip, warn, type Check } from '../core/check.js'
import { clientName, type NamedClient } from '../core/client.js'
import { ConfigInvalid, LoginRequired, recalled } from '../core/errors.js'
import { LOGIN_LIFETIME } from '../core/logins.js'
import { rfc3339, type Moment } from '../core/moment.js'
import { asSeenBy, mayUse, otherClient } from '../core/ownership.js'
import {
  expiresAt,
  judge,
  ageOf,
  isLikelyDead,
  isUnread,
  LONGEST_PAUSE,
  type ExpiryPolicy,
} from '../core/policy.js'
import type { PendingLogin } from '../core/ports.js'
import type { TokenSet } from '../core/token-set.js'
import { isBearer, NOT_BEARER, NOT_BEARER_HINT } from '../core/token-type.js'
import { span } from './looks.js'

const DAY = 86_400
/** Seconds before the end of a refresh token at which that is worth a warning. */
const SOON = 30 * DAY

/**
 * How the grant stands: whether a person must log in, how long the tokens live, what the last failure means,
 * and whether a login waits for its answer.
 *
 * @param seed Of the seed file that would be imported now, or that is spent, if any.
 */
export function grantChecks(
  { set, login: pending }: { readonly set: TokenSet | undefined; readonly login: PendingLogin | undefined },
  seed: Check | undefined,
  at: Moment,
  configured: Configured,
): readonly Check[] {
  const grant =
    set === undefined
      ? withoutSet(seed)
      : [...withSet(set, at, configured), ...(seed === undefined ? [] : [seed])]
  return pending === undefined ? grant : [...grant, pendingLogin(pending, at)]
}

/** The part of the configuration that a grant is judged by. */
export interface Configured {
  readonly policy: ExpiryPolicy
  readonly named: NamedClient
  /** Where tokens are sent, by the configuration. */
  readonly apiUrl: URL | null
  /** The store, for messages. */
  readonly store: string
}

function withSet(stored: TokenSet, at: Moment, configured: Configured): readonly Check[] {
  const { policy, named } = configured
  const set = asSeenBy(stored, named)
  // Then the line `login` has the one next command, and no other line gives a second.
  const isOver = hasEnded(set, at)
  const checks = [
    login(set, at),
    access(set, at, policy, isOver),
    refresh(set, at, isOver),
    lastFailure(set, at, isOver),
  ]
  return [client(set, configured), ...checks]
}

/** Whether no refresh can help any more, by what the server has said of the refresh token. */
function hasEnded({ refusedAt, pair }: TokenSet, at: Moment): boolean {
  return refusedAt !== null || (pair.refreshExpiresAt !== null && pair.refreshExpiresAt <= at.now)
}

/** Whose grant it is: nothing is printed, sent or spent for another client. */
function client(set: TokenSet, { named, apiUrl, store }: Configured): Check {
  const name = 'grant'
  if (set.client === null) return ok(name, 'not bound to a client yet: the first refresh does that')
  return mayUse(set, named, apiUrl)
    ? ok(name, `of ${clientName(set.client)}`)
    : fail(name, otherClient(store, set.client, named))
}

function withoutSet(seed: Check | undefined): readonly Check[] {
  if (seed?.status === 'ok') return [seed, warn('login', 'no token set yet', 'hq-token get')]
  if (seed?.status === 'fail') return [seed, skip('login', 'no token set yet: the seed file comes first')]
  return [...(seed === undefined ? [] : [seed]), fail('login', new LoginRequired('there is no token set'))]
}

function login(set: TokenSet, at: Moment): Check {
  const name = 'login'
  const { refusedAt, lastFailure: failure, cameFrom } = set
  const user = set.user ?? 'a user whose name is not known'
  if (refusedAt !== null) {
    const why = failure?.code === new LoginRequired('').code ? `: ${failure.message}` : ''
    const word = set.bareSince === null ? 'the server refused the refresh token' : 'the grant was given up'
    return fail(name, new LoginRequired(`${word} ${ago(refusedAt, at)}${why}`))
  }
  if (set.bareSince !== null && isLikelyDead(set, at))
    return fail(
      name,
      new LoginRequired(
        `the grant has probably ended: the server has said nothing but HTTP 400 or 401 without a reason for ${span(at.now - set.bareSince)}, and the access token is over`,
      ),
    )
  if (set.pair.refreshExpiresAt !== null && set.pair.refreshExpiresAt <= at.now)
    return fail(
      name,
      new LoginRequired(
        `the refresh token has ended ${ago(set.pair.refreshExpiresAt, at)}, by what the server said`,
      ),
    )
  if (cameFrom !== null)
    return warn(
      name,
      `${user}; the store came here from ${cameFrom.name} ${ago(cameFrom.at, at)}`,
      'if it is still used there, one of the two will end the grant: stop the other',
    )
  return ok(name, user)
}

/** One that waits no longer is for the eye: where it is missed, `login` says what to do. */
function pendingLogin({ begunAt, spent }: PendingLogin, { now }: Moment): Check {
  const name = 'pending login'
  const begun = `begun at ${rfc3339(begunAt)}`
  const until = rfc3339(begunAt + LOGIN_LIFETIME)
  if (spent !== null) return ok(name, `the one ${begun} waits no longer: its answer was used`)
  if (now - begunAt > LOGIN_LIFETIME)
    return ok(name, `the one ${begun} waits no longer: it was good until ${until}`)
  return ok(
    name,
    `a login waits for its answer, ${begun}, good until ${until}`,
    'hq-token login --complete -',
  )
}

function access(set: TokenSet, at: Moment, policy: ExpiryPolicy, isOver: boolean): Check {
  const name = 'access token'
  const { verdict } = judge(set, at, policy)
  const left = expiresAt(set.pair, at) - at.now
  const guess = set.pair.isLifetimeGuessed ? ', a guess: the server did not say' : ''
  const life = `${span(left)} left of ${span(set.pair.lifetime)}${guess}`
  if (!isBearer(set.pair.tokenType))
    return fail(name, new ConfigInvalid(NOT_BEARER, { hint: NOT_BEARER_HINT }))
  if (ageOf(set.pair, at).clockWentBack)
    return warn(
      name,
      `obtained at ${rfc3339(set.pair.obtained.now)}, which is still to come: this machine’s clock went back`,
      'check the time synchronisation of this machine: timedatectl',
    )
  if (verdict === 'fresh') return ok(name, life)
  const said = left > 0 ? life : `over since ${span(-left)}`
  return ok(name, isOver ? said : `${said}: the next \`get\` renews it`)
}

function refresh({ pair, lastRefreshAt }: TokenSet, at: Moment, isOver: boolean): Check {
  const name = 'refresh token'
  const last = lastRefreshAt === null ? 'never refreshed so far' : `refreshed ${ago(lastRefreshAt, at)}`
  const end = pair.refreshExpiresAt
  if (end === null) return ok(name, `the server does not say how long it lives; ${last}`)
  const left = end - at.now
  const said = `${left > 0 ? `${span(left)} left` : 'over'}; ${last}`
  // Where it never lives that long, a warning all its life would be none.
  const isSoon = left <= 0 || left < Math.min(SOON, (end - pair.obtained.now) / 2)
  if (!isSoon) return ok(name, said)
  return isOver ? warn(name, said) : warn(name, said, 'a refresh brings a new one: hq-token refresh')
}

function lastFailure(set: TokenSet, at: Moment, isOver: boolean): Check {
  const name = 'last failure'
  const { lastFailure: failure, notBefore } = set
  if (failure === null) return ok(name, 'none since the last success')
  // An instant further off is a clock that jumped.
  const isHeld = notBefore !== null && notBefore > at.now && notBefore - at.now <= LONGEST_PAUSE
  const who = isUnread(set) ? 'it is not asked again' : 'the server wants to be left alone'
  const pause = isHeld ? `; ${who} for another ${span(notBefore - at.now)}` : ''
  const said = `${ago(failure.at, at)}: ${failure.message}${pause}`
  if (isOver) return warn(name, said)
  const error = recalled({ ...failure, message: said })
  return error.transient ? warn(name, said, 'to try it now: hq-token refresh') : fail(name, error)
}

function ago(instant: number, at: Moment): string {
  return `${span(at.now - instant)} ago`
}
