// Decides what a monitoring system is told of a token set. Pure: facts in, findings out; the words are the command's.
import type { Untold } from './alerts.js'
import type { ClockReading } from './clock.js'
import { LoginRequired, recalled } from './errors.js'
import { failingSince } from './failing.js'
import { healthOf, type Configured, type State } from './health.js'
import { asSeenBy } from './ownership.js'
import { alerts, type Range } from './range.js'
import { refreshEndOf, type RefreshEnd } from './refresh-end.js'
import type { HistoryEntry } from './store-ports.js'
import type { Failure, Origin, TokenSet } from './token-set.js'

/** Exit codes of monitoring plugins. @see https://www.monitoring-plugins.org/doc/guidelines.html#AEN74 */
export const CHECK_EXIT = { OK: 0, WARNING: 1, CRITICAL: 2, UNKNOWN: 3 } as const
export type CheckState = keyof typeof CHECK_EXIT

/** The worst first. */
const STATES: readonly CheckState[] = ['CRITICAL', 'WARNING', 'UNKNOWN', 'OK']

/** An error in words, and the next command. */
export interface Trouble {
  readonly message: string
  readonly hint: string | null
}

/** Neither the configuration nor the store could be read whole. */
export interface Unread extends Trouble {
  readonly kind: 'unread'
  /** CRITICAL if what is there can never be read; UNKNOWN if it could not be looked at. */
  readonly state: 'CRITICAL' | 'UNKNOWN'
}

export interface Empty {
  readonly kind: 'empty'
  /** The seed file: `ready` to be imported, or why it cannot be; `null` if there is none. */
  readonly seed: 'ready' | Trouble | null
  /** The command that begins a grant. */
  readonly next: string
}

/** The facts about a token set. All instants are epoch seconds. Goes through JSON unharmed. */
export interface Grant {
  readonly kind: 'grant'
  /** When the machine looked. */
  readonly now: number
  readonly state: State
  readonly isUsable: boolean
  readonly accessEndsAt: number
  /** `null` where the server does not tell. */
  readonly refresh: RefreshEnd | null
  readonly refusedAt: number | null
  readonly likelyDeadSince: number | null
  /** The last refresh, else when the pair was obtained. */
  readonly succeededAt: number
  readonly failure: Failure | null
  readonly failures: number
  readonly failingSince: number | null
  readonly unfinishedSince: number | null
  readonly cameFrom: Origin | null
  /** When the pair was obtained, if that is ahead of this machine's clock. */
  readonly clockBehind: number | null
  /** The latest instant in the store that is more than an hour ahead. */
  readonly ahead: number | null
  readonly generation: number
  /** A way to people that does not work; `null` if nobody is to be told. */
  readonly untold: Untold | null
  /** The command that begins a grant. */
  readonly next: string
  /** How old the knowledge of a shared store is; `null` for a store that was asked itself. */
  readonly seen: { readonly at: number | null; readonly trouble: Trouble | null } | null
}

export type Look = Unread | Empty | Grant

/** The limits that the options set. */
export interface CheckLimits {
  /** `null`: the default, which depends on how long the refresh token lives. */
  readonly warning: Range | null
  readonly critical: Range | null
  /** Seconds. */
  readonly failingFor: number
  /** Seconds; `null` is the default. */
  readonly maxAge: number | null
}

export type CheckFinding = { readonly state: CheckState } & (
  | ({ readonly what: 'unread' | 'seed-unfit' | 'out-of-reach' } & Trouble)
  | { readonly what: 'seed-ready' | 'other-client' | 'not-usable' }
  | { readonly what: 'no-token-set'; readonly next: string }
  | {
      readonly what: 'refused' | 'likely-dead' | 'refresh-over'
      readonly since: number
      readonly next: string
    }
  | {
      readonly what: 'failed-over' | 'client-refused' | 'failing'
      readonly failure: Failure
      readonly failures: number
      readonly since: number
    }
  | {
      readonly what: 'refresh-ends'
      readonly endsAt: number
      /** The command that brings a later end. */
      readonly next: string
    }
  | { readonly what: 'stale' | 'unfinished' | 'clock-behind'; readonly since: number }
  | { readonly what: 'from-future'; readonly at: number }
  | { readonly what: 'came-from'; readonly origin: Origin }
  | ({ readonly what: 'untold' } & Untold)
)

const HOUR = 3_600
const DAY = 86_400
const WARN = 14 * DAY
const ALARM = 3 * DAY
/** For how long a refresh may go without success where the server tells no end of the refresh token. */
const USUAL_AGE = 30 * DAY
const UNFINISHED = 600
const MOVED_LATELY = 30 * DAY

/** The facts about a set. */
export function grantFacts(
  stored: TokenSet,
  at: ClockReading,
  configured: Configured,
  history: readonly HistoryEntry[],
  { next, seen, untold }: Pick<Grant, 'next' | 'seen' | 'untold'>,
): Grant {
  const set = asSeenBy(stored, configured.named)
  const { pair, lastFailure, intent, cameFrom } = set
  const { state, access, isUsable, likelyDeadSince, unfinishedSince } = healthOf(set, at, configured)
  const instants = [
    ...[pair.obtained.now, set.lastRefreshAt, lastFailure?.at, set.backoffUntil, set.notBefore],
    ...[set.refusedAt, set.bareSince, intent?.at, set.rejectedAt, cameFrom?.at, history[0]?.at],
  ]
  const latest = Math.max(...instants.map((instant) => instant ?? 0))
  return {
    kind: 'grant',
    ...{ now: at.now, state, isUsable, accessEndsAt: access.endsAt },
    refresh: refreshEndOf(set, history),
    ...{ refusedAt: set.refusedAt, likelyDeadSince },
    succeededAt: set.lastRefreshAt ?? pair.obtained.now,
    ...{ failure: lastFailure, failures: set.failures, failingSince: failingSince(set, history) },
    ...{ unfinishedSince, cameFrom },
    clockBehind: access.clockWentBack ? pair.obtained.now : null,
    ahead: latest - at.now > HOUR ? latest : null,
    ...{ generation: set.generation, next, seen, untold },
  }
}

/** The ranges that hold for a refresh token. Those that were not given fit its life: else a short one would warn all its life. */
export function rangesFor(
  { life }: Pick<RefreshEnd, 'life'>,
  { warning, critical }: Pick<CheckLimits, 'warning' | 'critical'>,
): { readonly warning: Range; readonly critical: Range } {
  const atLeast = (start: number): Range => ({
    start: Math.max(0, Math.floor(start)),
    end: Infinity,
    isInside: false,
  })
  return {
    warning: warning ?? atLeast(Math.min(WARN, (life ?? Infinity) / 2)),
    critical: critical ?? atLeast(Math.min(ALARM, (life ?? Infinity) / 10)),
  }
}

/** All that is wrong, the worst first; nothing if all is well. */
export function findingsOf(look: Look, limits: CheckLimits): readonly CheckFinding[] {
  if (look.kind === 'unread') return [{ ...look, what: 'unread' }]
  if (look.kind === 'empty') return [ofEmpty(look)]
  const found = [
    ...ofSeen(look),
    ...(ofLoss(look) ?? [...ofFailures(look, limits), ...ofEnd(look, limits)]),
    ...ofTraces(look),
  ]
  return found.sort((one, other) => STATES.indexOf(one.state) - STATES.indexOf(other.state))
}

/** The state of all of them together; OK where there is none. */
export function worst(states: readonly CheckState[]): CheckState {
  return STATES.find((state) => states.includes(state)) ?? 'OK'
}

function ofEmpty({ seed, next }: Empty): CheckFinding {
  if (seed === null) return { state: 'CRITICAL', what: 'no-token-set', next }
  return seed === 'ready'
    ? { state: 'WARNING', what: 'seed-ready' }
    : { state: 'CRITICAL', what: 'seed-unfit', ...seed, hint: seed.hint ?? next }
}

/** A database that could not be asked: the rest is as this host has seen it last. */
function ofSeen({ seen }: Grant): CheckFinding[] {
  return seen?.trouble == null ? [] : [{ state: 'UNKNOWN', what: 'out-of-reach', ...seen.trouble }]
}

/** Why only a person can help; `undefined` while a refresh may. */
function ofLoss({
  now,
  state,
  isUsable,
  refusedAt,
  likelyDeadSince,
  refresh,
  next,
}: Grant): CheckFinding[] | undefined {
  const lost = { state: 'CRITICAL', next } as const
  if (state === 'other_client') return [{ state: 'CRITICAL', what: 'other-client' }]
  if (refusedAt !== null) return [{ ...lost, what: 'refused', since: refusedAt }]
  if (likelyDeadSince !== null) return [{ ...lost, what: 'likely-dead', since: likelyDeadSince }]
  if (refresh !== null && refresh.endsAt <= now)
    return [{ ...lost, what: 'refresh-over', since: refresh.endsAt }]
  return isUsable ? undefined : [{ state: 'CRITICAL', what: 'not-usable' }]
}

function ofFailures(
  { now, accessEndsAt, failure, failures, failingSince }: Grant,
  { failingFor }: CheckLimits,
): CheckFinding[] {
  if (failure === null) return []
  const since = failingSince ?? failure.at
  const told = { failure, failures, since }
  const isOver = accessEndsAt <= now
  const error = recalled(failure)
  // The configuration is wrong, or the server refuses the client: that does not pass by itself.
  const isLasting = !error.transient && !(error instanceof LoginRequired)
  if (isOver && (isLasting || failure.at >= accessEndsAt))
    return [{ state: 'CRITICAL', what: 'failed-over', ...told }]
  if (isLasting) return [{ state: 'WARNING', what: 'client-refused', ...told }]
  return now - since >= failingFor ? [{ state: 'WARNING', what: 'failing', ...told }] : []
}

function ofEnd({ now, refresh, succeededAt, next: login }: Grant, limits: CheckLimits): CheckFinding[] {
  const found: CheckFinding[] = []
  if (refresh !== null) {
    const { warning, critical } = rangesFor(refresh, limits)
    const left = refresh.endsAt - now
    const state = alerts(critical, left) ? 'CRITICAL' : alerts(warning, left) ? 'WARNING' : undefined
    const next = refresh.isFixed ? login : 'hq-token refresh'
    if (state !== undefined) found.push({ state, what: 'refresh-ends', endsAt: refresh.endsAt, next })
  }
  const maxAge = limits.maxAge ?? (refresh === null ? USUAL_AGE : Infinity)
  if (now - succeededAt > maxAge) found.push({ state: 'WARNING', what: 'stale', since: succeededAt })
  return found
}

/** Findings of what a crash, a copy, a clock or a failed notification has left in the store. */
function ofTraces({ now, unfinishedSince, cameFrom, clockBehind, ahead, untold }: Grant): CheckFinding[] {
  const found: CheckFinding[] = []
  if (untold !== null && now - untold.since > HOUR)
    found.push({ state: 'WARNING', what: 'untold', ...untold })
  if (unfinishedSince !== null && now - unfinishedSince > UNFINISHED)
    found.push({ state: 'WARNING', what: 'unfinished', since: unfinishedSince })
  if (cameFrom !== null && now - cameFrom.at < MOVED_LATELY)
    found.push({ state: 'WARNING', what: 'came-from', origin: cameFrom })
  if (ahead !== null) found.push({ state: 'WARNING', what: 'from-future', at: ahead })
  else if (clockBehind !== null) found.push({ state: 'WARNING', what: 'clock-behind', since: clockBehind })
  return found
}
