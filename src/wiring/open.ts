// The composition root: puts configuration, store and server together, for the command line and the library. Prints
// nothing.
import { withoutSecretVariables } from '../config/keys.js'
import { loadConfig, requireClient, type ClientConfig, type Config } from '../config/load.js'
import { locate } from '../config/locate.js'
import type { MoveTarget } from '../config/settings.js'
import { type Surroundings } from '../config/paths.js'
import { inspectSeed, seedMarks, seedSource } from '../config/seed-source.js'
import type { AlertStore } from '../core/alerts.js'
import type { NamedClient } from '../core/client.js'
import type { Finding } from '../core/finding.js'
import { ConfigInvalid } from '../core/errors.js'
import { TokenGuard } from '../core/guard.js'
import type { TokenGuardOptions } from '../core/guard-options.js'
import type { Host } from '../core/host.js'
import { Logins, type Revoke } from '../core/logins.js'
import type { Clock } from '../core/clock.js'
import type { Moved } from '../core/move.js'
import { expiryPolicy, type ExpiryPolicy } from '../core/policy.js'
import { Notices } from '../core/notices.js'
import type { AuthorizationServer, Notice } from '../core/ports.js'
import type { MovableStore } from '../core/move-ports.js'
import type { TokenStore, Handover } from '../core/store-ports.js'
import type { TokenSet } from '../core/token-set.js'
import { uninterrupted, unstopped } from '../platform/signals.js'
import { CommonSeat } from '../store/seat.js'
import type { Network } from '../network/network.js'
import { assertWay } from '../network/no-proxy.js'
import { packageVersion } from '../version.js'
import { Endpoints, type Keep } from './endpoints.js'
import { namesStore } from './names-store.js'
import { openStore, openTarget } from './open-store.js'

/** Which configuration to open, as `--config` and `--profile` do. */
export interface Choice {
  readonly config?: string
  readonly profile?: string
}

/** The same for a command, which may be a move. */
export interface CommandChoice extends Choice {
  /** The store that a move goes to. */
  readonly moveTo?: MoveTarget
}

/** The machine and the process around the program, as values. */
export interface Around extends Surroundings {
  readonly clock: Clock
  readonly host: () => Host
  /** Whether unknown variables are passed over without a warning. */
  readonly isQuiet?: boolean
  /** Receives the warnings. */
  readonly notify: (notice: Notice) => void
  /**
   * Checks the surroundings right before a refresh token is sent.
   *
   * @throws {ConfigInvalid} if another program could read the token, as by an open inspector.
   */
  readonly beforeSending: () => void
  /** The lock that the warm path hands over, or its wait for it. */
  readonly handover?: Handover | undefined
  /**
   * Called when the lock is taken. Holds back what is written to standard error, until the function that it returns
   * is called.
   */
  readonly holdBack?: () => () => void
}

export interface Opened {
  readonly config: Config
  readonly policy: ExpiryPolicy
  readonly store: TokenStore
  /** The store's memory of the trouble that people were told of. */
  readonly alerts: AlertStore
  readonly host: Host
  readonly guard: TokenGuard
  readonly logins: Logins
  /** The client that the configuration names, as far as it is known without asking anybody. */
  readonly named: () => Promise<NamedClient>
  readonly endpoints: Endpoints
  /** The configuration with all endpoints that are known. @throws {ConfigInvalid} where it cannot refresh. */
  readonly client: () => Promise<ClientConfig>
  /** Gives the function that revokes a token; `null` if no revocation endpoint is known. */
  readonly revoke: () => Promise<Revoke | null>
  /** Takes the token set to the store that `CommandChoice.moveTo` names; `next` says how to name that in the configuration. */
  readonly move: (
    force: boolean,
  ) => Promise<{ readonly moved: Moved; readonly to: MovableStore; readonly next: string }>
  /** Compares the seed file with what the store holds; `undefined` if there is nothing to say. */
  readonly seedCheck: (set: TokenSet | undefined) => Promise<Finding | undefined>
  /**
   * Makes the way to all servers but the token endpoint. Checks the way to the first, if it is known.
   *
   * @throws {ConfigInvalid}
   */
  readonly agent: (first: URL | null) => Promise<Network['agent']>
  /** The environment for programs that are started: without our secrets, because none of them needs one. */
  readonly childEnv: () => NodeJS.ProcessEnv
}

/**
 * Puts configuration, store and server together.
 *
 * @throws {ConfigInvalid | UsageError}
 */
export function open(choice: CommandChoice, around: Around): Opened {
  const { env, platform, homedir, clock } = around
  const notices = new Notices((notice) => {
    // Release first: a slow reader of the warning must not hold up other jobs.
    around.handover?.lock.release()
    around.notify(notice)
  })
  const { notify } = notices
  const surroundings = { env, platform, homedir }
  const { isQuiet } = around
  const config = loadConfig({
    ...surroundings,
    ...locate(choice, surroundings),
    isQuiet,
    moveTo: choice.moveTo,
  })
  for (const notice of config.notices) notify(notice)
  // The configuration may have changed while the process waited for the handover.
  const handover = around.handover?.store === config.store.path ? around.handover : undefined

  const policy = expiryPolicy(config.refresh.early, config.refresh.minValid)
  const whileHeld = quietlyAround(around)
  const host = around.host()
  const names = namesStore(config, env)
  const here = { host, names }
  const storeOptions = { env, notify, handover, whileHeld, here }
  const isSeatCommon = config.shared !== null && config.moveTo !== null && config.moveTo.shared !== null
  const seat = isSeatCommon ? new CommonSeat(config.store.path, storeOptions) : undefined
  const own = openStore(config, storeOptions, { clock, host, seat })
  const store = notices.around(own)
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
    host,
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
    alerts: own,
    host,
    guard: new TokenGuard(options),
    logins: new Logins(options),
    endpoints,
    named: () => endpoints.client(),
    client: async () => requireClient(await endpoints.known()),
    revoke: async () => {
      const now = await endpoints.forRevocation()
      return revocation(now, await agent(now.revocationUrl))
    },
    move: async (force) => {
      const { move } = await import('../core/move.js')
      const to = openTarget(config, storeOptions, { clock, host, seat })
      try {
        const moved = await move(own, to, options, { force, here })
        return { moved, to, next: names(to.address) }
      } finally {
        await to.close()
      }
    },
    seedCheck: (set) => inspectSeed(config.seedFile, set, store.name, seedOptions),
    agent,
    childEnv: () => withoutSecretVariables(env),
  }
}

/**
 * While the lock is held, output and a stop (Ctrl-Z) wait, because a blocked terminal or a stopped job would keep the
 * lock.
 */
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

/** @throws {ConfigInvalid} if a file that the configuration names cannot be used. */
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

/** Loads the token endpoint when it is first asked, because a fresh token needs no client, no secret and no network. */
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
    // Reading needs no client, because an answer that a dead process left must be understood without one.
    read: async (answer) =>
      loaded === undefined ? (await import('../oauth/answer.js')).readAnswer(answer) : loaded.read(answer),
  }
}

/**
 * Refuses to send a secret if nobody checks who the server is.
 *
 * @throws {ConfigInvalid}
 */
export function assertChecked(env: Surroundings['env']): void {
  if (env['NODE_TLS_REJECT_UNAUTHORIZED'] === '0')
    throw new ConfigInvalid('NODE_TLS_REJECT_UNAUTHORIZED=0 switches off the check of who the server is', {
      hint: 'unset it; for an authority of your own set NODE_EXTRA_CA_CERTS=FILE',
    })
}
