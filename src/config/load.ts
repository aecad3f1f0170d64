// Turns the texts of the settings into a configuration, and says what is missing. Reads no secret before it is asked for.
import { addressProblem } from '../core/address.js'
import { isSameServer, type NamedClient } from '../core/client.js'
import { ConfigInvalid } from '../core/errors.js'
import type { Early } from '../core/policy.js'
import type { Discovered, Notice } from '../core/ports.js'
import type { Secret } from '../core/secret.js'
import { isUnconfigured, notConfigured } from '../core/unconfigured.js'
import { environmentNotices } from './environment.js'
import { isPersonKey, type KeyName, type PersonKey } from './keys.js'
import type { Located } from './paths.js'
import { exposedSecrets, namedFiles } from './named-files.js'
import { notifyConfig, type NotifyConfig } from './notify.js'
import { networkConfig, type NetworkConfig } from './network.js'
import type { AuthMethod } from '../core/auth-method.js'
import { targetStore, type TargetStore } from './move-target.js'
import { readSecret, secretOrigin } from './secret-origin.js'
import { sharedStore, type SharedStoreConfig } from './shared-store.js'
import { read, supportedKeys, type SupportedKey, type Values } from './schema.js'
import { readSettings, type ConfigSource, type Settings } from './settings.js'
import { defaultStore, pathIn } from './paths.js'
import { suggestion } from './suggest.js'

/** The configuration, checked. URLs that a path is resolved against end in a slash. */
export interface Config {
  /** The config file; `null` where there is none. */
  readonly file: string | null
  readonly profile: string | null
  readonly instance: URL | null
  readonly tokenUrl: URL | null
  readonly authorizeUrl: URL | null
  readonly revocationUrl: URL | null
  readonly apiUrl: URL | null
  readonly issuer: string | null
  readonly scope: string | null
  readonly redirectUri: string | null
  readonly authMethod: AuthMethod
  readonly clientId: string | null
  /** The setting that gives the client secret, for messages; `null` where none does. */
  readonly secretFrom: string | null
  /**
   * The client secret; reads its file or runs its command at the first call only.
   *
   * @throws {ConfigInvalid} when it cannot be had.
   */
  readonly clientSecret: () => Promise<Secret | undefined>
  /** The store's file; beside `shared` the seat of this host. */
  readonly store: Located
  /** The store that many hosts share; `null` where the file is the store. */
  readonly shared: SharedStoreConfig | null
  /** The store that a move goes to; `null` for every other command. */
  readonly moveTo: TargetStore | null
  readonly seedFile: string | null
  /** The files that it names beside the seed: secrets, keys, authorities. @throws {ConfigInvalid} */
  readonly files: () => readonly string[]
  readonly refresh: {
    readonly early: Early
    /** Seconds, as all below. */
    readonly minValid: number
    readonly timeout: number
    readonly lockWait: number
    readonly defaultLifetime: number
  }
  readonly network: NetworkConfig
  /** Whom to tell of trouble; `null` for nobody. */
  readonly notify: NotifyConfig | null
  /** The keys that cannot be used, of those that only a login or a logout needs. Whoever needs one throws its error. */
  readonly unfit: readonly InvalidSetting[]
  readonly notices: readonly Notice[]
}

export interface InvalidSetting {
  readonly name: PersonKey
  readonly error: ConfigInvalid
}

/** A configuration that is enough to ask the token endpoint. */
export type ClientConfig = Config & { readonly tokenUrl: URL; readonly clientId: string }

/**
 * Reads and checks the configuration. What only some commands need may be missing: see `requireClient`.
 *
 * @throws {ConfigInvalid} naming file, line and key, or the environment variable; never a value.
 */
export function loadConfig(source: ConfigSource): Config {
  const { settings, notices } = readSettings(source, suggestion)
  const { values, unfit } = valuesOf(settings)
  const secret = secretOrigin(
    'client secret',
    {
      text: settings['client.client_secret'],
      file: settings['client.client_secret_file'],
      command: settings['client.client_secret_command'],
    },
    source,
  )
  if (secret !== undefined && values['client.auth_method'] === 'none')
    throw new ConfigInvalid(`auth_method is none, but ${secret.where} is given`, {
      hint: 'take one of the two out',
    })

  const instance = values['client.instance'] ?? null
  const below = (path: string): URL | null => (instance === null ? null : new URL(path, instance))
  const seedFile = settings['seed.file']
  const shared = sharedStore(settings, values, source, suggestion)
  const store = storePath(settings, source)
  const seat = shared === null ? undefined : store
  let reading: Promise<Secret> | undefined
  return {
    file: source.file?.path ?? null,
    profile: source.profile ?? null,
    instance,
    tokenUrl: values['client.token_url'] ?? below('api/oauth2/token'),
    // One that cannot be used is not exchanged for another place.
    authorizeUrl: isUnfit(unfit, 'client.authorize_url')
      ? null
      : (values['client.authorize_url'] ?? below('authorize.action')),
    revocationUrl: values['client.revocation_url'] ?? null,
    apiUrl: values['client.api_url'] ?? below('api/'),
    issuer: values['client.issuer'] ?? null,
    scope: values['client.scope'] ?? null,
    redirectUri: values['client.redirect_uri'] ?? null,
    authMethod: values['client.auth_method'],
    clientId: values['client.client_id'] ?? null,
    secretFrom: secret?.where ?? null,
    clientSecret: async () => (secret === undefined ? undefined : await (reading ??= readSecret(secret))),
    store,
    shared,
    moveTo:
      source.moveTo === undefined
        ? null
        : targetStore(source.moveTo, seat, settings, values, source, suggestion),
    seedFile: seedFile === undefined ? null : pathIn(seedFile, source),
    files: () => namedFiles(settings, shared).map(({ setting }) => pathIn(setting, source)),
    refresh: {
      early: values['refresh.early'],
      minValid: values['refresh.min_valid'],
      timeout: values['refresh.timeout'],
      lockWait: values['refresh.lock_wait'],
      defaultLifetime: values['refresh.default_lifetime'],
    },
    network: networkConfig(settings, source),
    notify: notifyConfig(settings, values, source),
    unfit,
    notices: [
      ...(source.notices ?? []),
      ...(source.isQuiet === true ? [] : environmentNotices(source, suggestion)),
      ...notices,
      ...exposedSecrets(namedFiles(settings, shared), source),
    ],
  }
}

/**
 * The client that the configuration names, as far as it does.
 *
 * @param discovered What an issuer has named: where that is the configured token endpoint, the two are one server.
 */
export function namedClient(
  { tokenUrl, issuer, clientId }: Config,
  discovered?: Pick<Discovered, 'issuer' | 'tokenUrl'>,
): NamedClient {
  const named = { tokenUrl: tokenUrl?.href ?? null, issuer, clientId }
  if (issuer !== null || tokenUrl === null || discovered === undefined) return named
  const itsOwn = { tokenUrl: discovered.tokenUrl, issuer: null, clientId: '' }
  return isSameServer(itsOwn, named) === true ? { ...named, issuer: discovered.issuer } : named
}

/**
 * The configuration with the endpoints that its issuer named, where it does not give them itself.
 *
 * @param discovered Of whichever issuer; another one's are passed over.
 * @param needed What a request is about to be sent to. Another that is not fit is left out: it must not keep a token
 *   from being refreshed.
 * @throws {ConfigInvalid} where the one that is needed is not fit: older versions have kept such.
 */
export function withEndpoints(
  config: Config,
  discovered: Omit<Discovered, 'at'> | undefined,
  needed: Endpoint = 'tokenUrl',
): Config {
  if (discovered === undefined || discovered.issuer !== config.issuer) return config
  const url = (name: Endpoint): URL | null => {
    const text = discovered[name]
    if (config[name] !== null || text === null) return config[name]
    // One that is configured and cannot be used is not exchanged for another place.
    if (isUnfit(config.unfit, `client.${KEY_OF[name]}`)) return null
    const problem = addressProblem(text)
    if (problem === undefined) return new URL(text)
    if (name !== needed) return null
    const key = KEY_OF[name]
    throw new ConfigInvalid(
      `the ${key} that the store keeps for the issuer ${discovered.issuer} ${problem}`,
      { hint: `hq-token login asks the issuer again (or set ${key} in [client] of the configuration)` },
    )
  }
  const [authorizeUrl, tokenUrl, revocationUrl] = [url('authorizeUrl'), url('tokenUrl'), url('revocationUrl')]
  return { ...config, authorizeUrl, tokenUrl, revocationUrl }
}

const KEY_OF = {
  authorizeUrl: 'authorize_url',
  tokenUrl: 'token_url',
  revocationUrl: 'revocation_url',
} as const

/** The endpoints that an issuer can name. */
export type Endpoint = keyof typeof KEY_OF

/**
 * The configuration as one that can refresh.
 *
 * @throws {ConfigInvalid} naming what is missing and where to put it.
 */
export function requireClient(config: Config): ClientConfig {
  const { tokenUrl, clientId, authMethod, secretFrom, issuer } = config
  if (isUnconfigured(config)) throw notConfigured()
  if (tokenUrl === null && issuer === null)
    throw missing(config, 'instance or token_url', 'instance = https://HOST/INSTANCE/', 'HQ_TOKEN_INSTANCE')
  if (clientId === null) throw missing(config, 'client_id', 'client_id = …', 'HQ_TOKEN_CLIENT_ID')
  if (secretFrom === null && authMethod !== 'none')
    throw missing(
      config,
      'client_secret',
      'client_secret, client_secret_file or client_secret_command (a public client: auth_method = none)',
      'HQ_TOKEN_CLIENT_SECRET',
    )
  if (tokenUrl === null)
    throw new ConfigInvalid(`the endpoints of the issuer ${issuer ?? ''} are not known yet`, {
      hint: 'hq-token refresh asks for them, and so does hq-token login (or set token_url)',
    })
  if (authMethod === 'client_secret_basic_plain' && clientId.includes(':'))
    throw new ConfigInvalid('auth_method is client_secret_basic_plain, and client_id holds a colon', {
      hint: 'set auth_method = client_secret_basic, which encodes it, or client_secret_post',
    })
  return { ...config, tokenUrl, clientId }
}

function missing({ file }: Config, what: string, entry: string, variable: string): ConfigInvalid {
  return file === null
    ? new ConfigInvalid(`${what} is missing: there is no config file, and ${variable} is not set`, {
        hint: `hq-token init writes a config file; or set ${variable}`,
      })
    : new ConfigInvalid(`the config file ${file} lacks ${what} in [client]`, {
        hint: `add to [client] in ${file}: ${entry}; or set ${variable}`,
      })
}

function valuesOf(settings: Settings): {
  readonly values: Values
  readonly unfit: readonly InvalidSetting[]
} {
  const values: Partial<Record<SupportedKey, unknown>> = {}
  const unfit: InvalidSetting[] = []
  for (const name of supportedKeys) {
    const setting = settings[name]
    if (setting === undefined) continue
    const reading = setting.text === '' ? { problem: 'is empty' } : read(name, setting.text)
    if ('problem' in reading) {
      const error = new ConfigInvalid(`${setting.where} ${reading.problem}`)
      if (!isPersonKey(name)) throw error
      unfit.push({ name, error })
    } else values[name] = reading.value
  }
  return { values: values as Values, unfit }
}

function isUnfit(unfit: readonly InvalidSetting[], name: KeyName): boolean {
  return unfit.some((one) => one.name === name)
}

/** The store's file: the configured one, else the one in the default place. */
function storePath(settings: Settings, source: ConfigSource): Located {
  const setting = settings['store.path']
  if (setting === undefined)
    return defaultStore(source.profile, source, settings['store.url'] === undefined ? '.db' : '.seat')
  return { path: pathIn(setting, source), rule: setting.from === 'file' ? '[store] path' : 'HQ_TOKEN_STORE' }
}
