// Tells people of trouble with the grant, once, and again while it lasts. Spends no token, and runs after all else that
// a command does.
import { userInfo } from 'node:os'
import type { NotifyConfig } from '../config/notify.js'
import {
  afterFailedTelling,
  afterTelling,
  afterTest,
  alertsOf,
  FAILURE_LENGTH,
  nextStep,
  type Alert,
  type AlertRecord,
} from '../core/alerts.js'
import { notificationOf, type Place } from '../core/alert-messages.js'
import type { Clock, ClockReading } from '../core/clock.js'
import { TokenError } from '../core/errors.js'
import { healthOf, type Health } from '../core/health.js'
import { asSeenBy } from '../core/ownership.js'
import type { Notice } from '../core/ports.js'
import { hasFixedEnd } from '../core/refresh-end.js'
import type { TokenSet } from '../core/token-set.js'
import { deliver, type Delivery } from './deliver.js'
import type { Opened } from './open.js'

/** Milliseconds to wait for the store's lock before people are told first. A reminder waits for no lock. */
const WAIT_MS = 5_000
/** Steps at one call: more are those of processes that change the memory all the time. */
const MOST_STEPS = 12

export interface Teller {
  readonly clock: Clock
  readonly notify: (notice: Notice) => void
  /** The next command on the way to a login. */
  readonly login: () => Promise<string>
  /** A hint as this user can type it. */
  readonly typed: (hint: string) => string
  /** Called before people are told: it may take a while. */
  readonly begins: () => void
}

/**
 * Tells people of what is due. Never rejects for a fault of the store or of the way to people: a warning says so.
 */
export async function tellPeople(opened: Opened, teller: Teller): Promise<void> {
  const { notify: config } = opened.config
  if (config === null) return
  try {
    await tellWhatIsDue(opened, config, teller)
  } catch (error) {
    if (!(error instanceof TokenError)) throw error
    // The command has met the same trouble, and has said so; another process that is at work tells by itself.
    if (error.transient) return
    teller.notify({ level: 'warning', message: `people cannot be told of trouble: ${error.message}` })
  }
}

async function tellWhatIsDue(opened: Opened, config: NotifyConfig, teller: Teller): Promise<void> {
  for (let steps = 0; steps < MOST_STEPS; steps++) {
    // Anew each time: while people are told, another process may refresh.
    const view = await viewOf(opened, config, teller)
    if (view === undefined) return
    const { records, offset } = await opened.alerts.alerts()
    const inStoreTime = view.alerts?.map((alert) => ({ ...alert, since: alert.since - offset })) ?? null
    const step = nextStep(records, inStoreTime, view.at.now - offset)
    if (step === undefined) return
    const isFirst = step.tells && step.after.told === 0
    if (!(await opened.alerts.saveAlert(step, isFirst ? WAIT_MS : 0)) || !step.tells) continue
    teller.begins()
    await tellOf(step.after, view, { opened, config, teller, offset })
  }
}

/** How the grant stands at this moment. */
interface View {
  readonly at: ClockReading
  readonly set: TokenSet | undefined
  readonly health: Health | undefined
  readonly alerts: readonly Alert[] | null
}

/** @returns `undefined` if the set belongs to another client than the configured one. */
async function viewOf(
  { store, policy, named, config: { apiUrl } }: Opened,
  config: NotifyConfig,
  { clock }: Teller,
): Promise<View | undefined> {
  const stored = await store.read()
  const at = clock()
  const client = await named()
  // A failure that another client met is no news of this one.
  const set = stored && asSeenBy(stored, client)
  const health = set && healthOf(set, at, { policy, named: client, apiUrl })
  if (health?.state === 'other_client') return undefined
  const history = set === undefined || set.failures > 0 || hasFixedEnd(set) ? await store.history() : []
  return { at, set, health, alerts: alertsOf(set, history, at, config.policy) }
}

interface Telling {
  readonly opened: Opened
  readonly config: NotifyConfig
  readonly teller: Teller
  readonly offset: number
}

/** Tells people of one thing that this process has claimed. */
async function tellOf(
  claimed: AlertRecord,
  { at, set, health }: View,
  { opened, config, teller, offset }: Telling,
): Promise<void> {
  const place = grantPlace(opened, set)
  const notification = notificationOf(
    {
      ...{ kind: claimed.kind, since: claimed.since + offset, count: claimed.told },
      accessEnds: health?.access.endsAt ?? null,
      refreshEnds: health?.refresh?.endsAt ?? null,
      isFixed: set !== undefined && hasFixedEnd(set),
      hasEnded: health === undefined || health.hasEnded,
      isRefused: set !== undefined && (set.refusedAt !== null || set.bareSince !== null),
      failures: set?.failures ?? 0,
      lastFailure: set?.lastFailure?.message ?? null,
      now: at.now,
      login: await teller.login(),
    },
    place,
    teller.typed,
  )
  const deliveries = await deliver(notification, place, config, {
    env: hookEnv(opened),
    agent: (first) => opened.agent(first),
  })
  const failed = deliveries.filter(({ problem }) => problem !== null)
  for (const { where, problem } of failed)
    teller.notify({
      ...{ level: 'warning', message: `${where} ${problem ?? ''}` },
      hint: 'hq-token notify --test tries it again',
    })
  const now = teller.clock().now - offset
  const { records } = await opened.alerts.alerts()
  const changes =
    failed.length < deliveries.length
      ? afterTelling(claimed, records, now, config.policy.remind, failureOf(failed))
      : afterFailedTelling(claimed, records, now, failureOf(failed) ?? '')
  // A telling that is not noted is told again, so wait as long as for a refresh.
  const waitMs = opened.config.refresh.lockWait * 1000
  for (const change of changes) await opened.alerts.saveAlert(change, waitMs)
}

/** Names each way that does not work, and gives each the same room. @returns `null` if all do. */
function failureOf(failed: readonly Delivery[]): string | null {
  const room = Math.floor(FAILURE_LENGTH / failed.length) - 2
  const words = failed.map(({ way, problem }) => `[notify] ${way} ${problem ?? ''}`.slice(0, room))
  return words.length === 0 ? null : words.join('; ')
}

/** Forgets that a way to people did not work. Never rejects for a fault of the store. */
export async function allWork({ alerts }: Opened, now: number): Promise<void> {
  try {
    const { records, offset } = await alerts.alerts()
    for (const change of afterTest(records, now - offset)) await alerts.saveAlert(change, WAIT_MS)
  } catch (error) {
    if (!(error instanceof TokenError)) throw error
  }
}

/** The host and the grant, for people. */
export function grantPlace({ config, store, host }: Opened, set: TokenSet | undefined): Place {
  return {
    profile: config.profile,
    instance: config.instance?.href ?? config.issuer ?? config.tokenUrl?.href ?? null,
    host: host.name,
    account: accountName(),
    user: set?.user ?? null,
    store: store.name,
  }
}

/** A user that the system has no name for goes by a number. */
function accountName(): string {
  try {
    return userInfo().username
  } catch {
    return `uid ${String(process.getuid?.() ?? '?')}`
  }
}

/** The environment of the hook: without a token that `exec` or a person has put there, and without a password. */
export function hookEnv({ childEnv }: Pick<Opened, 'childEnv'>): NodeJS.ProcessEnv {
  return { ...childEnv(), ...Object.fromEntries(NOT_FOR_HOOKS.map((name) => [name, undefined])) }
}

const NOT_FOR_HOOKS = [
  ...['HQ_TOKEN', 'HQ_TOKEN_EXPIRES_AT', 'HQ_TOKEN_FILE', 'PGPASSWORD'],
  ...['HQ_TOKEN_ENCRYPTION_KEY_FILE', 'HQ_TOKEN_ENCRYPTION_KEY_COMMAND'],
]
