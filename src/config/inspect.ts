import { X509Certificate } from 'node:crypto'
import { accessSync, closeSync, constants } from 'node:fs'
import { fail, ok, skip, warn, type Check } from '../core/check.js'
import { ConfigInvalid } from '../core/errors.js'
import { shellWord } from '../core/shell.js'
import { FileProblem, open } from './file.js'
import type { PersonKey } from './keys.js'
import { loadConfig, requireClient, type Config } from './load.js'
import { locate, usualFiles, variable, type Environment, type Location, type Surroundings } from './locate.js'
import { trustNotices } from './settings.js'

export interface ConfigInspection {
  readonly checks: readonly Check[]
  /** `undefined` where it cannot be used. */
  readonly config: Config | undefined
}

/**
 * Where the configuration is, by which rule, who else can read or change it, and whether it can be understood.
 *
 * @throws {UsageError} when the profile's name is none.
 */
export function inspectConfig(
  flags: { readonly config?: string | undefined; readonly profile?: string | undefined },
  around: Surroundings,
): ConfigInspection {
  let location: Location
  try {
    location = locate(flags, around)
  } catch (error) {
    return { checks: [fail('config', error)], config: undefined }
  }
  const { file, profile } = location
  if (file === undefined) {
    const places = usualFiles(profile, around).map(({ path }) => path)
    return settings([ok('config', `no file (${places.join(', ')}): the environment alone`)], location, around)
  }
  const found = ok('config', `${file.path} (${file.rule})`)
  try {
    const { fd, stats } = open(file.path)
    closeSync(fd)
    trustNotices(file.path, stats)
  } catch (error) {
    if (!(error instanceof FileProblem)) throw error
    const problem = new ConfigInvalid(error.told(`the config file ${file.path}`), error.details)
    return { checks: [found, fail('permissions', problem)], config: undefined }
  }
  return settings([found], location, around)
}

function settings(before: readonly Check[], location: Location, around: Surroundings): ConfigInspection {
  try {
    const config = loadConfig({ ...around, ...location })
    const exposed = config.notices.map(({ message, hint }) => warn('permissions', message, hint))
    const kept = config.file === null ? [] : [ok('permissions', 'nobody else can read or change it')]
    return { checks: [...before, ...(exposed.length > 0 ? exposed : kept)], config }
  } catch (error) {
    return { checks: [...before, fail('settings', error)], config: undefined }
  }
}

/** Whether there is enough to ask the token endpoint. @param by What else than the config has given its URL. */
export function inspectClient(config: Config, by: string | null): Check {
  try {
    const { clientId, tokenUrl, instance } = requireClient(config)
    const where = instance?.href ?? tokenUrl.origin + tokenUrl.pathname
    return ok('settings', `client ${clientId} at ${where}${by === null ? '' : ` (${by})`}`)
  } catch (error) {
    if (config.issuer !== null && config.tokenUrl === null)
      return warn('settings', `the endpoints of ${config.issuer} are asked for at a login`)
    return fail('settings', error)
  }
}

/** What only a login or a logout needs: nothing else says that it cannot be used. */
export function inspectUnfit({ unfit }: Config): readonly Check[] {
  return unfit.map(({ name, error }) => fail(NAMES[name], error))
}

const NAMES: Readonly<Record<PersonKey, string>> = {
  'client.redirect_uri': 'redirect URI',
  'client.authorize_url': 'authorize URL',
  'client.revocation_url': 'revocation URL',
  'client.scope': 'scope',
}

/** Where the browser comes back to after a login; nothing where `inspectUnfit` has said what is wrong with it. */
export function inspectRedirectUri({ redirectUri, unfit }: Config): readonly Check[] {
  return unfit.some(({ name }) => name === 'client.redirect_uri') ? [] : [redirection(redirectUri)]
}

function redirection(redirectUri: string | null): Check {
  const name = 'redirect URI'
  if (redirectUri === null) return skip(name, 'none: nobody can log in by this configuration')
  return ok(name, redirectUri)
}

/** Whether the client secret can be had; what it is, nobody learns. */
export async function inspectSecret({ secretFrom, authMethod, clientSecret }: Config): Promise<Check> {
  if (authMethod === 'none') return ok('client secret', 'none: a public client')
  if (secretFrom === null) return skip('client secret', 'none is configured')
  try {
    await clientSecret()
    return ok('client secret', `given by ${secretFrom}`)
  } catch (error) {
    return fail('client secret', error)
  }
}

/** Days before its end at which a certificate is worth a warning. */
const SOON = 14

/** Whom the program trusts, and what it shows of itself. @param now Epoch seconds. */
export function inspectTrust({ network }: Config, env: Environment, now: number): Check {
  try {
    const { ca, client } = network.credentials()
    const extra = variable(env, 'NODE_EXTRA_CA_CERTS')
    if (extra !== undefined && !isReadable(extra))
      return warn(
        'trust',
        `NODE_EXTRA_CA_CERTS names ${extra}, which cannot be read: Node goes on without it`,
        `ls -l ${shellWord(extra)}`,
      )
    const authorities = [
      'the authorities of Node',
      ...(extra === undefined ? [] : [`of ${extra}`]),
      ...(ca === null ? [] : ['of ca_file']),
    ].join(' and ')
    if (client === null) return ok('trust', authorities)
    const { validTo } = new X509Certificate(client.cert)
    const days = Math.floor((Date.parse(validTo) / 1000 - now) / 86_400)
    const own = `the client’s certificate ${days < 0 ? 'has ended' : `ends in ${days} days`}`
    return days < SOON
      ? warn('trust', `${authorities}; ${own}`, 'obtain a new one, and put it where client_cert_file says')
      : ok('trust', `${authorities}; ${own}`)
  } catch (error) {
    return fail('trust', error)
  }
}

function isReadable(path: string): boolean {
  try {
    accessSync(path, constants.R_OK)
    return true
  } catch {
    return false
  }
}
