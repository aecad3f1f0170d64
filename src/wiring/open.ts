// The composition root: configuration, store and server meet here, for the command line and the library.
import { withoutSecretVariables } from '../config/keys.js'
import { loadConfig, requireClient, type ClientConfig, type Config } from '../config/load.js'
import { locate } from '../config/locate.js'
import { type Surroundings } from '../config/paths.js'
import { inspectSeed, seedMarks, seedSource } from '../config/seed-source.js'
import type { NamedClient } from '../core/client.js'
import type { Finding } from '../core/finding.js'
import { ConfigInvalid } from '../core/errors.js'
import { TokenGuard } from '../core/guard.js'
import type { TokenGuardOptions } from '../core/guard-options.js'
import type { Host } from '../core/host.js'
import { Logins, type Revoke } from '../core/logins.js'
import type { Clock } from '../core/clock.js'
import { expiryPolicy, type ExpiryPolicy } from '../core/policy.js'
import { Notices } from '../core/notices.js'
import type { AuthorizationServer, Notice } from '../core/ports.js'
import type { TokenStore, Handover } from '../core/store-ports.js'
import type { TokenSet } from '../core/token-set.js'
import { uninterrupted, unstopped } from '../platform/signals.js'
import type { Network } from '../network/network.js'
import { assertWay } from '../network/no-proxy.js'
import { SqliteStore } from '../store/sqlite/sqlite-store.js'
import { packageVersion } from '../version.js'
import { Endpoints, type Keep } from './endpoints.js'

/** Which configuration to open; as `--config` and `--profile`. */
export interface Choice {
  readonly config?: string
  readonly profile?: string
}

/** The machine and the process around, as values. */
export interface Around extends Surroundings {
  readonly clock: Clock
  readonly host: () => Host
  /** Hears warnings. */
  readonly notify: (notice: Notice) => void
  /**
   * Asked right before a refresh token is sent.
   *
   * @throws {ConfigInvalid} where something around would lay it open.
   */
  readonly beforeSending: () => void
  /** What was done about the store's lock before. */
  readonly handover?: Handover | undefined
  /** Keeps what is written to standard error until it is called again; called when the lock is taken. */
  readonly holdBack?: () => () => void
}

export interface Opened {
  readonly config: Config
  readonly policy: ExpiryPolicy
  readonly store: TokenStore
  readonly guard: TokenGuard
  readonly logins: Logins
  /** The client that the configuration names, as far as it is known without asking anybody. */
  readonly named: () => Promise<NamedClient>
  readonly endpoints: Endpoints
  /** The configuration with all endpoints that are known. @throws {ConfigInvalid} where it cannot refresh. */
  readonly client: () => Promise<ClientConfig>
  /** Ends a grant at the server; `null` where nobody knows how. */
  readonly revoke: () => Promise<Revoke | null>
  /** How the seed file stands to what the store holds; `undefined` where there is nothing to say. */
  readonly seedCheck: (set: TokenSet | undefined) => Promise<Finding | undefined>
  /** Makes the way to servers other than the token endpoint, the first of them known. @throws {ConfigInvalid} */
  readonly agent: (first: URL | null) => Promise<Network['agent']>
  /** The environment for programs that are started: none of them needs a secret of ours. */
  readonly childEnv: () => NodeJS.ProcessEnv
}

/**
 * The composition root, for the command line and the library: here, and nowhere else, configuration,
 * store and server meet.
 *
 * @throws {ConfigInvalid | UsageError}
 */
export function open(choice: Choice, around: Around): Opened {
  const { env, platform, homedir, clock } = around
  const notices = new Notices((notice) => {
    // Whoever hears it may take his time: nobody is to wait for that.
    around.handover?.lock.release()
    around.notify(notice)
  })
  const { notify } = notices
  const surroundings = { env, platform, homedir }
  const config = loadConfig({ ...surroundings, ...locate(choice, surroundings) })
  for (const notice of config.notices) notify(notice)
  // The configuration may have been changed while the handover was waited for.
  const handover = around.handover?.store === config.store.path ? around.handover : undefined

  const policy = expiryPolicy(config.refresh.early, config.refresh.minValid)
  const whileHeld = quietlyAround(around)
  const store = notices.around(new SqliteStore(config.store.path, { env, notify, handover, whileHeld }))
  const seedOptions = { clock, defaultLifetime: config.refresh.defaultLifetime }
  const agent = async (first: URL | null): Promise<Network['agent']> => {
    assertChecked(env)
    if (first !== null) assertWay(first, config.network)
    const network = await openNetwork(config)
    return (options) => network.agent(options)
  }
  const endpoints = new Endpoints(config, { store, agent, clock })
  const options: TokenGuardOptions = {
    store,
    server: tokenEndpoint(config, endpoints, around),
    clock,
    policy,
    notify,
    uninterrupted,
    host: around.host(),
    timeout: config.refresh.timeout,
    lockWait: config.refresh.lockWait,
    defaultLifetime: config.refresh.defaultLifetime,
    apiUrl: config.apiUrl,
    ...(handover && { seen: handover.seen }),
    seedMarks: seedMarks(config.seedFile),
    ...(config.seedFile !== null && { seed: seedSource(config.seedFile, seedOptions, notify) }),
  }
  return {
    config,
    policy,
    store,
    guard: new TokenGuard(options),
    logins: new Logins(options),
    endpoints,
    named: () => endpoints.client(),
    client: async () => requireClient(await endpoints.known()),
    revoke: async () => {
      const now = await endpoints.forRevocation()
      return revocation(now, await agent(now.revocationUrl))
    },
    seedCheck: (set) => inspectSeed(config.seedFile, set, store.name, seedOptions),
    agent,
    childEnv: () => withoutSecretVariables(env),
  }
}

/** Nothing that this process writes, and no stop, keeps the lock: a terminal may take nothing, a person go home. */
function quietlyAround({ holdBack }: Around) {
  return <T>(section: () => Promise<T>): Promise<T> =>
    unstopped(async () => {
      const letGo = holdBack?.()
      try {
        return await section()
      } finally {
        letGo?.()
      }
    })
}

/** @throws {ConfigInvalid} where a file that it names cannot be used. */
export async function openNetwork({ network }: Config): Promise<Network> {
  const { Network } = await import('../network/network.js')
  const opened = new Network(network)
  opened.prepare()
  return opened
}

/** @see RFC 7009 */
async function revocation(config: Config, agent: Network['agent']): Promise<Revoke | null> {
  const { revocationUrl, unfit } = config
  const wrong = unfit.find(({ name }) => name === 'client.revocation_url')
  if (wrong !== undefined) throw wrong.error
  if (revocationUrl === null) return null
  const { clientId, authMethod, clientSecret } = requireClient(config)
  const { clientAuthentication } = await import('../oauth/client-authentication.js')
  const { revoke } = await import('../oauth/revocation.js')
  const { prove } = await clientAuthentication({ clientId, authMethod, clientSecret })
  const dispatcher = agent({ connectMs: 10_000, idleMs: 15_000 })
  return (token) => revoke(token, { revocationUrl, clientId, prove, dispatcher })
}

/** Loaded when it is first asked: a token that is fresh needs no client, no secret and no network. */
function tokenEndpoint(
  config: Config,
  endpoints: Endpoints,
  { env, clock, beforeSending }: Around,
): AuthorizationServer {
  let loaded: AuthorizationServer | undefined
  const endpoint = async (keep?: Keep): Promise<AuthorizationServer> => {
    if (loaded !== undefined) return loaded
    const { TokenEndpoint } = await import('../oauth/token-endpoint.js')
    const { tokenUrl, clientId, clientSecret, authMethod, scope, network } = requireClient(
      await endpoints.withDiscovery(keep),
    )
    assertWay(tokenUrl, network)
    loaded = new TokenEndpoint({
      ...{ tokenUrl, clientId, clientSecret, authMethod, scope, clock, network },
      userAgent: `hq-token/${packageVersion()}`,
    })
    return loaded
  }
  return {
    host: config.tokenUrl?.host ?? (config.issuer === null ? 'the server' : new URL(config.issuer).host),
    client: () => endpoints.client(),
    proxy: config.network.proxy?.host ?? null,
    get clientHint() {
      return loaded?.clientHint ?? null
    },
    prepare: async (held) => {
      assertChecked(env)
      beforeSending()
      await (await endpoint(held && ((found) => held.pin(found)))).prepare()
    },
    refresh: async (refreshToken, options) => (await endpoint()).refresh(refreshToken, options),
    redeem: async (grant, options) => (await endpoint()).redeem(grant, options),
    // Reading needs no client: what a dead process left must be understood without one.
    read: async (answer) =>
      loaded === undefined ? (await import('../oauth/answer.js')).readAnswer(answer) : loaded.read(answer),
  }
}

/**
 * Nothing secret is sent to a server of which nobody checks who it is.
 *
 * @throws {ConfigInvalid}
 */
export function assertChecked(env: Surroundings['env']): void {
  if (env['NODE_TLS_REJECT_UNAUTHORIZED'] === '0')
    throw new ConfigInvalid('NODE_TLS_REJECT_UNAUTHORIZED=0 switches off the check of who the server is', {
      hint: 'unset it; for an authority of your own set NODE_EXTRA_CA_CERTS=FILE',
    })
}
