// Reads the settings of how servers are reached: proxy, authorities, client certificate. Connects to nothing.
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { ConfigInvalid } from '../core/errors.js'
import { FileProblem, readRegular } from './file.js'
import { pathIn, variable, type Environment, type Surroundings } from './paths.js'
import { type ConfigSource, type Setting, type Settings } from './settings.js'
import { trustNotices, type TrustedFile } from './trust.js'

/** How servers are reached, as configured. */
export interface NetworkConfig {
  /** May hold a user name and a password, so do not put it in messages. */
  readonly proxy: URL | null
  /** The setting that gives the proxy; `null` if none does. */
  readonly proxyFrom: string | null
  readonly noProxy: string
  /**
   * Why the proxy of the environment is of no use; `null` if it is of use, or if there is none. Reported only when
   * a server must be reached through it, because it may be meant for other programs.
   */
  readonly proxyFault: ConfigInvalid | null
  /**
   * PEM texts; reads the files at each call.
   *
   * @throws {ConfigInvalid}
   */
  readonly credentials: () => {
    readonly ca: string | null
    readonly client: { readonly cert: string; readonly key: string } | null
  }
}

/** This machine is not reached through a proxy, as in Go, because a proxy's loopback is another machine's. */
const LOOPBACK = ['localhost', '127.0.0.1', '[::1]']

/** @throws {ConfigInvalid} naming the setting, not its value. */
export function networkConfig(settings: Settings, source: ConfigSource): NetworkConfig {
  const { env } = source
  const [cert, key] = [settings['network.client_cert_file'], settings['network.client_key_file']]
  if ((cert === undefined) !== (key === undefined))
    throw new ConfigInvalid(`${(cert ?? key)?.where ?? ''} is given alone`, {
      hint: 'a client certificate needs both: client_cert_file and client_key_file',
    })
  const ca = settings['network.ca_file']
  const noProxy = variable(env, 'no_proxy') ?? variable(env, 'NO_PROXY') ?? ''
  return {
    ...proxySetting(settings, env),
    noProxy: [noProxy, ...LOOPBACK].join(','),
    credentials: () => credentialsOf({ ca, cert, key }, source),
  }
}

type Credentials = ReturnType<NetworkConfig['credentials']>

/** The texts of PEM files. @throws {ConfigInvalid} */
export function credentialsOf(
  { ca, cert, key }: { readonly [Name in 'ca' | 'cert' | 'key']: Setting | undefined },
  source: Surroundings,
): Credentials {
  return {
    ca: ca === undefined ? null : authorities(ca, source),
    client: cert === undefined || key === undefined ? null : certificate(cert, key, source),
  }
}

type ProxySetting = Pick<NetworkConfig, 'proxy' | 'proxyFrom' | 'proxyFault'>

const STRAIGHT: ProxySetting = { proxy: null, proxyFrom: null, proxyFault: null }

/** @throws {ConfigInvalid} if our own setting cannot be used. */
function proxySetting(settings: Settings, env: Environment): ProxySetting {
  const given = settings['network.proxy']
  if (given?.text === 'none') return STRAIGHT
  const [name, text] = given === undefined ? proxyVariable(env) : [given.where, given.text]
  if (text === undefined) return STRAIGHT
  const proxy = proxyUrl(text)
  if (proxy !== undefined) return { proxy, proxyFrom: name, proxyFault: null }
  const proxyFault = unusableProxy(name, text)
  if (given !== undefined) throw proxyFault
  return { ...STRAIGHT, proxyFault }
}

/** Leaves the value out, because it may hold a password. */
function unusableProxy(name: string, text: string): ConfigInvalid {
  const what = /^socks/i.test(text)
    ? 'names a SOCKS proxy, which hq-token does not speak to'
    : 'must be the URL of a proxy such as http://proxy.example.com:3128'
  // Our own variable wins over the file.
  const [way, none] =
    name === 'HQ_TOKEN_PROXY'
      ? ['HQ_TOKEN_PROXY=http://HOST:PORT', 'HQ_TOKEN_PROXY=none']
      : ['in the config: [network] proxy = http://HOST:PORT', 'proxy = none']
  return new ConfigInvalid(`${name} ${what}`, {
    hint: `${way}; or ${none}, if this machine reaches the server without a proxy`,
  })
}

/** The names that curl, git and Go know. Plain http needs no proxy, because it goes to this machine only. */
function proxyVariable(env: Environment): readonly [name: string, text: string | undefined] {
  const names = ['https_proxy', 'HTTPS_PROXY', 'all_proxy', 'ALL_PROXY']
  const name = names.find((one) => variable(env, one) !== undefined) ?? 'HTTPS_PROXY'
  return [name, variable(env, name)]
}

/** Also accepts `proxy.example.com:3128`, as curl does. */
function proxyUrl(text: string): URL | undefined {
  const full = /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `http://${text}`
  if (!URL.canParse(full)) return undefined
  const url = new URL(full)
  return /^https?:$/.test(url.protocol) && url.pathname === '/' && url.hostname !== '' ? url : undefined
}

function authorities(setting: Setting, source: Surroundings): string {
  const { text, path } = readPem('ca', setting, source)
  const blocks = text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []
  if (blocks.length === 0) throw unfit(setting, path, 'holds no certificate in PEM')
  // Check each block, because OpenSSL would pass over those that it cannot read.
  blocks.forEach((block, at) => {
    orThrow(
      () => new X509Certificate(block),
      () => unfit(setting, path, `holds a certificate that cannot be read (number ${at + 1})`),
    )
  })
  return text
}

function certificate(certSetting: Setting, keySetting: Setting, source: Surroundings) {
  const cert = readPem('certificate', certSetting, source)
  const key = readPem('key', keySetting, source)
  const shown = orThrow(
    () => new X509Certificate(cert.text),
    () => unfit(certSetting, cert.path, 'holds no certificate in PEM'),
  )
  const own = orThrow(
    () => createPrivateKey(key.text),
    () => unfit(keySetting, key.path, 'holds no private key in PEM, or one that needs a passphrase'),
  )
  if (!shown.checkPrivateKey(own))
    throw unfit(keySetting, key.path, `is not the key of the certificate in ${cert.path}`)
  return { cert: cert.text, key: key.text }
}

function readPem(kind: TrustedFile, setting: Setting, source: Surroundings): { text: string; path: string } {
  const path = pathIn(setting, source)
  try {
    const { bytes, stats } = readRegular(path)
    trustNotices(kind, path, stats)
    return { text: Buffer.from(bytes).toString('latin1'), path }
  } catch (error) {
    if (!(error instanceof FileProblem)) throw error
    throw new ConfigInvalid(`${setting.where}: ${error.told(path)}`, error.details)
  }
}

function orThrow<T>(read: () => T, problem: () => ConfigInvalid): T {
  try {
    return read()
  } catch {
    throw problem()
  }
}

function unfit({ where }: Setting, path: string, what: string): ConfigInvalid {
  return new ConfigInvalid(`${where}: ${path} ${what}`)
}
