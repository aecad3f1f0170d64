// Shows how the token set stands. Reads only.
import { clientName, type NamedClient } from '../../../core/client.js'
import type { Finding } from '../../../core/finding.js'
import { isUnconfigured } from '../../../core/unconfigured.js'
import { rfc3339 } from '../../../core/clock.js'
import { asSeenBy, otherClient } from '../../../core/ownership.js'
import { healthOf, type Configured } from '../../../core/health.js'
import type { ClockReading } from '../../../core/clock.js'
import { hasFixedEnd, refreshEndOf } from '../../../core/refresh-end.js'
import type { Sharing } from '../../../core/store-ports.js'
import type { TokenSet } from '../../../core/token-set.js'
import { isBearer } from '../../../core/token-type.js'
import type { StatusReport } from '../../../schemas/status.js'
import type { Session } from '../../session.js'
import { isColourful, palette, spans, type Span } from '../../terminal/style.js'
import { printable, writeJson, writeReport } from '../../terminal/output.js'
import { nextCommand } from '../../next-step.js'
import type { StatusFlags } from './command.js'

type State = StatusReport['state']

/** Tells how the token set stands. Reads only: nothing is refreshed, made or locked. */
export async function status(session: Session, { json }: StatusFlags): Promise<void> {
  const { world } = session
  const { report, set, named, at } = await reported(session)
  const next = await nextStep(session, report, set, named)
  const seed = set === undefined && json !== true ? await session.seedCheck(undefined) : undefined
  if (json === true) {
    await writeJson(world, report)
    return
  }
  const text = described(report, set, { ...at, span: await spans() }, session, {
    ...{ next, seed },
    refreshLife: await refreshLifeOf(session, set),
  })
  await writeReport(world, text)
}

/** Seconds: of the grant, where refreshes do not move the end. */
async function refreshLifeOf({ store }: Session, set: TokenSet | undefined): Promise<number> {
  const end = set && refreshEndOf(set, hasFixedEnd(set) ? await store.history() : [])
  return end?.life ?? (end?.endsAt ?? 0) - (set?.pair.obtained.now ?? 0)
}

/** The report for programs, and what it is made of. */
export async function reported(session: Session) {
  const { world, config, store, policy } = session
  const stored = await store.read()
  const named = await session.named()
  const set = stored && asSeenBy(stored, named)
  const at = world.clock()
  const instance = config.instance?.href ?? config.issuer ?? config.tokenUrl?.href ?? null
  const sharing = await store.sharing()
  const report: StatusReport = {
    ...reportOn(set, instance, at, { policy, named, apiUrl: config.apiUrl }),
    ...sharingOn(sharing, store.isShared),
  }
  return { report, set, named, at }
}

async function nextStep(
  { config, store, world }: Session,
  report: StatusReport,
  set: TokenSet | undefined,
  named: NamedClient,
): Promise<string | null> {
  const { state, likely_dead_since: deadSince } = report
  const hasEnded = (deadSince !== null && state !== 'other_client') || isRefreshOver(report)
  if (state === 'empty' || state === 'login_required' || hasEnded)
    return nextCommand(config, await store.login(), world.clock().now)
  if (state !== 'other_client' || !set?.client) return null
  return otherClient(store.name, set.client, named).hint ?? null
}

type SharingReport = Pick<StatusReport, 'store' | 'holder' | 'last_saver'>

function sharingOn(sharing: Sharing | null, isShared: boolean): SharingReport {
  const { holder = null, saver = null } = sharing ?? {}
  return {
    store: isShared ? 'postgres' : 'sqlite',
    holder: holder && { host: holder.host, seen_at: rfc3339(holder.at) },
    last_saver: saver,
  }
}

export function reportOn(
  set: TokenSet | undefined,
  instance: string | null,
  at: ClockReading,
  configured: Configured,
): Omit<StatusReport, keyof SharingReport> {
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
      client: null,
    }
  const { pair, lastFailure } = set
  const { state, access, refresh, unfinishedSince, likelyDeadSince } = healthOf(set, at, configured)
  return {
    format_version: 1,
    state,
    instance,
    user: set.user,
    access: {
      fingerprint: pair.accessToken.fingerprint,
      obtained_at: rfc3339(pair.obtained.now),
      expires_at: rfc3339(access.endsAt),
      expires_in: access.left,
      token_type: pair.tokenType,
    },
    lifetime_guessed: pair.isLifetimeGuessed,
    refresh: {
      fingerprint: pair.refreshToken.fingerprint,
      expires_at: rfc3339OrNull(refresh?.endsAt),
      expires_in: refresh?.left ?? null,
    },
    last_refresh_at: rfc3339OrNull(set.lastRefreshAt),
    last_error: lastFailure === null ? null : { ...lastFailure, at: rfc3339(lastFailure.at) },
    unfinished_since: rfc3339OrNull(unfinishedSince),
    likely_dead_since: rfc3339OrNull(likelyDeadSince),
    generation: set.generation,
    client: set.client && {
      token_url: set.client.tokenUrl,
      issuer: set.client.issuer,
      client_id: set.client.clientId,
    },
  }
}

function rfc3339OrNull(instant: number | null | undefined): string | null {
  return instant === null || instant === undefined ? null : rfc3339(instant)
}

const BAR_WIDTH = 24

const SAID: Record<State, string> = {
  fresh: 'fresh',
  due: 'due: the next `get` renews it, and serves it if that fails',
  expired: 'expired: the next `get` renews it',
  login_required: 'a person must log in: the server has refused the refresh token',
  empty: 'empty: no token set yet',
  other_client: 'another client’s: nothing is printed, sent or spent',
}
const UNCONFIGURED = 'empty: no config file and no token set yet'

/** Whether the refresh token is over by what the server said, and nothing worse is known. */
export function isRefreshOver({ state, refresh }: StatusReport): boolean {
  const isOver = refresh !== null && refresh.expires_in !== null && refresh.expires_in <= 0
  return isOver && state !== 'login_required' && state !== 'other_client'
}

function saidOf(report: StatusReport, set: TokenSet | undefined): string {
  const { state, likely_dead_since: since, refresh } = report
  if (set === undefined) return SAID[state]
  if (state === 'login_required' && set.bareSince !== null)
    return `a person must log in: the server has refused without a reason since ${rfc3339(set.bareSince)}, and the access token has expired`
  if (state === 'expired' && since !== null)
    return `expired, and the grant has probably ended: the server has only refused, without a reason, since ${since}`
  if (isRefreshOver(report)) {
    const before = state === 'expired' ? '' : `${state}, and `
    return `${before}a person must log in: the refresh token ended at ${refresh?.expires_at ?? ''}, by what the server said`
  }
  if (state === 'expired' && !isBearer(set.pair.tokenType))
    return `not usable: hq-token cannot use a token of the type ${printable(set.pair.tokenType)}`
  return SAID[state]
}

/** The facts that only people are shown; a program gets the report without them. */
interface Aside {
  readonly next: string | null
  readonly seed: Finding | undefined
  readonly refreshLife: number
}

function described(
  report: StatusReport,
  set: TokenSet | undefined,
  { now, span }: ClockReading & { readonly span: Span },
  { world, voice, store, config }: Session,
  { next, seed, refreshLife }: Aside,
): string {
  const isBare = report.state === 'empty' && isUnconfigured(config)
  const colourful = isColourful(world)
  const { dim, bold } = palette(world)
  const tone = toneOf(isRefreshOver(report) ? 'login_required' : report.state, world)
  const lines: [label: string, text: string][] = [
    ['instance', report.instance === null ? dim('not configured') : printable(report.instance)],
    ['user', report.user === null ? dim('unknown') : printable(report.user)],
    ...(set?.client ? [['client', printable(clientName(set.client))] as [string, string]] : []),
    ['state', bold(tone(isBare ? UNCONFIGURED : saidOf(report, set)))],
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
    const access = life(report.access.expires_in, pair.lifetime, report.access.expires_at)
    lines.push(['access', `${access}${dim(guess)}`])
    lines.push([
      'refresh',
      report.refresh.expires_in === null
        ? dim('the server does not say how long it lives')
        : life(report.refresh.expires_in, refreshLife, String(report.refresh.expires_at)),
    ])
  }
  const ago = (instant: number): string =>
    `${rfc3339(instant)} ${dim(now < instant ? '(ahead of this clock)' : `(${span(now - instant)} ago)`)}`
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
    lines.push(['unfinished', `a refresh since ${ago(set.intent.at)}; the next \`get\` finishes it`])
  if (set?.cameFrom)
    lines.push(['moved here', `from ${printable(set.cameFrom.name)}, ${ago(set.cameFrom.at)}`])
  lines.push(['store', printable(store.name)])
  if (report.last_saver !== null) lines.push(['last saver', printable(report.last_saver)])
  if (report.holder !== null)
    lines.push(['refreshing', printable(`${report.holder.host}, last heard of at ${report.holder.seen_at}`)])
  if (seed !== undefined) lines.push(['seed', printable(seed.message)])
  if (next !== null) lines.push(['to do', printable(voice.typed(next))])
  return lines.map(([label, text]) => `${dim(label.padEnd(13))} ${text}\n`).join('')
}

export function toneOf(state: State, world: Session['world']): (text: string) => string {
  const { green, yellow, red } = palette(world)
  const tones = {
    fresh: green,
    due: yellow,
    expired: yellow,
    login_required: red,
    empty: red,
    other_client: red,
  }
  return tones[state]
}

function bar(share: number): string {
  const full = Math.round(Math.min(Math.max(share, 0), 1) * BAR_WIDTH)
  return '█'.repeat(full) + '░'.repeat(BAR_WIDTH - full)
}
