import { withoutSecretVariables } from './config/keys.js'
import { loadConfig, namedClient, requireClient, type ClientConfig, type Config } from './config/load.js'
import { locate, type Surroundings } from './config/locate.js'
import { inspectSeed, seedMarks, seedSource } from './config/seed-source.js'
import type { NamedClient } from './core/client.js'
import { fail, skip, type Check } from './core/check.js'
import { ConfigInvalid } from './core/errors.js'
import { TokenGuard, type TokenGuardOptions } from './core/guard.js'
import type { Host } from './core/host.js'
import { Logins, type Revoke } from './core/logins.js'
import type { Clock } from './core/moment.js'
import { rfc3339 } from './core/moment.js'
import { ageOf, expiryPolicy, type ExpiryPolicy } from './core/policy.js'
import { Notices } from './core/notices.js'
import type { AuthorizationServer, Discovered, PendingLogin, Notice, TokenStore, Turn } from './core/ports.js'
import { mayUse } from './core/ownership.js'
import type { TokenSet } from './core/token-set.js'
import { uninterrupted, unstopped } from './signals.js'
import type { Network } from './network/network.js'
import { assertWay } from './network/no-proxy.js'
import type { ProbeAnswer, ProbeRequest } from './network/probe.js'
import { SqliteStore } from './store/sqlite-store.js'
import { packageVersion } from './version.js'
import { Endpoints, knownHere, type Keep } from './wiring/endpoints.js'

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
  readonly seedCheck: (set: TokenSet | undefined) => Promise<Check | undefined>
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
    around.turn?.lock.release()
    around.notify(notice)
  })
  const { notify } = notices
  const surroundings = { env, platform, homedir }
  const config = loadConfig({ ...surroundings, ...locate(choice, surroundings) })
  for (const notice of config.notices) notify(notice)
  const turn = turnFor(config, around)

  const policy = expiryPolicy(config.refresh.early, config.refresh.minValid)
  const whileHeld = quietlyAround(around)
  const store = notices.around(new SqliteStore(config.store.path, { env, notify, turn, whileHeld }))
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
    ...(turn && { seen: turn.seen }),
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

/** The configuration may have been changed while the turn was waited for. */
function turnFor({ store }: Config, { turn }: Around): Turn | undefined {
  if (turn?.store === store.path) return turn
  turn?.lock.release()
  return undefined
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
async function openNetwork({ network }: Config): Promise<Network> {
  const { Network } = await import('./network/network.js')
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
  const { clientAuthentication } = await import('./oauth/client-authentication.js')
  const { revoke } = await import('./oauth/revocation.js')
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
    const { TokenEndpoint } = await import('./oauth/server.js')
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
  /** Of the seed file that would be imported now, or that is spent; `undefined` where there is nothing to say. */
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
  const {
    inspectClient,
    inspectConfig,
    inspectRedirectUri,
    inspectSecret,
    inspectSeedFile,
    inspectTrust,
    inspectUnfit,
  } = await import('./config/inspect.js')
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
  const seedOptions = { clock, defaultLifetime: config.refresh.defaultLifetime }
  return {
    here: [...checks, ...settings, ...ofStore],
    content,
    config,
    named: namedClient(config, content?.discovered),
    policy: expiryPolicy(config.refresh.early, config.refresh.minValid),
    seed: content && (await inspectSeed(config.seedFile, content.set, path, seedOptions)),
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
  const asked = await questionsFor(config, online, set, clock, network)
  try {
    for (const { request } of asked) assertWay(request.url, config.network)
  } catch (error) {
    return [
      fail('proxy', error),
      ...asked.map(({ name, request: { url } }) => skip(name, `needs a way to ${url.host}`)),
    ]
  }
  const questions = await Promise.all(
    asked.map(async (question) => {
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
  return mayUse(set, namedClient(config), config.apiUrl)
    ? []
    : [skip('API', 'the token in the store is another client’s')]
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
  const { tokenUrl, authorizeUrl, apiUrl, instance, issuer, redirectUri } = config
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
        oauth.inspectIssuer(
          ...([issuer, network.agent({ connectMs: 10_000, idleMs: 15_000 }), clock().now] as const),
          authorizeUrl === null && redirectUri !== null,
        ),
    })
  if (online && apiUrl !== null && set !== undefined && mayUse(set, namedClient(config), apiUrl)) {
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
