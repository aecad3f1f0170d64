// Judges the configuration for `doctor`. Changes nothing, and shows no secret.
import { X509Certificate } from 'node:crypto'
import { closeSync } from 'node:fs'
import { fail, ok, skip, warn, type Finding } from '../core/finding.js'
import { isReadTwoWays } from '../core/client.js'
import { ConfigInvalid } from '../core/errors.js'
import { systemStore, THIS_RUNTIME, type TrustRuntime } from '../platform/authorities.js'
import { hints } from '../platform/hints.js'
import { environmentNotices } from './environment.js'
import { asProblem, FileProblem, openFile } from './file.js'
import { inspectRights } from './inspect-rights.js'
import type { PersonKey } from './keys.js'
import { loadConfig, requireClient, type Config } from './load.js'
import { locate, usualFiles, type Location } from './locate.js'
import { exposedSecrets, namedFiles } from './named-files.js'
import { variable, type Environment, type Surroundings } from './paths.js'
import { seedIn } from './seed-file.js'
import { readSettings } from './settings.js'
import { suggestion } from './suggest.js'
import { machinesNotices, trustNotices } from './trust.js'

export interface ConfigInspection {
  readonly checks: readonly Finding[]
  /** `undefined` if it cannot be used. */
  readonly config: Config | undefined
}

/** Says where the configuration is, by which rule, who else can read or change it, and whether it can be understood. */
export function inspectConfig(
  flags: { readonly config?: string | undefined; readonly profile?: string | undefined },
  around: Surroundings,
): ConfigInspection {
  const unknown = environmentNotices(around, suggestion).map(({ message, hint }) =>
    warn('environment', message, hint),
  )
  let location: Location
  try {
    location = locate(flags, around)
  } catch (error) {
    return { checks: [fail('config', error), ...unknown], config: undefined }
  }
  const { file, profile, notices = [] } = location
  const unused = notices.map(({ message }) => `; ${message}`).join('')
  if (file === undefined) {
    const places = usualFiles(profile, around).map(({ path }) => path)
    const none = ok('config', `no file (${places.join(', ')}): the environment alone${unused}`)
    return settings([none, ...unknown], location, around)
  }
  const found = [ok('config', `${file.path} (${file.rule})${unused}`), ...unknown]
  try {
    const { fd, stats } = openFile(file.path)
    closeSync(fd)
    if (file.rule === '%ProgramData%') machinesNotices(file.path, stats, around)
    else trustNotices('config', file.path, stats)
  } catch (error) {
    const problem =
      error instanceof FileProblem
        ? new ConfigInvalid(error.told(`the config file ${file.path}`), error.details)
        : error
    return { checks: [...found, fail('permissions', problem)], config: undefined }
  }
  return settings(found, location, around)
}

function settings(before: readonly Finding[], location: Location, around: Surroundings): ConfigInspection {
  try {
    const source = { ...around, ...location }
    const config = loadConfig(source)
    const { settings, notices } = readSettings(source)
    const named = namedFiles(settings, config.shared)
    if (around.platform === 'win32') {
      return { checks: [...before, ...inspectRights(config, named, source)], config }
    }
    const exposed = [...notices, ...exposedSecrets(named, source)].map(({ message, hint }) =>
      warn('permissions', message, hint),
    )
    const kept = config.file === null ? [] : [ok('permissions', 'nobody else can read or change it')]
    return { checks: [...before, ...(exposed.length > 0 ? exposed : kept)], config }
  } catch (error) {
    return { checks: [...before, fail('settings', error)], config: undefined }
  }
}

/** Says whether there is enough to ask the token endpoint. @param by What other than the config has given its URL. */
export function inspectClient(config: Config, by: string | null): Finding {
  const { issuer, instance } = config
  const asksFirst = issuer !== null && config.tokenUrl === null
  try {
    const { clientId, tokenUrl } = requireClient(
      asksFirst ? { ...config, tokenUrl: new URL(issuer) } : config,
    )
    if (asksFirst)
      return warn(
        'settings',
        `client ${clientId} at ${issuer}, whose endpoints are not known yet: the next refresh or login asks for them`,
      )
    const where = instance?.href ?? tokenUrl.origin + tokenUrl.pathname
    return ok('settings', `client ${clientId} at ${where}${by === null ? '' : ` (${by})`}`)
  } catch (error) {
    return fail('settings', error)
  }
}

/** Checks what only a login or a logout needs, because no other finding says that it cannot be used. */
export function inspectUnfit({ unfit }: Config): readonly Finding[] {
  return unfit.map(({ name, error }) => fail(NAMES[name], error))
}

const NAMES: Readonly<Record<PersonKey, string>> = {
  'client.redirect_uri': 'redirect URI',
  'client.authorize_url': 'authorize URL',
  'client.revocation_url': 'revocation URL',
  'client.scope': 'scope',
}

/** Says where the browser comes back to after a login; says nothing if `inspectUnfit` has said what is wrong. */
export function inspectRedirectUri({ redirectUri, unfit }: Config): readonly Finding[] {
  return unfit.some(({ name }) => name === 'client.redirect_uri') ? [] : [redirection(redirectUri)]
}

function redirection(redirectUri: string | null): Finding {
  const name = 'redirect URI'
  if (redirectUri === null) return skip(name, 'none: nobody can log in with this configuration')
  return ok(name, redirectUri)
}

const READ_TWO_WAYS =
  '; the secret, or client_id, holds a character that servers read in two ways: if the server refuses the client, try auth_method = client_secret_basic_plain'

/** Says whether the client secret can be read; does not show it. */
export async function inspectSecret(config: Config): Promise<Finding> {
  const { secretFrom, authMethod, clientSecret, clientId } = config
  if (authMethod === 'none') return ok('client secret', 'none: a public client')
  if (secretFrom === null) return skip('client secret', 'none is configured')
  try {
    const secret = await clientSecret()
    const isDoubtful =
      authMethod === 'client_secret_basic' && [clientId ?? '', secret?.reveal() ?? ''].some(isReadTwoWays)
    return ok('client secret', `given by ${secretFrom}${isDoubtful ? READ_TWO_WAYS : ''}`)
  } catch (error) {
    return fail('client secret', error)
  }
}

/** Says who else can read or change the seed file. The check of the seed says whether it can be used. */
export function inspectSeedFile({ seedFile }: Config): Finding[] {
  // The check of the seed reports a file that is no seed, so advise no mode for it.
  if (seedFile === null || seedIn(seedFile) === undefined) return []
  try {
    const { fd, stats } = openFile(seedFile)
    closeSync(fd)
    return trustNotices('seed', seedFile, stats).map(({ message, hint }) =>
      warn('permissions', message, hint),
    )
  } catch {
    return []
  }
}

/** Days before its end at which a certificate gets a warning. */
const SOON = 14

/** Says whom the program trusts, and what it shows of itself. @param now Epoch seconds. */
export function inspectTrust(
  { network }: Config,
  env: Environment,
  now: number,
  runtime: TrustRuntime = THIS_RUNTIME,
): Finding {
  try {
    const { ca, client } = network.credentials()
    const extra = variable(env, 'NODE_EXTRA_CA_CERTS')
    const flaw = extra === undefined ? undefined : flawOf(extra)
    if (flaw !== undefined) return flaw
    const authorities = [
      'the authorities of Node',
      ...systemsAuthorities(runtime),
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

function systemsAuthorities(runtime: TrustRuntime): readonly string[] {
  const store = systemStore(runtime)
  if (store === 'foreign') return []
  const place = runtime.platform === 'win32' ? 'of Windows’ certificate store' : 'of the keychain'
  if (store === 'used') return [place]
  const why = store === 'off' ? 'NODE_USE_SYSTEM_CA=0' : `Node ${runtime.version} cannot read it`
  return [`none ${place} (${why})`]
}

/**
 * Judges `NODE_EXTRA_CA_CERTS`, because Node reads it before this program can, and goes on without a file that it
 * cannot read.
 */
function flawOf(path: string): Finding | undefined {
  const said = (what: string, hint: string): Finding =>
    warn('trust', `NODE_EXTRA_CA_CERTS names ${path}, which ${what}`, hint)
  try {
    const { fd, stats } = openFile(path)
    closeSync(fd)
    trustNotices('ca', path, stats)
    return undefined
  } catch (error) {
    const { message, details } = asProblem(error)
    const isTrust = message.startsWith('says ')
    return isTrust
      ? said(message, details.hint ?? '')
      : said('cannot be read: Node goes on without it', hints.rights(path))
  }
}
