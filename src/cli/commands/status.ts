import { rfc3339 } from '../../core/moment.js'
import { expiresAt, isLikelyDead, judge, type ExpiryPolicy } from '../../core/policy.js'
import type { Moment } from '../../core/moment.js'
import type { TokenSet } from '../../core/token-set.js'
import { isBearer } from '../../core/token-type.js'
import type { Session } from '../context.js'
import { isColourful, palette, span } from '../looks.js'
import { printable, printableJson, writeReport } from '../output.js'
import { wayIn } from '../way-in.js'

export type State = 'fresh' | 'due' | 'expired' | 'login_required' | 'empty'

/** `status --json`; a promise to scripts: keys may come, none may go. */
export interface StatusReport {
  readonly format_version: 1
  readonly state: State
  readonly instance: string | null
  readonly user: string | null
  readonly access: AccessReport | null
  /** Whether the end of the access token rests on `default_lifetime`, because nobody said how long it lives. */
  readonly lifetime_guessed: boolean | null
  readonly refresh: TokenReport<number | null> | null
  readonly last_refresh_at: string | null
  readonly last_error: { readonly at: string; readonly code: string; readonly message: string } | null
  readonly unfinished_since: string | null
  /** Since when nothing but a bare 400 or 401 comes, where that has probably ended the grant. */
  readonly likely_dead_since: string | null
  readonly generation: number
}

interface AccessReport extends TokenReport<number> {
  readonly token_type: string
}

interface TokenReport<Seconds> {
  readonly fingerprint: string
  readonly obtained_at?: string
  readonly expires_at: string | null
  /** Seconds; negative when over. */
  readonly expires_in: Seconds
}

/** Tells how the token set stands. Reads only: nothing is refreshed, made or locked. */
export async function status(session: Session, { json }: { readonly json?: boolean }): Promise<void> {
  const { world, config, store, policy } = session
  const set = await store.read()
  const at = world.clock()
  const report = reportOn(set, config.instance?.href ?? config.tokenUrl?.href ?? null, at, policy)
  const ended =
    report.state === 'empty' || report.state === 'login_required' || report.likely_dead_since !== null
  const next = ended ? wayIn(config, await store.login(), at.now) : null
  const text = json === true ? `${printableJson(report)}\n` : described(report, set, at, session, next)
  await writeReport(world.stdout, text)
}

export function reportOn(
  set: TokenSet | undefined,
  instance: string | null,
  at: Moment,
  policy: ExpiryPolicy,
): StatusReport {
  if (set === undefined)
    return {
      format_version: 1,
      state: 'empty',
      instance,
      user: null,
      access: null,
      lifetime_guessed: null,
      refresh: null,
      last_refresh_at: null,
      last_error: null,
      unfinished_since: null,
      likely_dead_since: null,
      generation: 0,
    }
  const { pair, lastFailure, intent } = set
  const accessEnd = expiresAt(pair, at)
  return {
    format_version: 1,
    state: stateOf(set, at, policy),
    instance,
    user: set.user,
    access: {
      fingerprint: pair.accessToken.fingerprint,
      obtained_at: rfc3339(pair.obtained.now),
      expires_at: rfc3339(accessEnd),
      expires_in: accessEnd - at.now,
      token_type: pair.tokenType,
    },
    lifetime_guessed: pair.isLifetimeGuessed,
    refresh: {
      fingerprint: pair.refreshToken.fingerprint,
      expires_at: pair.refreshExpiresAt === null ? null : rfc3339(pair.refreshExpiresAt),
      expires_in: pair.refreshExpiresAt === null ? null : pair.refreshExpiresAt - at.now,
    },
    last_refresh_at: set.lastRefreshAt === null ? null : rfc3339(set.lastRefreshAt),
    last_error: lastFailure === null ? null : { ...lastFailure, at: rfc3339(lastFailure.at) },
    unfinished_since: intent === null ? null : rfc3339(intent.at),
    likely_dead_since: set.bareSince !== null && isLikelyDead(set, at) ? rfc3339(set.bareSince) : null,
    generation: set.generation,
  }
}

/** A token that `get` does not hand out is as good as over: `fresh` would tell a script to go on. */
function stateOf(set: TokenSet, at: Moment, policy: ExpiryPolicy): State {
  if (set.refusedAt !== null) return 'login_required'
  return isBearer(set.pair.tokenType) ? judge(set, at, policy).verdict : 'expired'
}

const BAR_WIDTH = 24

const SAID: Record<State, string> = {
  fresh: 'fresh',
  due: 'due: the next `get` renews it, and serves it meanwhile',
  expired: 'expired: the next `get` renews it',
  login_required: 'a person must log in: the server has refused the refresh token',
  empty: 'empty: no token set yet',
}

function saidOf({ state, likely_dead_since: since }: StatusReport, set: TokenSet | undefined): string {
  if (set === undefined) return SAID[state]
  if (state === 'login_required' && set.bareSince !== null)
    return `a person must log in: the server has given no reason since ${rfc3339(set.bareSince)}, and the access token is over`
  if (state === 'expired' && since !== null)
    return `expired, and the grant has probably ended: the server has given nothing but an empty refusal since ${since}`
  if (state === 'expired' && !isBearer(set.pair.tokenType))
    return `not usable: a token of the type ${printable(set.pair.tokenType)}, which nothing here can use`
  return SAID[state]
}

function described(
  report: StatusReport,
  set: TokenSet | undefined,
  at: Moment,
  { world, voice, store }: Session,
  next: string | null,
): string {
  const colourful = isColourful(world)
  const { dim, green, yellow, red, bold } = palette(world)
  const tone = { fresh: green, due: yellow, expired: yellow, login_required: red, empty: red }[report.state]
  const lines: [label: string, text: string][] = [
    ['instance', report.instance === null ? dim('not configured') : printable(report.instance)],
    ['user', report.user === null ? dim('unknown') : printable(report.user)],
    ['state', bold(tone(saidOf(report, set)))],
  ]
  const life = (left: number, whole: number, end: string): string => {
    const drawn = colourful ? `${tone(bar(left / whole))} ` : ''
    return left > 0
      ? `${drawn}${span(left)} left of ${span(whole)} ${dim(`until ${end}`)}`
      : `${drawn}over since ${end}`
  }
  if (set !== undefined && report.access !== null && report.refresh !== null) {
    const { pair } = set
    const guess = pair.isLifetimeGuessed ? ' (a guess: the server did not say how long it lives)' : ''
    const access = life(report.access.expires_in, pair.lifetime, String(report.access.expires_at))
    lines.push(['access', `${access}${dim(guess)}`])
    lines.push([
      'refresh',
      report.refresh.expires_in === null || pair.refreshExpiresAt === null
        ? dim('the server does not say how long it lives')
        : life(
            report.refresh.expires_in,
            pair.refreshExpiresAt - pair.obtained.now,
            String(report.refresh.expires_at),
          ),
    ])
  }
  const ago = (instant: number): string => `${rfc3339(instant)} ${dim(`(${span(at.now - instant)} ago)`)}`
  if (set !== undefined) {
    lines.push(['last refresh', set.lastRefreshAt === null ? dim('none yet') : ago(set.lastRefreshAt)])
    lines.push([
      'last failure',
      set.lastFailure === null
        ? dim('none')
        : `${ago(set.lastFailure.at)} ${printable(set.lastFailure.message)}`,
    ])
  }
  if (set?.intent)
    lines.push(['unfinished', `a refresh since ${ago(set.intent.at)}; the next \`get\` carries on`])
  if (set?.cameFrom)
    lines.push(['moved here', `from ${printable(set.cameFrom.name)}, ${ago(set.cameFrom.at)}`])
  lines.push(['store', printable(store.name)])
  if (next !== null) lines.push(['to do', voice.typed(next)])
  return lines.map(([label, text]) => `${dim(label.padEnd(13))} ${text}\n`).join('')
}

function bar(share: number): string {
  const full = Math.round(Math.min(Math.max(share, 0), 1) * BAR_WIDTH)
  return '█'.repeat(full) + '░'.repeat(BAR_WIDTH - full)
}
