// Looks at all that `open` puts together, piece by piece, for `doctor`. Spends nothing, and writes nothing.
import { namedClient, type Config } from '../config/load.js'
import { inspectSeed } from '../config/seed-source.js'
import type { NamedClient } from '../core/client.js'
import { rfc3339 } from '../core/clock.js'
import { TokenError } from '../core/errors.js'
import { fail, skip, warn, type Finding } from '../core/finding.js'
import { expiryPolicy, type ExpiryPolicy } from '../core/policy.js'
import { hasFixedEnd } from '../core/refresh-end.js'
import type { HistoryEntry, PendingLogin } from '../core/store-ports.js'
import type { Discovered } from '../core/ports.js'
import type { TokenSet } from '../core/token-set.js'
import type { StoreInspection } from '../store/inspect.js'
import { placeOf } from '../store/postgres/peek-seat.js'
import { knownHere } from './endpoints.js'
import { inspectServers } from './examine-servers.js'
import { inspectNotify } from './examine-notify.js'
import { namesStore } from './names-store.js'
import { openStore, type OwnStore } from './open-store.js'
import { assertChecked, type Around, type Choice } from './open.js'

/** All that can be found out without spending anything. */
export interface Examination {
  /** Findings about the configuration and the store. */
  readonly here: readonly Finding[]
  /** The content of the store; `undefined` if it cannot be read. */
  readonly content:
    { readonly set: TokenSet | undefined; readonly login: PendingLogin | undefined } | undefined
  /** Newest first; empty if it cannot be read, or where nothing is judged by it. */
  readonly history: readonly HistoryEntry[]
  /** `undefined` if it cannot be read. */
  readonly config: Config | undefined
  /** For messages. */
  readonly storeName: string
  /** The client that the configuration names; `undefined` if the configuration cannot be read. */
  readonly named: NamedClient | undefined
  /** `undefined` if the configuration cannot be read. */
  readonly policy: ExpiryPolicy | undefined
  /**
   * The finding about a seed file that would be imported now, or that is spent; `undefined` if there is nothing to
   * say.
   */
  readonly seed: Finding | undefined
  /**
   * Asks the servers; none of them is shown the refresh token or the client secret.
   *
   * @param online Shows the stored access token to the API.
   */
  readonly servers: (online: boolean) => Promise<readonly Finding[]>
}

/**
 * Looks at everything that `open` puts together, piece by piece, and goes on where `open` would throw.
 *
 * @throws {UsageError} if the profile's name is not a name of a profile.
 */
export async function examine(choice: Choice, around: Around): Promise<Examination> {
  const { env, platform, homedir, clock } = around
  const {
    inspectClient,
    inspectConfig,
    inspectRedirectUri,
    inspectSecret,
    inspectSeedFile,
    inspectTrust,
    inspectUnfit,
  } = await import('../config/inspect.js')
  const { checks, config: loaded } = inspectConfig(choice, { env, platform, homedir })
  if (loaded === undefined) {
    const left = ['store', 'servers'].map((name) => skip(name, 'needs the configuration'))
    return {
      ...{ here: [...checks, ...left], content: undefined, config: undefined, named: undefined },
      ...{ history: [], policy: undefined, seed: undefined, storeName: 'the store' },
      servers: () => Promise.resolve([]),
    }
  }
  const { checks: ofStore, content } = await inspectedStore(loaded, around)
  const storeName = loaded.shared === null ? loaded.store.path : placeOf(loaded.shared)
  const { config, problem } = knownHere(loaded, content?.discovered)
  const trust = checkedTrust(around) ?? inspectTrust(config, env, clock().now)
  const settings = [
    problem === undefined
      ? inspectClient(config, endpointsFrom(loaded, content?.discovered))
      : fail('settings', problem),
    ...inspectRedirectUri(config),
    ...inspectUnfit(config),
    await inspectSecret(config),
    trust,
    ...inspectSeedFile(config),
  ]
  const own = content && openStore(loaded, { env, notify: () => undefined }, { clock, host: around.host() })
  const notification = await inspectNotify(config.notify, own)
  const history = content?.set && hasFixedEnd(content.set) ? await historyOf(own) : []
  await own?.close()
  const seedOptions = { clock, defaultLifetime: config.refresh.defaultLifetime }
  return {
    here: [...checks, ...settings, ...ofStore, ...inspectBoot(platform, clock().boot), notification],
    ...{ content, history, config },
    storeName,
    named: namedClient(config, content?.discovered),
    policy: expiryPolicy(config.refresh.early, config.refresh.minValid),
    seed: content && (await inspectSeed(config.seedFile, content.set, storeName, seedOptions)),
    servers: (online) =>
      trust.status === 'fail'
        ? Promise.resolve([
            skip('servers', 'nothing is sent to a server while its identity cannot be checked'),
          ])
        : inspectServers(config, online, content?.set, around),
  }
}

async function historyOf(store: OwnStore | undefined): Promise<readonly HistoryEntry[]> {
  try {
    return (await store?.history()) ?? []
  } catch (error) {
    if (!(error instanceof TokenError)) throw error
    return []
  }
}

/** The SQL that makes the tables of a shared store, and the least rights in them. */
export async function sharedStoreSql(): Promise<string> {
  const { ownersSql } = await import('../store/postgres/schema.js')
  return ownersSql()
}

function inspectBoot(platform: NodeJS.Platform, boot: string | null): readonly Finding[] {
  if (platform !== 'linux' || boot !== null) return []
  const message =
    '/proc/sys/kernel/random/boot_id cannot be read: only the wall clock tells how old a token is'
  return [warn('boot', message, 'let the unit or the container see /proc: no ProcSubset=pid')]
}

async function inspectedStore(
  config: Config,
  { env, clock, host: hostNow }: Around,
): Promise<StoreInspection> {
  const { store, shared } = config
  const { path, rule } = store
  const host = hostNow()
  const here = { host, names: namesStore(config, env) }
  if (shared === null) {
    const { inspectStore } = await import('../store/inspect.js')
    return inspectStore(path, { rule, env, here })
  }
  const { inspectShared } = await import('../store/postgres/inspect.js')
  return inspectShared(path, shared, { rule, env, clock, host, here })
}

/** Says who has named the token endpoint, if the configuration leaves that to its issuer. */
function endpointsFrom({ tokenUrl, issuer }: Config, found: Discovered | undefined): string | null {
  if (tokenUrl !== null || found?.issuer !== issuer) return null
  return `by the issuer ${found.issuer}, asked at ${rfc3339(found.at)}`
}

/** The finding that forbids sending anything; `undefined` if there is none. */
function checkedTrust({ env, beforeSending }: Around): Finding | undefined {
  try {
    assertChecked(env)
    beforeSending()
    return undefined
  } catch (error) {
    return fail('trust', error)
  }
}
