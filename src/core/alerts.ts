// Decides when people are told of trouble with a grant, and when again. Pure: sends nothing, and has no words.
import type { ClockReading } from './clock.js'
import { failingSince } from './failing.js'
import { expiresAt, isGivenUp } from './policy.js'
import { refreshEndOf } from './refresh-end.js'
import type { HistoryEntry } from './store-ports.js'
import type { TokenSet } from './token-set.js'

/** The kinds of trouble, the worst first. */
export const TROUBLES = ['login_required', 'failing', 'ending'] as const
export type Trouble = (typeof TROUBLES)[number]
/** `recovered`: trouble that people were told of is over. */
export const KINDS = [...TROUBLES, 'recovered'] as const
export type AlertKind = (typeof KINDS)[number]

/** When trouble is worth telling. All in seconds. */
export interface AlertPolicy {
  /** How long refreshes must have failed, while the access token is good. */
  readonly failingFor: number
  /** How long before its end a refresh token counts as ending; at most half of its life. 0: never. */
  readonly ending: number
  /** The pause before the first reminder, which doubles with each; `null` for none. */
  readonly remind: number | null
}

/** Trouble that stands at this moment. */
export interface Alert {
  readonly kind: Trouble
  /** Epoch seconds. */
  readonly since: number
  /**
   * Whether it is worth telling, by the policy. Trouble that people were told of lasts until it is over, whatever the
   * policy says: hosts may have different ones.
   */
  readonly isWorthTelling: boolean
}

/**
 * The store's memory of one kind, in seconds of the store's own clock. `since` is 0 where there is nothing to tell;
 * for `recovered` it is when the first trouble began that people were told of.
 */
export interface AlertRecord {
  readonly kind: AlertKind
  readonly since: number
  /** How often people were told. */
  readonly told: number
  readonly toldAt: number | null
  readonly dueAt: number
  /** When a process began to tell; `null` if none is at it. */
  readonly claimedAt: number | null
  /** How often in a row people could not be told by any way. */
  readonly tries: number
  /**
   * Since when a way to people does not work, and why; `null` if all do. One record says so. It says it still when its
   * trouble is over, because the way is as broken as before.
   */
  readonly failedAt: number | null
  readonly failure: string | null
}

/** A change of one record. It counts only if the record still is as it was read. */
export interface AlertChange {
  readonly before: AlertRecord
  readonly after: AlertRecord
}

/** The next thing to do: a change of the memory, which may be the claim to tell people. */
export type AlertStep = AlertChange & { readonly tells: boolean }

/** The memory of alerts. */
export interface AlertMemory {
  /** A kind that is missing is idle. */
  readonly records: readonly AlertRecord[]
  /** Seconds to add to an instant of the records for this machine's. */
  readonly offset: number
}

/** The part of a store that remembers alerts. */
export interface AlertStore {
  /** Takes no lock. @throws {StoreUnusable | StoreUnreachable} */
  alerts(): Promise<AlertMemory>
  /**
   * Changes one record. Durable when it returns.
   *
   * @param waitMs Milliseconds to wait for the lock, if the store needs it.
   * @returns False if another process has changed the record since it was read; nothing is changed then.
   * @throws {LockTimeout | StoreUnusable | StoreUnreachable}
   */
  saveAlert(change: AlertChange, waitMs: number): Promise<boolean>
}

/** A way to people that does not work. */
export interface Untold {
  /** Epoch seconds. */
  readonly since: number
  /** Names the way. */
  readonly failure: string
}

/** @returns `null` if all ways to people work. */
export function untoldOf({ records, offset }: AlertMemory): Untold | null {
  const failed = records.flatMap(({ failedAt, failure }) =>
    failedAt === null ? [] : [{ since: failedAt + offset, failure: failure ?? '' }],
  )
  return failed.toSorted((one, other) => one.since - other.since)[0] ?? null
}

const HOUR = 3600
const DAY = 24 * HOUR
/** Seconds after which a claim counts as that of a dead process: longer than any telling may take. */
const CLAIM = 300
/** The reminders double up to this many times the first pause. */
const MOST = 32
/** The pause before the next try after people could not be told; it doubles with each, up to a day. */
const RETRY = 300
/** The due time of what is not told again: the end of the year 9999. No number of a record is larger. */
export const NEVER = 253_402_300_799
/** Characters of a failure that are kept; enough for a person. */
export const FAILURE_LENGTH = 200

/** The part of a record that says that all ways to people work. */
const ALL_WORK = { failedAt: null, failure: null }

export function idle(kind: AlertKind): AlertRecord {
  return { kind, since: 0, told: 0, toldAt: null, dueAt: 0, claimedAt: null, tries: 0, ...ALL_WORK }
}

/**
 * The trouble that stands, the worst first. Repeated failures are no news where a person must log in.
 *
 * @param history Newest first.
 * @returns `null` if there is nothing to keep alive: no set, because there never was one or it was given up.
 */
export function alertsOf(
  set: TokenSet | undefined,
  history: readonly HistoryEntry[],
  at: ClockReading,
  policy: AlertPolicy,
): readonly Alert[] | null {
  if (set === undefined) {
    const [last] = history
    if (last === undefined || last.event === 'logout' || last.event === 'move') return null
    return [{ kind: 'login_required', since: last.at, isWorthTelling: true }]
  }
  const accessEnds = expiresAt(set.pair, at)
  const endedAt = endOf(set, at)
  if (endedAt !== null) {
    // A refusal in the last hour is told once: the message says already when the access token ends.
    const isLastHour = accessEnds > at.now && accessEnds - at.now < HOUR && endedAt < accessEnds - HOUR
    const ending: Alert[] = isLastHour
      ? [{ kind: 'ending', since: accessEnds - HOUR, isWorthTelling: true }]
      : []
    return [{ kind: 'login_required', since: endedAt, isWorthTelling: true }, ...ending]
  }
  const failing = failingSince(set, history)
  const alerts: Alert[] = []
  if (failing !== null) {
    const isWorthTelling = at.now - failing >= policy.failingFor || accessEnds <= at.now
    alerts.push({ kind: 'failing', since: failing, isWorthTelling })
  }
  const end = refreshEndOf(set, history)
  const half = (end?.life ?? Infinity) / 2
  if (end !== null && end.endsAt - at.now < half) {
    const window = Math.min(policy.ending, half)
    const isWorthTelling = end.endsAt - at.now < window
    alerts.push({ kind: 'ending', since: Math.floor(end.endsAt - window), isWorthTelling })
  }
  return alerts
}

/** Since when no refresh can help any more; `null` while one can. */
function endOf(set: TokenSet, at: ClockReading): number | null {
  const end = set.pair.refreshExpiresAt
  if (set.refusedAt !== null) return set.refusedAt
  if (end !== null && end <= at.now) return end
  return isGivenUp(set, at) ? set.bareSince : null
}

/**
 * The next step. Take it, read the records again, and ask again, until there is none or one `tells`.
 *
 * @param alerts What stands, as `alertsOf` says, in the store's time.
 * @param now In the store's time.
 */
export function nextStep(
  records: readonly AlertRecord[],
  alerts: readonly Alert[] | null,
  now: number,
): AlertStep | undefined {
  const recordOf = recordsIn(records)
  // One telling at a time, and nothing changes meanwhile.
  if (records.some((record) => isClaimed(record, now))) return undefined
  const over = KINDS.map(recordOf).find(
    ({ kind, since }) => since !== 0 && (kind === 'recovered' ? alerts === null : !stands(kind, alerts)),
  )
  if (over !== undefined) {
    const { kind, failedAt, failure } = over
    return { before: over, after: { ...idle(kind), failedAt, failure }, tells: false }
  }
  if (alerts === null) return undefined
  const worth = alerts.filter(({ kind, isWorthTelling }) => isWorthTelling || recordOf(kind).since !== 0)
  for (const { kind, since } of worth) {
    const record = recordOf(kind)
    const begun = record.since === 0 ? { ...record, since: Math.max(since, 1), dueAt: now } : record
    if (isDue(begun, now)) return { before: record, after: { ...begun, claimedAt: now }, tells: true }
  }
  const recovered = recordOf('recovered')
  return worth.length === 0 && recovered.since !== 0 && isDue(recovered, now)
    ? { before: recovered, after: { ...recovered, claimedAt: now }, tells: true }
    : undefined
}

function stands(kind: Trouble, alerts: readonly Alert[] | null): boolean {
  return alerts?.some((alert) => alert.kind === kind) ?? false
}

function recordsIn(records: readonly AlertRecord[]): (kind: AlertKind) => AlertRecord {
  return (kind) => records.find((one) => one.kind === kind) ?? idle(kind)
}

/** A claim from the future is from before the clock was set back. */
function isClaimed({ claimedAt }: AlertRecord, now: number): boolean {
  return claimedAt !== null && claimedAt <= now + CLAIM && now - claimedAt < CLAIM
}

/** A telling, or a try, from the future is from before the clock was set back. */
function isDue({ dueAt, toldAt, tries }: AlertRecord, now: number): boolean {
  return dueAt <= now || (tries > 0 ? dueAt - DAY : (toldAt ?? 0)) > now + DAY
}

/**
 * The changes after people were told. The next telling of the same trouble is a reminder.
 *
 * @param failure Why one of several ways to people does not work; `null` if all do.
 */
export function afterTelling(
  claimed: AlertRecord,
  records: readonly AlertRecord[],
  now: number,
  remind: number | null,
  failure: string | null = null,
): readonly AlertChange[] {
  const pause = remind === null ? NEVER : remind * Math.min(2 ** claimed.told, MOST)
  const told = { told: claimed.told + 1, toldAt: now, dueAt: Math.min(now + pause, NEVER), tries: 0 }
  const after = claimed.kind === 'recovered' ? idle('recovered') : { ...claimed, ...told }
  return noted({ before: claimed, after }, records, now, failure, claimed.since)
}

/** The changes after people could not be told: the next try comes later with each, at most a day. */
export function afterFailedTelling(
  claimed: AlertRecord,
  records: readonly AlertRecord[],
  now: number,
  failure: string,
): readonly AlertChange[] {
  const dueAt = now + Math.min(RETRY * 2 ** claimed.tries, DAY)
  const after = { ...claimed, dueAt, tries: claimed.tries + 1 }
  return noted({ before: claimed, after }, records, now, failure)
}

/**
 * Ends the claim, and notes in this record alone which ways to people do not work.
 *
 * @param begun When the trouble began that people were told of: they will hear of its end.
 */
function noted(
  { before, after }: AlertChange,
  records: readonly AlertRecord[],
  now: number,
  failure: string | null,
  begun = 0,
): readonly AlertChange[] {
  const failedAt = Math.min(now, ...records.flatMap((record) => record.failedAt ?? []))
  const ways = failure === null ? ALL_WORK : { failedAt, failure }
  const others = KINDS.filter((kind) => kind !== before.kind)
    .map(recordsIn(records))
    .map((other) => {
      const since = other.kind === 'recovered' && other.since === 0 ? begun : other.since
      return { before: other, after: { ...other, since, ...ALL_WORK } }
    })
  return [
    { before, after: { ...after, claimedAt: null, ...ways } },
    ...others.filter((one) => one.before.failedAt !== null || one.before.since !== one.after.since),
  ]
}

/** The changes after a test that went well by each way: all work, and whoever could not be told is told next. */
export function afterTest(records: readonly AlertRecord[], now: number): readonly AlertChange[] {
  return records
    .filter((record) => (record.failedAt !== null || record.tries > 0) && !isClaimed(record, now))
    .map((before) => {
      const due = before.tries > 0 ? { tries: 0, dueAt: Math.min(before.dueAt, now) } : {}
      return { before, after: { ...before, ...due, ...ALL_WORK } }
    })
}
