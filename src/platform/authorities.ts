// The authorities that vouch for servers: Node's own and, on Windows and macOS, the system's. Opens no connection.
import { readFileSync } from 'node:fs'
import tls from 'node:tls'
import { hints } from './hints.js'

/** This Node, as far as trust depends on it. */
export interface TrustRuntime {
  readonly platform: NodeJS.Platform
  readonly env: NodeJS.ProcessEnv
  readonly version: string
  /** Absent before Node 22.15 and 23.10. */
  readonly getCACertificates: ((type?: 'default' | 'system') => readonly string[]) | undefined
}

export const THIS_RUNTIME: TrustRuntime = {
  platform: process.platform,
  // Read at each look, because `process.env` may be replaced.
  get env() {
    return process.env
  },
  version: process.version,
  getCACertificates: (tls as Partial<Pick<TrustRuntime, 'getCACertificates'>>).getCACertificates,
}

/**
 * The fate of the system's certificate store. Linux has `foreign`, because its programs expect Node's own list.
 * `off`: NODE_USE_SYSTEM_CA=0 says so, since a Mac may take seconds to read its keychain.
 */
export type SystemStore = 'used' | 'foreign' | 'off' | 'out of reach'

export function systemStore({ platform, env, getCACertificates }: TrustRuntime): SystemStore {
  if (platform !== 'win32' && platform !== 'darwin') return 'foreign'
  if (env['NODE_USE_SYSTEM_CA'] === '0') return 'off'
  return getCACertificates === undefined ? 'out of reach' : 'used'
}

/**
 * Node's own authorities (`NODE_EXTRA_CA_CERTS` included), the system's, and those given. `undefined` if Node's
 * default says the same: passing a list replaces that.
 */
export function trusted(given: string | null, runtime = THIS_RUNTIME): string[] | undefined {
  const more = [...systemAuthorities(runtime), ...(given === null ? [] : [given])]
  return more.length === 0 ? undefined : [...new Set([...nodeAuthorities(runtime), ...more])]
}

const read = new WeakMap<TrustRuntime, readonly string[]>()

/** Reads the system's store once for each process, because that may take a second. */
function systemAuthorities(runtime: TrustRuntime): readonly string[] {
  if (systemStore(runtime) !== 'used') return []
  const known = read.get(runtime) ?? attempted(() => runtime.getCACertificates?.('system') ?? [])
  read.set(runtime, known)
  return known
}

function nodeAuthorities({ getCACertificates, env }: TrustRuntime): readonly string[] {
  if (getCACertificates !== undefined) return getCACertificates()
  // Like Node, go on without the file if it cannot be read.
  const extra = env['NODE_EXTRA_CA_CERTS']
  return extra
    ? [...tls.rootCertificates, ...attempted(() => [readFileSync(extra, 'utf8')])]
    : tls.rootCertificates
}

/** Goes on without what cannot be read: the server's certificate is checked by the others. */
function attempted(list: () => readonly string[]): readonly string[] {
  try {
    return list()
  } catch {
    return []
  }
}

const FIRM = 'ca_file = FILE in [network] of the config, or NODE_EXTRA_CA_CERTS=FILE'

/** The ways to let an authority vouch that is unknown so far. */
export function trustHint(runtime = THIS_RUNTIME): string {
  const own = `for an authority of your own: ${FIRM}`
  const store = systemStore(runtime)
  if (store === 'foreign')
    return knowsVariable(runtime.version) ? `${own}; or NODE_USE_SYSTEM_CA=1, for those of this system` : own
  const place = runtime.platform === 'win32' ? 'Windows’ certificate store' : 'the keychain'
  if (store === 'used') return `${own}; or have the administrator put it into ${place}, which is read too`
  if (store === 'off') return `${own}; or ${hints.unset('NODE_USE_SYSTEM_CA')}, so that ${place} is read too`
  return `${place} is read by Node 22.15 or newer, and this is ${runtime.version}: take a newer Node; or ${own}`
}

/** Whether Node reads NODE_USE_SYSTEM_CA, as it does from 22.19 and 24.6 on. */
function knowsVariable(version: string): boolean {
  const [major = 0, minor = 0] = version.replace('v', '').split('.').map(Number)
  return major > 24 || (major === 24 && minor >= 6) || (major === 22 && minor >= 19)
}
