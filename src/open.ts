import {
  loadConfig,
  namedClient,
  requireClient,
  withEndpoints,
  type ClientConfig,
  type Config,
} from './config/load.js'
import { locate, type Surroundings } from './config/locate.js'
import type { NamedClient } from './core/client.js'
import { fail, ok, skip, warn, type Check } from './core/check.js'
import { ConfigInvalid } from './core/errors.js'
import { TokenGuard, type TokenGuardOptions } from './core/guard.js'
import type { Host } from './core/host.js'
import { Logins, type Revoke } from './core/logins.js'
import type { Clock } from './core/moment.js'
import { rfc3339 } from './core/moment.js'
import { ageOf, expiryPolicy, type ExpiryPolicy } from './core/policy.js'
import type {
  AuthorizationServer,
  Discovered,
  PendingLogin,
  Notice,
  SeedSource,
  TokenStore,
  Turn,
} from './core/ports.js'
import { isOwn } from './core/ownership.js'
import type { TokenSet } from './core/token-set.js'
import { uninterrupted } from './signals.js'
import type { Network } from './network/network.js'
import type { ProbeAnswer, ProbeRequest } from './network/probe.js'
import { SqliteStore } from './store/sqlite-store.js'
import type { Connect } from './oauth/server.js'
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
  /** What was done about the store's lock before. */
  readonly turn?: Turn | undefined
}

export interface Opened {
  readonly config: Config
  readonly policy: ExpiryPolicy
  readonly store: TokenStore
  readonly guard: TokenGuard
  readonly logins: Logins
  /** The client that the configuration names, as far as it is known without asking anybody. */
  readonly named: () => Promise<NamedClient>
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
  const turn = turnFor(config, around)

  const policy = expiryPolicy(config.refresh.early, config.refresh.minValid)
  const store = new SqliteStore(config.store.path, { env, notify, turn })
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
    ...(turn && { seen: turn.seen }),
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
    named: async () => namedClient(await known()),
    client: async () => requireClient(await known()),
    revoke: async () => revocation(await known(), await agent()),
    agent,
  }
}

/** The configuration may have been changed while the turn was waited for. */
function turnFor({ store }: Config, { turn }: Around): Turn | undefined {
  if (turn?.store === store.path) return turn
  turn?.lock.release()
  return undefined
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

/** For the one request to the token endpoint. @throws As `openNetwork`. */
async function openConnect(config: Config): Promise<Connect> {
  const { proxy, credentials } = config.network
  if (proxy === null) return (await import('./network/direct.js')).direct(credentials())
  const network = await openNetwork(config)
  return (_origin, options) => network.agent(options)
}

/** @see RFC 7009 */
async function revocation(config: Config, agent: Network['agent']): Promise<Revoke | null> {
  const { revocationUrl, unfit } = config
  const wrong = unfit.find(({ name }) => name === 'client.revocation_url')
  if (wrong !== undefined) throw wrong.error
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
    const connect = await openConnect(config)
    loaded = new TokenEndpoint({
      ...{ tokenUrl, clientId, clientSecret, authMethod, scope, clock, connect },
      userAgent: `hq-token/${packageVersion()}`,
    })
    return loaded
  }
  return {
    host: config.tokenUrl?.host ?? (config.issuer === null ? 'the server' : new URL(config.issuer).host),
    proxy: config.network.proxy?.host ?? null,
    client: async () => namedClient(await known()),
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

/** What can be found out without spending anything. */
export interface Examination {
  /** Of the configuration and the store. */
  readonly here: readonly Check[]
  /** What the store holds; `undefined` where it cannot be read. */
  readonly content:
    { readonly set: TokenSet | undefined; readonly login: PendingLogin | undefined } | undefined
  /** `undefined` where it cannot be read. */
  readonly config: Config | undefined
  /** The client that it names; `undefined` where it cannot be read. */
  readonly named: NamedClient | undefined
  /** `undefined` where the configuration cannot be read. */
  readonly policy: ExpiryPolicy | undefined
  /** Of the seed file that would be imported now; `undefined` where none would be. */
  readonly seed: Check | undefined
  /**
   * Of the servers; the refresh token and the client secret are shown to none of them.
   *
   * @param online Shows the stored access token to the API.
   */
  readonly servers: (online: boolean) => Promise<readonly Check[]>
}

/**
 * Looks at everything that `open` puts together, piece by piece, and goes on where that would throw.
 *
 * @throws {UsageError} when the profile's name is none.
 */
export async function examine(choice: Choice, around: Around): Promise<Examination> {
  const { env, platform, homedir, clock } = around
  const { inspectClient, inspectConfig, inspectRedirectUri, inspectSecret, inspectTrust, inspectUnfit } =
    await import('./config/inspect.js')
  const { checks, config: loaded } = inspectConfig(choice, { env, platform, homedir })
  if (loaded === undefined) {
    const left = ['store', 'servers'].map((name) => skip(name, 'needs the configuration'))
    return {
      ...{ here: [...checks, ...left], content: undefined, config: undefined, named: undefined },
      ...{ policy: undefined, seed: undefined },
      servers: () => Promise.resolve([]),
    }
  }
  const { inspectStore } = await import('./store/inspect.js')
  const { path, rule } = loaded.store
  const { checks: ofStore, content } = await inspectStore(path, { rule, env })
  const config = withEndpoints(loaded, content?.discovered)
  const trust = checkedTrust(around) ?? inspectTrust(config, env, clock().now)
  const settings = [
    inspectClient(config, endpointsFrom(loaded, content?.discovered)),
    ...inspectRedirectUri(config),
    ...inspectUnfit(config),
    await inspectSecret(config),
    trust,
  ]
  const isEmpty = content !== undefined && content.set === undefined
  return {
    here: [...checks, ...settings, ...ofStore],
    content,
    config,
    named: namedClient(config),
    policy: expiryPolicy(config.refresh.early, config.refresh.minValid),
    seed:
      isEmpty && config.seedFile !== null ? await inspectSeed(config.seedFile, config, around) : undefined,
    servers: (online) =>
      trust.status === 'fail'
        ? Promise.resolve([skip('servers', 'nothing is sent anywhere before they can be told from others')])
        : inspectServers(config, online, content?.set, around),
  }
}

/** Who has named the token endpoint, where the configuration leaves that to its issuer. */
function endpointsFrom({ tokenUrl, issuer }: Config, found: Discovered | undefined): string | null {
  if (tokenUrl !== null || found?.issuer !== issuer) return null
  return `by the issuer ${found.issuer}, asked at ${rfc3339(found.at)}`
}

/** What forbids to send anything; `undefined` where nothing does. */
function checkedTrust({ env, beforeSending }: Around): Check | undefined {
  try {
    assertChecked(env)
    beforeSending()
    return undefined
  } catch (error) {
    return fail('trust', error)
  }
}

async function inspectSeed(path: string, { refresh }: Config, { clock }: Around): Promise<Check> {
  const { seedIfThere } = await import('./config/seed-file.js')
  try {
    const found = await seedIfThere(path, { clock, defaultLifetime: refresh.defaultLifetime })
    return found === undefined
      ? warn('seed', `the seed file ${path} of [seed] file does not exist`)
      : ok('seed', `${path}: the next \`get\` imports it`)
  } catch (error) {
    return fail('seed', error)
  }
}

/** All at once: a network that says nothing keeps nobody waiting for longer than one probe. */
async function inspectServers(
  config: Config,
  online: boolean,
  set: TokenSet | undefined,
  { clock }: Around,
): Promise<readonly Check[]> {
  const { probe } = await import('./network/probe.js')
  const { inspectWay, unanswered } = await import('./network/inspect.js')
  const { proxy, proxyFrom } = config.network
  const proxyShown = proxy === null ? null : `${proxy.origin} (${proxyFrom ?? ''})`
  const network = await openNetwork(config)
  const questions = await Promise.all(
    (await questionsFor(config, online, set, clock, network)).map(async (question) => {
      const headers = { ...question.request.headers, 'user-agent': `hq-token/${packageVersion()}` }
      const found = await probe(network, proxy, { ...question.request, headers })
      return { ...question, found, now: clock().now }
    }),
  )
  const origins = [...new Set(questions.map(({ found }) => found.url.origin))]
  const ways = origins.map((origin) => {
    const there = questions.filter(({ found }) => found.url.origin === origin)
    const best = there.find(({ found }) => found.answer !== null) ?? there[0]
    return best === undefined ? undefined : inspectWay(best.found, proxyShown, best.now)
  })
  const verdicts = questions.map(async ({ name, found, judge }) => {
    if (ways[origins.indexOf(found.url.origin)]?.isReached !== true)
      return skip(name, `needs a way to ${found.url.host}`)
    return found.answer === null ? unanswered(name, found) : judge(found.answer)
  })
  const left = online ? whyNoApi(config, set) : []
  return [...ways.flatMap((way) => way?.checks ?? []), ...(await Promise.all(verdicts)), ...left]
}

function whyNoApi(config: Config, set: TokenSet | undefined): Check[] {
  if (config.apiUrl === null)
    return [skip('API', 'neither instance nor api_url in [client] of the config names one')]
  if (set === undefined) return [skip('API', 'needs a token set')]
  return isOwn(set, namedClient(config)) ? [] : [skip('API', 'the token in the store is another client’s')]
}

interface Question {
  readonly name: string
  readonly request: ProbeRequest
  readonly judge: (answer: ProbeAnswer) => Check | Promise<Check>
}

async function questionsFor(
  config: Config,
  online: boolean,
  set: TokenSet | undefined,
  clock: Clock,
  network: Network,
): Promise<readonly Question[]> {
  const { tokenUrl, authorizeUrl, apiUrl, instance, issuer } = config
  const oauth = await import('./oauth/inspect.js')
  const questions: Question[] = []
  if (tokenUrl !== null)
    questions.push({
      name: oauth.TOKEN_URL,
      request: { url: tokenUrl, ...oauth.IDLE_TOKEN_REQUEST },
      judge: (answer) => oauth.inspectTokenUrl(tokenUrl, answer),
    })
  if (authorizeUrl !== null)
    questions.push({
      name: oauth.AUTHORIZE_URL,
      request: { url: authorizeUrl, method: 'GET', headers: { accept: 'text/html' } },
      judge: (answer) => oauth.inspectAuthorizeUrl(authorizeUrl, answer),
    })
  if (issuer !== null && tokenUrl === null)
    questions.push({
      name: oauth.ISSUER,
      request: { url: oauth.metadataUrl(issuer), method: 'GET', headers: { accept: 'application/json' } },
      judge: () =>
        oauth.inspectIssuer(issuer, network.agent({ connectMs: 10_000, idleMs: 15_000 }), clock().now),
    })
  if (online && apiUrl !== null && set !== undefined && isOwn(set, namedClient(config))) {
    const { API, inspectApi } = await import('./http/inspect.js')
    const { authorization } = await import('./http/repeat.js')
    // HighQ's API has nothing at its root.
    const url = instance === null ? apiUrl : new URL('1/sites', apiUrl)
    const isOver = ageOf(set.pair, clock()).age >= set.pair.lifetime
    const headers = { accept: 'application/json', authorization: authorization(set.pair.accessToken) }
    questions.push({
      name: API,
      request: { url, method: 'GET', headers },
      judge: ({ status }) => inspectApi(url, status, isOver),
    })
  }
  return questions
}
