/**
 * A program of somebody else's that uses every export of the package. It is compiled against the packed
 * tarball under each module resolution, and run under each Node.
 */
import {
  ClientRefused,
  ConfigInvalid,
  Exit,
  expiryPolicy,
  LockTimeout,
  LoginRequired,
  machineClock,
  machineHost,
  openGuard,
  OtherClient,
  OutcomeUnknown,
  Secret,
  SeedInvalid,
  ServerUnavailable,
  StoreBusy,
  StoreUnreachable,
  StoreUnusable,
  TokenError,
  TokenGuard,
  UsageError,
  type AccessToken,
  type AdoptOptions,
  type Ask,
  type AuthorizationServer,
  type Client,
  type Adopted,
  type Clock,
  type CodeGrant,
  type Counters,
  type Discovered,
  type Early,
  type ErrorCode,
  type ErrorDetails,
  type ExclusiveOptions,
  type ExitCode,
  type ExpiryPolicy,
  type Failure,
  type HeldStore,
  type Landed,
  type HistoryEntry,
  type Host,
  type Holder,
  type Intent,
  type Marking,
  type ClockReading,
  type NamedClient,
  type Notice,
  type OpenGuardOptions,
  type Origin,
  type PendingLogin,
  type Pins,
  type RawAnswer,
  type Reading,
  type RequestLimits,
  type Refreshed,
  type RefreshOptions,
  type Rescued,
  type RescueFile,
  type Sharing,
  type Seed,
  type SeedFile,
  type SeedMarks,
  type SeedSource,
  type SpentSeed,
  type TokenGuardOptions,
  type TokenPair,
  type TokenSet,
  type TokenStore,
  type Words,
} from 'hq-token'
import {
  TokenEndpoint,
  type AuthMethod,
  type Credentials,
  type NetworkSettings,
  type TokenEndpointOptions,
} from 'hq-token/oauth'
import {
  bazelSchema,
  doctorSchema,
  getSchema,
  googleSchema,
  historyComparisonSchema,
  historySchema,
  kubernetesSchema,
  logLineSchema,
  schemas,
  statusAllSchema,
  statusSchema,
  type BazelCredential,
  type DoctorReport,
  type GetOutput,
  type GoogleCredential,
  type HistoryComparison,
  type HistoryReport,
  type KubernetesCredential,
  type LogLine,
  type StatusAllReport,
  type StatusReport,
} from 'hq-token/schemas'
import { SqliteStore, type SqliteStoreOptions } from 'hq-token/sqlite'
import {
  bearer,
  tokenFetch,
  type AnyFetch,
  type BearerOptions,
  type Interceptor,
  type TokenFetchOptions,
  type TokenSource,
} from 'hq-token/undici'
import { Agent, fetch as undiciFetch, interceptors, Pool } from 'undici'

const endpoint: TokenEndpointOptions = {
  tokenUrl: new URL('https://acme.highq.com/acme/api/oauth2/token'),
  clientId: '1012',
  clientSecret: () => Promise.resolve(new Secret('secret')),
  authMethod: 'client_secret_post',
  scope: null,
  clock: machineClock,
  userAgent: 'consumer/1.0',
  network: { proxy: null, noProxy: '', credentials: () => ({ ca: null, client: null }) },
}
const server: AuthorizationServer = new TokenEndpoint(endpoint)
const early: Early = { percent: 10 }
const policy: ExpiryPolicy = expiryPolicy(early, 60)
const clock: Clock = machineClock
const host: Host = machineHost()
const parts = { server, clock, policy, host, apiUrl: new URL('https://acme.highq.com/acme/api/') }

export function byHand(path: string): TokenGuard {
  const more: SqliteStoreOptions = { notify: (notice) => warnings.push(notice) }
  const store: TokenStore = new SqliteStore(path, more)
  const options: TokenGuardOptions = { ...parts, store }
  return new TokenGuard(options)
}

const warnings: Notice[] = []
const choice: OpenGuardOptions = { notify: (notice) => warnings.push(notice) }
const guard: TokenGuard = await openGuard(choice)
const ask: Ask = { minValid: 300 }
const token: AccessToken = await guard.token(ask)
const source: TokenSource = guard

// Neither finds anything to do: the token set is young, and the store holds it.
const young: RefreshOptions = { ifOlder: 86_400 }
const { set, renewed }: Refreshed = await guard.refresh(young)
const seed: Seed = { pair: set.pair, user: set.user, source: 'consumer' }
const file: SeedFile | null = set.seedFile
const spent: SpentSeed = { fingerprint: set.pair.refreshToken.fingerprint, spentAt: 0 }
const none: Marking = 'gone'
export const seedMarks: SeedMarks = {
  configured: file?.path ?? null,
  spentAt: (_path, fingerprint) => Promise.resolve(fingerprint === spent.fingerprint ? spent.spentAt : null),
  put: () => Promise.resolve(none),
}
await guard.settled()
const kept: AdoptOptions = { force: false }
const { imported } = await guard.adopt(seed, kept)
await guard.accepted(token.secret)

const bearerOptions: BearerOptions = { origin: process.env['API'] ?? 'https://acme.highq.com' }
const interceptor: Interceptor = bearer(source, bearerOptions)
const agent = new Agent().compose(interceptor, interceptors.redirect({ maxRedirections: 5 }))
const pool = new Pool('https://acme.highq.com').compose([bearer(guard, bearerOptions)])

const fetchOptions: TokenFetchOptions<typeof undiciFetch> = { fetch: undiciFetch, ...bearerOptions }
const byUndici: typeof undiciFetch = tokenFetch(guard, fetchOptions)
const byNode: typeof fetch = tokenFetch(guard, bearerOptions)
const any: AnyFetch = byUndici

const classes = [
  ...[ClientRefused, ConfigInvalid, LockTimeout, LoginRequired, OtherClient, OutcomeUnknown],
  ...[SeedInvalid, ServerUnavailable, StoreBusy, StoreUnreachable, StoreUnusable, UsageError],
]
const details: ErrorDetails = { hint: 'none' }
const errors: TokenError[] = classes.map((Class) => new Class('told', details))
const codes: [ExitCode, ErrorCode][] = errors.map(({ exit, code }) => [exit, code])

export type Shapes = [
  ...[
    AuthMethod,
    Credentials,
    NetworkSettings,
    ExclusiveOptions<ClockReading>,
    Failure,
    HeldStore,
    Landed,
    HistoryEntry,
    Holder,
    Intent,
    Origin,
    RawAnswer,
  ],
  ...[Adopted, Pins],
  ...[Client, CodeGrant, Counters, Discovered, NamedClient, PendingLogin, SeedFile, TokenSet, Words],
  ...[Reading, RequestLimits, Rescued, RescueFile, SeedSource, Sharing, TokenPair],
]

const headers: BazelCredential = bazelSchema.parse(JSON.parse('{"headers":{},"later":1}'))
const line: LogLine = logLineSchema.parse({ time: '2026-01-01T00:00:00.000Z', level: 'info', message: 'm' })

/** What a program does with each output. */
export const readers = {
  status: (text: string): StatusReport['state'] => statusSchema.parse(JSON.parse(text)).state,
  profiles: (text: string): StatusAllReport['profiles'] => statusAllSchema.parse(JSON.parse(text)).profiles,
  doctor: (text: string): DoctorReport['checks'] => doctorSchema.parse(JSON.parse(text)).checks,
  history: (text: string): HistoryReport['entries'] => historySchema.parse(JSON.parse(text)).entries,
  comparison: (text: string): HistoryComparison['relation'] =>
    historyComparisonSchema.parse(JSON.parse(text)).relation,
  get: (text: string): GetOutput => getSchema.parse(JSON.parse(text)),
  google: (text: string): GoogleCredential => googleSchema.parse(JSON.parse(text)),
  kubernetes: (text: string): KubernetesCredential => kubernetesSchema.parse(JSON.parse(text)),
}

/** Calls the API by each way, if there is one to call. */
async function statuses(api: string | undefined): Promise<number[]> {
  if (api === undefined) return []
  const { origin, pathname: path } = new URL(api)
  const { statusCode, body } = await agent.request({ origin, path, method: 'GET' })
  await body.dump()
  const [node, undici] = await Promise.all([byNode(api), byUndici(api)])
  await Promise.all([node.text(), undici.text()])
  return [statusCode, node.status, undici.status]
}

console.log(
  JSON.stringify({
    statuses: await statuses(process.env['API']),
    token: String(token.secret),
    left: token.expiresAt > machineClock().now,
    calls: typeof any,
    codes: codes.some(([exit, code]) => exit === Exit.login && code === 'HQ_LOGIN_REQUIRED'),
    did: [renewed, imported],
    read: [Object.keys(headers).join(), line.level, Object.keys(schemas).length],
    warnings: warnings.map(({ level }) => level),
  }),
)
await Promise.all([agent.close(), pool.close()])
