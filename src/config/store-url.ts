// Reads the URL of a shared store, and the PG* variables for what it leaves out, as libpq does. Looks at texts only, and
// repeats none of them in a message but names of parameters.
import { isLoopback } from '../core/address.js'
import { ConfigInvalid } from '../core/errors.js'
import { shown } from './ini.js'
import { variable, type Environment } from './paths.js'
import type { Setting } from './settings.js'
import type { Suggest } from './suggest.js'

export interface DatabaseHost {
  /** A name, an address without brackets, or the folder of a socket, which begins with a slash. */
  readonly name: string
  readonly port: number
  /** False only for this machine itself. Else the server's certificate must be of a trusted authority and of this name. */
  readonly isTls: boolean
}

type FileName = 'sslrootcert' | 'sslcert' | 'sslkey'

export interface StoreUrl {
  /** The URL without the password, for messages. */
  readonly display: string
  readonly hosts: readonly DatabaseHost[]
  /** `null` where nothing names it, as `user`. */
  readonly database: string | null
  readonly user: string | null
  readonly password: Setting | undefined
  readonly files: { readonly [Name in FileName]: Setting | undefined }
}

/** The parameters that a URL may have, and the variable that counts where it lacks one. */
const PARAMETERS = {
  host: 'PGHOST',
  port: 'PGPORT',
  dbname: 'PGDATABASE',
  user: 'PGUSER',
  sslmode: 'PGSSLMODE',
  sslrootcert: 'PGSSLROOTCERT',
  sslcert: 'PGSSLCERT',
  sslkey: 'PGSSLKEY',
  target_session_attrs: null,
} as const

type Parameter = keyof typeof PARAMETERS
type Given = (name: Parameter) => Setting | undefined

const FORM = 'must be the URL of a PostgreSQL database such as postgres://USER@HOST/DATABASE'
const PORT = '5432'
const SEVERAL = 'several hosts with a port each: postgres://USER@HOST1:PORT1,HOST2:PORT2/DATABASE'
const ESCAPES = 'in a user name or a password write / as %2F, : as %3A, @ as %40, ? as %3F and % as %25'

/** The user ends at an @, unless a slash comes first: so libpq cuts it. */
const PARTS = /^postgres(?:ql)?:\/\/(?:([^@/:]*)(?::([^@/]*))?@)?([^/?]*)(?:\/([^?]*))?(?:\?(.*))?$/

/**
 * Reads the URL.
 *
 * @param url The setting that gives it.
 * @param suggest Finds the close spelling of a parameter.
 * @throws {ConfigInvalid} naming the setting or the variable, not its value
 */
export function readStoreUrl(url: Setting, env: Environment, suggest: Suggest): StoreUrl {
  const [whole, user = '', password, authority = '', database = '', query = ''] = PARTS.exec(url.text) ?? []
  if (whole === undefined) throw invalid(url, FORM)
  // It ends a password that holds a slash: libpq would take the password's rest for a database or a parameter.
  if (/@/.test(database + query)) throw invalid(url, 'has an @ behind its hosts', ESCAPES)
  const inUrl: Partial<Record<Parameter, string>> = {
    ...{ user: decoded(user, url), dbname: decoded(database, url) },
    ...readAuthority(authority, url),
  }
  const parameters = readQuery(query, url, suggest)
  const given: Given = (name) => {
    const parameter = parameters.get(name)
    if (parameter !== undefined) return { ...url, where: `${url.where}: ${name}`, text: parameter }
    if (inUrl[name]) return { ...url, text: inUrl[name] }
    const from = PARAMETERS[name]
    const text = from === null ? undefined : variable(env, from)
    return from === null || text === undefined
      ? undefined
      : { text, where: from, folder: '.', from: 'environment' }
  }
  const attributes = given('target_session_attrs')
  if (attributes !== undefined && !/^(?:read-write|primary)$/.test(attributes.text))
    throw invalid(attributes, 'must be read-write: nothing can be saved on a replica', 'take it out')
  const files = { sslrootcert: given('sslrootcert'), sslcert: given('sslcert'), sslkey: given('sslkey') }
  const alone = files.sslkey === undefined ? files.sslcert : files.sslcert === undefined && files.sslkey
  if (alone) throw invalid(alone, 'is given alone', 'a client certificate needs both: sslcert and sslkey')
  const isTlsMeant = [...parameters.keys()].some((name) => name in files)
  const read = {
    hosts: readHosts(given, isTlsMeant),
    database: given('dbname')?.text ?? null,
    user: given('user')?.text ?? null,
  }
  return {
    ...read,
    display: withoutPassword(read),
    password: password === undefined ? undefined : { ...url, text: decoded(password, url) },
    files,
  }
}

/** Hosts and ports as two lists, as the parameters `host` and `port` are. */
function readAuthority(text: string, url: Setting): { host: string; port: string } {
  const pairs = text.split(',').map((one) => {
    const [, bracketed, name = bracketed, port = ''] =
      /^(?:\[([^[\]]*)\]|([^:[\]@]*))(?::(\d*))?$/.exec(one) ?? []
    if (name === undefined || (name === '' && text.includes(',')))
      throw invalid(url, 'has a host or a port that cannot be read', ESCAPES)
    return { name: decoded(name, url), port }
  })
  const ports = pairs.map(({ port }) => port)
  return {
    host: pairs.map(({ name }) => name).join(),
    port: ports.every((port) => port === '') ? '' : ports.join(),
  }
}

function readQuery(query: string, url: Setting, suggest: Suggest): ReadonlyMap<string, string> {
  const read = new Map<string, string>()
  for (const pair of query === '' ? [] : query.split('&')) {
    const [, key = '', value = ''] = /^([^=]*)=?(.*)$/s.exec(pair) ?? []
    const name = decoded(key, url)
    const told = shown(name) ? `the parameter ${name}` : 'a parameter'
    if (name === 'password')
      throw invalid(
        url,
        'has a password behind its ?',
        'put it into url_password_file, or before the host: USER:PASSWORD@HOST',
      )
    if (!Object.hasOwn(PARAMETERS, name)) {
      const known = Object.keys(PARAMETERS)
      const close = suggest(name.slice(0, 64), known)
      throw invalid(
        url,
        `has ${told}, which hq-token does not know`,
        close === undefined ? `the parameters are ${known.join(', ')}` : `did you mean ${close}?`,
      )
    }
    if (value === '') throw invalid(url, `has ${told} without a value`, 'give it a value, or take it out')
    if (read.has(name)) throw invalid(url, `has ${told} twice`, 'keep one of them')
    read.set(name, decoded(value, url))
  }
  return read
}

/** @param isTlsMeant Also to this machine itself, if it is reached by TCP. */
function readHosts(given: Given, isTlsMeant: boolean): readonly DatabaseHost[] {
  const host = given('host')
  const port = given('port')
  const names = host?.text.split(',') ?? ['localhost']
  const ports = port?.text.split(',') ?? [PORT]
  if (host !== undefined && names.some((name) => name === '' || /[\s@?#[\]]/.test(name)))
    throw invalid(host, 'has a host that cannot be read', ESCAPES)
  if (port !== undefined && ports.length !== 1 && ports.length !== names.length)
    throw invalid(port, 'must name one port, or one for each host', SEVERAL)
  const mode = given('sslmode')
  return names.map((name, nth) => {
    const text = (ports.length === 1 ? ports[0] : ports[nth]) || PORT
    if (port !== undefined && !(/^\d{1,5}$/.test(text) && Number(text) > 0 && Number(text) <= 65_535))
      throw invalid(port, 'must name ports between 1 and 65535', SEVERAL)
    return { name, port: Number(text), isTls: isTls(name, mode, isTlsMeant) }
  })
}

function isTls(name: string, mode: Setting | undefined, isTlsMeant: boolean): boolean {
  const isSocket = name.startsWith('/')
  const isHere = isSocket || isLoopback(name.includes(':') ? `[${name}]` : name.toLowerCase())
  if (mode === undefined) return !isHere || (isTlsMeant && !isSocket)
  if (mode.text === 'verify-full') return !isSocket
  if (mode.text === 'disable' && isHere) return false
  throw invalid(
    mode,
    mode.text === 'disable'
      ? 'is disable, which is only for this machine itself (localhost, 127.…, ::1 or a socket): it would show the tokens to the network'
      : 'must be verify-full, because every other mode connects to a server without knowing who it is',
    'set sslmode=verify-full in [store] url, with sslrootcert=FILE if its authority is one of your own',
  )
}

/** The URL again, from what was read. */
function withoutPassword({ hosts, database, user }: Pick<StoreUrl, 'hosts' | 'database' | 'user'>): string {
  const before = `postgres://${user === null ? '' : `${encodeURIComponent(user)}@`}`
  const behind = database === null ? '' : encodeURIComponent(database)
  const plain = hosts.every(({ port }) => port === Number(PORT))
  if (hosts.some(({ name }) => name.startsWith('/'))) {
    const ports = plain ? '' : `&port=${hosts.map(({ port }) => port).join()}`
    return `${before}/${behind}?host=${hosts.map(({ name }) => name).join()}${ports}`
  }
  const names = hosts.map(({ name, port }) => shownHost(name, port)).join()
  return `${before}${names}/${behind}`
}

function shownHost(name: string, port: number): string {
  return (name.includes(':') ? `[${name}]` : name) + (port === Number(PORT) ? '' : `:${port}`)
}

function decoded(text: string, url: Setting): string {
  let plain: string
  try {
    plain = decodeURIComponent(text)
  } catch {
    throw invalid(url, 'has a % that encodes nothing', ESCAPES)
  }
  if (/[\x00-\x1f\x7f-\x9f]/.test(plain)) throw invalid(url, 'holds a control character', ESCAPES)
  return plain
}

function invalid({ where }: Setting, problem: string, hint?: string): ConfigInvalid {
  return new ConfigInvalid(`${where} ${problem}`, hint === undefined ? {} : { hint })
}
