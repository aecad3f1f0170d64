// Reads the settings of a store that many hosts share. Connects to nothing, and asks for the password when a server
// does.
import { userInfo } from 'node:os'
import { ConfigInvalid, UsageError } from '../core/errors.js'
import type { Secret } from '../core/secret.js'
import type { KeyName } from './keys.js'
import { credentialsOf, type NetworkConfig } from './network.js'
import { filedPassword } from './pgpass.js'
import type { Values } from './schema.js'
import { readSecret, secretOrigin, type SecretOrigin } from './secret-origin.js'
import type { ConfigSource, Setting, Settings } from './settings.js'
import { readStoreUrl, type DatabaseHost, type StoreUrl } from './store-url.js'
import type { Suggest } from './suggest.js'
import type { TrustedFile } from './trust.js'

/** A store that many hosts share, as configured. */
export interface SharedStoreConfig extends Pick<StoreUrl, 'display' | 'hosts'> {
  /** The row that keeps the token set. */
  readonly name: string
  /** The URL as a person typed it for a move; missing if the configuration names the store. */
  readonly typed?: string
  /** Seconds, as `recheck`. */
  readonly lease: number
  readonly recheck: number
  /** @throws {ConfigInvalid} nothing names a user, not even the system */
  readonly login: () => { readonly user: string; readonly database: string }
  /** Whether a command gives the password: then whatever must run none asks no database. */
  readonly isPasswordByCommand: boolean
  /**
   * The password, read anew at each call: it may end soon.
   *
   * @returns `undefined` if there is none.
   * @throws {ConfigInvalid}
   */
  readonly password: (host: DatabaseHost) => Promise<Secret | undefined>
  /** `ca` replaces the authorities that Node trusts by itself. Reads the files at each call. @throws {ConfigInvalid} */
  readonly credentials: NetworkConfig['credentials']
  /** The settings that name a file, and what that is. */
  readonly files: readonly (readonly [Setting | undefined, TrustedFile])[]
  /** Whether the password is looked for in PostgreSQL's own file. */
  readonly isPasswordFiled: boolean
}

/** Seconds between a lease's end and the end of a wait: for a look, and for the refresh itself. */
const AFTER_LEASE = 10

/** What is of no use without a URL. */
const ONLY_WITH_URL = [
  'store.name',
  'store.url_password_file',
  'store.url_password_command',
  'store.lease',
  'store.recheck',
] as const satisfies readonly KeyName[]

/**
 * The shared store; `null` where the configuration names none.
 *
 * @throws {ConfigInvalid | UsageError}
 */
export function sharedStore(
  settings: Settings,
  values: Values,
  source: ConfigSource,
  suggest: Suggest,
): SharedStoreConfig | null {
  const url = settings['store.url']
  if (url === undefined) {
    // They may be meant for the store that a move goes to.
    if (source.moveTo === undefined) refuseAlone(settings)
    return null
  }
  checkSeat(settings['store.path'])
  checkWait(settings, values)
  const { display, hosts, user, database, password, files } = readStoreUrl(url, source.env, suggest)
  const [file, command] = [settings['store.url_password_file'], settings['store.url_password_command']]
  const origin = secretOrigin('password', { text: password, file, command }, source) ?? variableOrigin(source)
  const login = (): { user: string; database: string } => {
    const name = user ?? systemUser(url)
    return { user: name, database: database ?? name }
  }
  const { sslrootcert, sslcert, sslkey } = files
  const ca = sslrootcert?.text === 'system' ? undefined : sslrootcert
  return {
    ...{ display, hosts, login },
    name: rowName(values, source),
    lease: values['store.lease'],
    recheck: values['store.recheck'],
    isPasswordByCommand: origin?.kind === 'command',
    password: async ({ name, port }) =>
      origin === undefined
        ? filed(filedPassword({ host: name, port, ...login() }, source))
        : readSecret(origin),
    credentials: () => credentialsOf({ ca, cert: sslcert, key: sslkey }, source),
    files: [
      [file, 'secret'],
      [ca, 'ca'],
      [sslcert, 'certificate'],
      [sslkey, 'key'],
    ],
    isPasswordFiled: origin === undefined,
  }
}

async function filed(text: string | undefined): Promise<Secret | undefined> {
  return text === undefined
    ? undefined
    : readSecret({ kind: 'text', what: 'password', where: 'the password file', text })
}

function variableOrigin({ env }: ConfigSource): SecretOrigin | undefined {
  // Not `variable`, because a password may begin or end with a space.
  const text = env['PGPASSWORD']
  return text === undefined || text === ''
    ? undefined
    : { kind: 'text', what: 'password', where: 'PGPASSWORD', text }
}

/** @throws {ConfigInvalid} */
function systemUser({ where }: Setting): string {
  try {
    return userInfo().username
  } catch {
    throw new ConfigInvalid(`${where} names no user, and the system has no name for this one`, {
      hint: 'name the user: postgres://USER@HOST/DATABASE, or PGUSER',
    })
  }
}

/** @throws {UsageError} where that would be the row of another configuration */
function rowName(values: Values, { profile }: ConfigSource): string {
  const name = values['store.name']
  if (name === undefined && profile === 'default')
    throw new UsageError(
      'a profile cannot be called default where hosts share a store: its token set would be called default, as that of the configuration without a profile',
      { hint: 'give it another name, or a name in [store] of its config file' },
    )
  return name ?? profile ?? 'default'
}

/** A host that has lost its URL would else use a store of its own, and find it empty. */
function refuseAlone(settings: Settings): void {
  for (const name of ONLY_WITH_URL) {
    const setting = settings[name]
    if (setting !== undefined && setting.from !== 'default')
      throw new ConfigInvalid(`${setting.where} is given without url, and means nothing then`, {
        hint: 'set url in [store], or HQ_TOKEN_STORE_URL; or take it out. For hq-token move alone give it by its variable: hq-token move --help',
      })
  }
}

function checkSeat(path: Setting | undefined): void {
  if (path?.text === 'none')
    throw new ConfigInvalid(`${path.where} is none: a host of a shared store needs a file of its own`, {
      hint: `name a file that may be lost at a restart, such as ${process.platform === 'win32' ? '%LOCALAPPDATA%\\hq-token\\token.seat' : '/tmp/hq-token/token.seat'}`,
    })
}

/** Else nobody could ever wait for the end of a lease whose holder has died on another host. */
function checkWait(settings: Settings, values: Values): void {
  const [wait, lease] = [values['refresh.lock_wait'], values['store.lease']]
  if (wait >= lease + AFTER_LEASE) return
  const where = (name: KeyName): string => settings[name]?.where ?? ''
  throw new ConfigInvalid(
    `lock_wait is ${wait} s (${where('refresh.lock_wait')}) and lease is ${lease} s (${where('store.lease')}): lock_wait must be at least ${AFTER_LEASE} s longer, because a host waits that long for another that has died`,
    {
      hint: `set lock_wait = ${lease + AFTER_LEASE}s in [refresh], or HQ_TOKEN_LOCK_WAIT; or a shorter lease`,
    },
  )
}
