import { loadConfig, requireClient, withEndpoints, type ClientConfig, type Config } from './config/load.js'
import { locate, type Surroundings } from './config/locate.js'
import { ConfigInvalid } from './core/errors.js'
import { TokenGuard, type TokenGuardOptions } from './core/guard.js'
import type { Host } from './core/host.js'
import { Logins, type Revoke } from './core/logins.js'
import type { Clock } from './core/moment.js'
import { expiryPolicy, type ExpiryPolicy } from './core/policy.js'
import type { AuthorizationServer, Notice, SeedSource, TokenStore } from './core/ports.js'
import { uninterrupted } from './signals.js'
import type { Network } from './network/network.js'
import { SqliteStore } from './store/sqlite-store.js'
import { packageVersion } from './version.js'

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
}

export interface Opened {
  readonly config: Config
  readonly policy: ExpiryPolicy
  readonly store: TokenStore
  readonly guard: TokenGuard
  readonly logins: Logins
  /** The configuration with all endpoints that are known. @throws {ConfigInvalid} where it cannot refresh. */
  readonly client: () => Promise<ClientConfig>
  /** Ends a grant at the server; `null` where nobody knows how. */
  readonly revoke: () => Promise<Revoke | null>
  /** Makes the way to servers other than the token endpoint. @throws {ConfigInvalid} */
  readonly agent: () => Promise<Network['agent']>
}

/**
 * The composition root, for the command line and the library: here, and nowhere else, configuration,
 * store and server meet.
 *
 * @throws {ConfigInvalid | UsageError}
 */
export function open(choice: Choice, around: Around): Opened {
  const { env, platform, homedir, clock, notify } = around
  const surroundings = { env, platform, homedir }
  const config = loadConfig({ ...surroundings, ...locate(choice, surroundings) })
  for (const notice of config.notices) notify(notice)

  const policy = expiryPolicy(config.refresh.early, config.refresh.minValid)
  const store = new SqliteStore(config.store.path, { env, notify })
  const known = async (): Promise<Config> =>
    config.issuer === null ? config : withEndpoints(config, await store.discovered())
  const options: TokenGuardOptions = {
    store,
    server: tokenEndpoint(config, known, around),
    clock,
    policy,
    notify,
    uninterrupted,
    host: around.host(),
    timeout: config.refresh.timeout,
    lockWait: config.refresh.lockWait,
    defaultLifetime: config.refresh.defaultLifetime,
    apiUrl: config.apiUrl,
    ...(config.seedFile !== null && { seed: seedSource(config.seedFile, config, around) }),
  }
  const agent = async (): Promise<Network['agent']> => {
    assertChecked(env)
    const network = await openNetwork(config)
    return (options) => network.agent(options)
  }
  return {
    config,
    policy,
    store,
    guard: new TokenGuard(options),
    logins: new Logins(options),
    client: async () => requireClient(await known()),
    revoke: async () => revocation(await known(), await agent()),
    agent,
  }
}

function seedSource(path: string, { refresh }: Config, { clock, notify }: Around): SeedSource {
  return async () => {
    const { seedIfThere } = await import('./config/seed-file.js')
    const found = await seedIfThere(path, { clock, defaultLifetime: refresh.defaultLifetime })
    if (found === undefined)
      notify({ level: 'warning', message: `the seed file ${path} of [seed] file does not exist` })
    for (const notice of found?.notices ?? []) notify(notice)
    return found?.seed
  }
}

/** @throws {ConfigInvalid} where a file that it names cannot be used. */
async function openNetwork({ network }: Config): Promise<Network> {
  const { Network } = await import('./network/network.js')
  const opened = new Network(network)
  opened.prepare()
  return opened
}

/** @see RFC 7009 */
async function revocation(config: Config, agent: Network['agent']): Promise<Revoke | null> {
  const { revocationUrl } = config
  if (revocationUrl === null) return null
  const { clientId, authMethod, clientSecret } = requireClient(config)
  const { clientAuthentication } = await import('./oauth/client-authentication.js')
  const { revoke } = await import('./oauth/revocation.js')
  const { authentication } = await clientAuthentication({ authMethod, clientSecret })
  const dispatcher = agent({ connectMs: 10_000, idleMs: 15_000 })
  return (token) => revoke(token, { revocationUrl, clientId, authentication, dispatcher })
}

/** Loaded when it is first asked: a token that is fresh needs no client, no secret and no network. */
function tokenEndpoint(
  config: Config,
  known: () => Promise<Config>,
  { env, clock, beforeSending }: Around,
): AuthorizationServer {
  let loaded: AuthorizationServer | undefined
  const endpoint = async (): Promise<AuthorizationServer> => {
    if (loaded !== undefined) return loaded
    const { TokenEndpoint } = await import('./oauth/server.js')
    const { tokenUrl, clientId, clientSecret, authMethod, scope } = requireClient(await known())
    const network = await openNetwork(config)
    loaded = new TokenEndpoint({
      ...{ tokenUrl, clientId, clientSecret, authMethod, scope, clock },
      userAgent: `hq-token/${packageVersion()}`,
      connect: (origin, options) => network.client(origin, options),
    })
    return loaded
  }
  return {
    host: config.tokenUrl?.host ?? (config.issuer === null ? 'the server' : new URL(config.issuer).host),
    prepare: async () => {
      assertChecked(env)
      beforeSending()
      await (await endpoint()).prepare()
    },
    refresh: async (refreshToken, options) => (await endpoint()).refresh(refreshToken, options),
    redeem: async (grant, options) => (await endpoint()).redeem(grant, options),
    // Reading needs no client: what a dead process left must be understood without one.
    read: async (answer) =>
      loaded === undefined ? (await import('./oauth/answer.js')).readAnswer(answer) : loaded.read(answer),
  }
}

/**
 * Nothing secret is sent to a server of which nobody checks who it is.
 *
 * @throws {ConfigInvalid}
 */
function assertChecked(env: Surroundings['env']): void {
  if (env['NODE_TLS_REJECT_UNAUTHORIZED'] === '0')
    throw new ConfigInvalid('NODE_TLS_REJECT_UNAUTHORIZED=0 switches off the check of who the server is', {
      hint: 'unset it; for an authority of your own set NODE_EXTRA_CA_CERTS=FILE',
    })
}
