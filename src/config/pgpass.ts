// Reads passwords from the password file of PostgreSQL's programs, as libpq does. Warns of nothing on its own.
import { ConfigInvalid } from '../core/errors.js'
import { ABSENT, exposure, FileProblem, makePrivate, readRegular } from './file.js'
import { decode } from './ini.js'
import { home, named, pathsOf, variable, type Surroundings } from './paths.js'
import { trustNotices } from './trust.js'

/** What a line is chosen by. */
export interface Wanted {
  readonly host: string
  readonly port: number
  readonly database: string
  readonly user: string
}

/**
 * The password of the first line that fits; `undefined` if there is no such line or no file.
 *
 * @throws {ConfigInvalid} the file cannot be used: libpq passes over one that others can read, and says so too
 * @see https://www.postgresql.org/docs/current/libpq-pgpass.html
 */
export function filedPassword(wanted: Wanted, around: Surroundings): string | undefined {
  const path = passwordFile(around)
  if (path === undefined) return undefined
  try {
    const { bytes, stats } = readRegular(path)
    trustNotices('secret', path, stats)
    if (exposure(stats).read) throw new FileProblem('can be read by others', null, makePrivate(path, stats))
    return passwordIn(decode(bytes), wanted)
  } catch (error) {
    if (!(error instanceof FileProblem)) throw error
    if (error.message === ABSENT) return undefined
    throw new ConfigInvalid(`the password file ${error.told(path)}`, error.details)
  }
}

/** `undefined` where there is no place for one. */
export function passwordFile(around: Surroundings): string | undefined {
  const paths = pathsOf(around)
  const given = named('PGPASSFILE', around)
  if (given !== undefined) return given.path
  if (around.platform !== 'win32') {
    const directory = home(around)
    return directory === undefined ? undefined : paths.join(directory, '.pgpass')
  }
  const folder = variable(around.env, 'APPDATA')
  return folder === undefined ? undefined : paths.join(folder, 'postgresql', 'pgpass.conf')
}

/** Lines of `host:port:database:user:password`. A field may be `*`; a backslash takes the meaning from a colon. */
function passwordIn(text: string, { host, port, database, user }: Wanted): string | undefined {
  const wanted = [host, String(port), database, user]
  for (const line of text.split(/\r?\n/)) {
    if (line.startsWith('#')) continue
    const fields = line.match(/(?<=^|:)(?:\\.|[^:\\])*/g) ?? []
    const password = fields[4]
    if (password === undefined) continue
    const fits = wanted.every((value, nth) => {
      const field = unescaped(fields[nth] ?? '')
      return fields[nth] === '*' || field === value || (nth === 0 && isSocket(value) && field === 'localhost')
    })
    if (fits) return unescaped(password)
  }
  return undefined
}

function isSocket(host: string): boolean {
  return host.startsWith('/')
}

function unescaped(field: string): string {
  return field.replace(/\\(.)/g, '$1')
}
