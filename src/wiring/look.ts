// Looks at a configuration and its store for a monitoring system. Makes and sends nothing, takes no lock, and runs no
// command for a secret.
import { loadConfig, namedClient, type Config } from '../config/load.js'
import { locate } from '../config/locate.js'
import type { Surroundings } from '../config/paths.js'
import { inspectSeed } from '../config/seed-source.js'
import type { Empty, Look, Trouble, Unread } from '../core/check.js'
import { grantFacts } from '../core/check.js'
import type { Clock } from '../core/clock.js'
import { ConfigInvalid, StoreUnfit, TokenError, UsageError } from '../core/errors.js'
import type { Host } from '../core/host.js'
import { expiryPolicy } from '../core/policy.js'
import type { PendingLogin } from '../core/store-ports.js'
import { isUnconfigured, notConfigured } from '../core/unconfigured.js'
import { lookAtStore, type StoreLook } from '../store/look.js'
import { placeOf } from '../store/postgres/peek-seat.js'
import type { SharedLook } from '../store/postgres/look.js'
import { knownHere } from './endpoints.js'
import { namesStore } from './names-store.js'
import type { Choice } from './open.js'

export interface LookAround extends Surroundings {
  readonly clock: Clock
  readonly host: () => Host
  /** Names the command that begins a grant. */
  readonly next: (config: Config, pending: PendingLogin | undefined, now: number) => string
  /** Milliseconds for a database; `null` if none may be asked. */
  readonly askMs: number | null
}

/**
 * Looks at one configuration and its store. A database that needs the password of a command is never asked.
 *
 * @returns `undefined` if a database must be asked, and none may be.
 * @throws {UsageError} if the profile's name is not a name of a profile.
 */
export async function lookAt(choice: Choice, around: LookAround): Promise<Look | undefined> {
  const { env, platform, homedir } = around
  let config: Config
  try {
    config = loadConfig({ env, platform, homedir, ...locate(choice, { env, platform, homedir }) })
  } catch (error) {
    if (error instanceof UsageError) throw error
    return unread('UNKNOWN', error)
  }
  if (config.shared?.isPasswordByCommand === false && around.askMs === null) return undefined
  try {
    return await judged(config, await inside(config, around), around)
  } catch (error) {
    // A store that a move has closed needs a person, too.
    const isLasting = error instanceof StoreUnfit || error instanceof ConfigInvalid
    return unread(isLasting ? 'CRITICAL' : 'UNKNOWN', error)
  }
}

/** @throws The error itself, unless it is an expected failure. */
function unread(state: Unread['state'], error: unknown): Unread {
  return { kind: 'unread', state, ...trouble(error) }
}

function trouble(error: unknown): Trouble {
  if (!(error instanceof TokenError)) throw error
  return { message: error.message, hint: error.hint ?? null }
}

async function inside(config: Config, around: LookAround): Promise<StoreLook & Pick<SharedLook, 'seen'>> {
  const { store, shared } = config
  const { env, clock, host, askMs } = around
  const here = { host: host(), names: namesStore(config, env) }
  if (shared === null) return { ...(await lookAtStore(store.path, here)), seen: null }
  const { lookAtShared } = await import('../store/postgres/look.js')
  return lookAtShared(store.path, shared, { clock, here, askMs: shared.isPasswordByCommand ? null : askMs })
}

async function judged(
  config: Config,
  { set, login, discovered, history, untold, seen }: Awaited<ReturnType<typeof inside>>,
  around: LookAround,
): Promise<Look> {
  const at = around.clock()
  const { shared, store, refresh, apiUrl } = config
  const storeName = shared === null ? store.path : placeOf(shared)
  const next = around.next(config, login, at.now)
  if (set === undefined) {
    if (isUnconfigured(config)) return unread('UNKNOWN', notConfigured())
    if (seen?.failure != null) return unread('UNKNOWN', seen.failure)
    if (seen !== null)
      return {
        ...{ kind: 'unread', state: 'UNKNOWN' },
        ...{ message: `this host has not yet seen the token set in ${storeName}`, hint: 'hq-token get' },
      }
    const seed = await seedOf(config, storeName, around)
    // An empty config file is left by a disk that was full when it was written.
    return seed === null && config.file !== null && isUnconfigured({ ...config, file: null })
      ? {
          ...{ kind: 'unread', state: 'UNKNOWN', hint: 'hq-token doctor' },
          message: `the config file ${config.file} names no client and no server`,
        }
      : { kind: 'empty', seed, next }
  }
  return grantFacts(
    set,
    at,
    {
      policy: expiryPolicy(refresh.early, refresh.minValid),
      named: namedClient(knownHere(config, discovered).config, discovered),
      apiUrl,
    },
    history,
    {
      next,
      untold: config.notify && untold,
      seen: seen && { at: seen.at, trouble: seen.failure && trouble(seen.failure) },
    },
  )
}

async function seedOf(
  { seedFile, refresh }: Config,
  storeName: string,
  { clock }: LookAround,
): Promise<Empty['seed']> {
  const options = { clock, defaultLifetime: refresh.defaultLifetime }
  const found = await inspectSeed(seedFile, undefined, storeName, options)
  if (found === undefined) return null
  return found.status === 'ok' ? 'ready' : { message: found.message, hint: found.hint ?? null }
}
