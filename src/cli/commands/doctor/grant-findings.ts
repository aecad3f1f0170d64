// Words the findings of `doctor` on the grant. The facts come from core/health.ts.
import { fail, ok, skip, warn, type Finding } from '../../../core/finding.js'
import { clientName } from '../../../core/client.js'
import { ConfigInvalid, LOGIN_HINT, LoginRequired, recalled } from '../../../core/errors.js'
import { LOGIN_LIFETIME } from '../../../core/logins.js'
import { rfc3339, type ClockReading } from '../../../core/clock.js'
import { asSeenBy, mayUse, otherClient } from '../../../core/ownership.js'
import { healthOf, type Configured, type Health } from '../../../core/health.js'
import { endsSoon, refreshEndOf, type RefreshEnd } from '../../../core/refresh-end.js'
import type { HistoryEntry, PendingLogin } from '../../../core/store-ports.js'
import type { TokenSet } from '../../../core/token-set.js'
import { hints } from '../../../platform/hints.js'
import { NOT_BEARER, NOT_BEARER_HINT } from '../../../core/token-type.js'
import type { Span } from '../../terminal/style.js'

/**
 * How the grant stands: whether a person must log in, how long the tokens live, what the last failure means,
 * and whether a login waits for its answer.
 *
 * @param seed Of the seed file that would be imported now, or that is spent, if any.
 */
export function grantChecks(
  { set, login: pending }: { readonly set: TokenSet | undefined; readonly login: PendingLogin | undefined },
  seed: Finding | undefined,
  at: At,
  around: Around,
): readonly Finding[] {
  const grant =
    set === undefined
      ? withoutSet(seed)
      : [...withSet(set, at, around), ...(seed === undefined ? [] : [seed])]
  return pending === undefined ? grant : [...grant, pendingLogin(pending, at)]
}

/** The configuration that a grant is judged by, and the store's name for messages. */
interface Around extends Configured {
  readonly store: string
  readonly history: readonly HistoryEntry[]
}

/** The instant that a grant is judged at, and the words for the time from or to it. */
interface At extends ClockReading {
  readonly span: Span
}

function withSet(stored: TokenSet, at: At, around: Around): readonly Finding[] {
  const set = asSeenBy(stored, around.named)
  const health = healthOf(set, at, around)
  return [
    client(set, around),
    login(set, at, health),
    access(set, at, health),
    refresh(set, at, refreshEndOf(set, around.history), health),
    lastFailure(set, at, health),
  ]
}

/** Whose grant it is: nothing is printed, sent or spent for another client. */
function client(set: TokenSet, { named, apiUrl, store }: Around): Finding {
  const name = 'grant'
  if (set.client === null) return ok(name, 'not bound to a client yet: the first refresh does that')
  return mayUse(set, named, apiUrl)
    ? ok(name, `of ${clientName(set.client)}`)
    : fail(name, otherClient(store, set.client, named))
}

function withoutSet(seed: Finding | undefined): readonly Finding[] {
  if (seed?.status === 'ok') return [seed, warn('login', 'no token set yet', 'hq-token get')]
  if (seed?.status === 'fail') return [seed, skip('login', 'no token set yet: fix the seed file first')]
  return [...(seed === undefined ? [] : [seed]), fail('login', new LoginRequired('there is no token set'))]
}

function login(set: TokenSet, at: At, { likelyDeadSince, refresh }: Health): Finding {
  const name = 'login'
  const { refusedAt, lastFailure: failure, cameFrom } = set
  const user = set.user ?? 'a user whose name is not known'
  if (refusedAt !== null) {
    const why = failure?.code === new LoginRequired('').code ? `: ${failure.message}` : ''
    const word = set.bareSince === null ? 'the server refused the refresh token' : 'the grant was given up'
    return fail(name, new LoginRequired(`${word} ${ago(refusedAt, at)}${why}`))
  }
  if (likelyDeadSince !== null)
    return fail(
      name,
      new LoginRequired(
        `the grant has probably ended: for ${at.span(at.now - likelyDeadSince)} the server has answered only HTTP 400 or 401 without a reason, and the access token has expired`,
      ),
    )
  if (refresh !== null && refresh.left <= 0)
    return fail(
      name,
      new LoginRequired(`the refresh token expired ${ago(refresh.endsAt, at)}, by what the server said`),
    )
  if (cameFrom !== null)
    return warn(
      name,
      `${user}; the store came here from ${cameFrom.name} ${ago(cameFrom.at, at)}`,
      'if hq-token still uses the store there, one of the two machines will end the grant: stop hq-token on one of them',
    )
  return ok(name, user)
}

/** One that waits no longer is for the eye: where it is missed, `login` says what to do. */
function pendingLogin({ begunAt, spent }: PendingLogin, { now }: ClockReading): Finding {
  const name = 'pending login'
  const begun = `begun at ${rfc3339(begunAt)}`
  const until = rfc3339(begunAt + LOGIN_LIFETIME)
  if (spent !== null) return ok(name, `the login ${begun} no longer waits: its answer was used`)
  if (now - begunAt > LOGIN_LIFETIME)
    return ok(name, `the login ${begun} no longer waits: it expired at ${until}`)
  return ok(
    name,
    `a login waits for its answer, ${begun}, good until ${until}`,
    'hq-token login --complete -',
  )
}

function access(
  { pair }: TokenSet,
  at: At,
  { verdict, access: { left, clockWentBack }, isUsable, hasEnded }: Health,
): Finding {
  const name = 'access token'
  const guess = pair.isLifetimeGuessed ? ', a guess: the server did not say' : ''
  const life = `${at.span(left)} left of ${at.span(pair.lifetime)}${guess}`
  if (!isUsable) return fail(name, new ConfigInvalid(NOT_BEARER, { hint: NOT_BEARER_HINT }))
  if (clockWentBack)
    return warn(
      name,
      `obtained at ${rfc3339(pair.obtained.now)}, which is in the future: this machine’s clock was set back`,
      `check the time synchronisation of this machine: ${hints.clock()}`,
    )
  if (verdict === 'fresh') return ok(name, life)
  const said = left > 0 ? life : `over since ${at.span(-left)}`
  // Where the grant has ended, the line `login` has the one next command, and no other line gives a second.
  return ok(name, hasEnded ? said : `${said}: the next \`get\` renews it`)
}

function refresh({ lastRefreshAt }: TokenSet, at: At, end: RefreshEnd | null, { hasEnded }: Health): Finding {
  const name = 'refresh token'
  const last = lastRefreshAt === null ? 'never refreshed so far' : `refreshed ${ago(lastRefreshAt, at)}`
  if (end === null) return ok(name, `the server does not say how long it lives; ${last}`)
  const left = end.endsAt - at.now
  const said = `${left > 0 ? `${at.span(left)} left` : 'over'}; ${last}`
  if (!endsSoon(end, at.now)) return ok(name, said)
  if (hasEnded) return warn(name, said)
  return end.isFixed
    ? warn(name, `${said}, which has brought no later end`, LOGIN_HINT)
    : warn(name, said, 'a refresh brings a new one: hq-token refresh')
}

function lastFailure(
  { lastFailure: failure }: TokenSet,
  at: At,
  { pausedUntil, isUnread, hasEnded }: Health,
): Finding {
  const name = 'last failure'
  if (failure === null) return ok(name, 'none since the last success')
  const who = isUnread ? 'hq-token does not ask the server again' : 'the server asked not to be called'
  const pause = pausedUntil === null ? '' : `; ${who} for another ${at.span(pausedUntil - at.now)}`
  const said = `${ago(failure.at, at)}: ${failure.message}${pause}`
  if (hasEnded) return warn(name, said)
  const error = recalled({ ...failure, message: said })
  return error.transient ? warn(name, said, 'to try it now: hq-token refresh') : fail(name, error)
}

function ago(instant: number, at: At): string {
  return `${at.span(at.now - instant)} ago`
}
