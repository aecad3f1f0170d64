import { lstatSync, openSync, readSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { assertLoadable, remember } from './addon-fault.js'
import { APPLICATION_ID } from './schema.js'

/** As much of a connection of SQLite as a look at one row takes. */
export interface Connection {
  exec(sql: string): void
  prepare(sql: string, database: Connection, isPragma: boolean, isExplain: boolean): Statement
  close(): void
}

interface Statement {
  get(): unknown
  pluck(): Statement
}

interface Addon {
  readonly Database: new (...options: readonly unknown[]) => Connection
  /** Of version 12. */
  readonly setErrorConstructor?: (SqliteError: unknown) => void
  /** Of version 13. */
  readonly initialize?: (SqliteError: unknown, ...rows: readonly unknown[]) => void
}

class SqliteError extends Error {
  readonly code: string

  constructor(message: string, code: string) {
    super(message)
    this.code = code
  }
}

/**
 * Opens a database by better-sqlite3's addon alone: the dozen files around it take longer to load than a fresh
 * token to hand out. Whatever else is done with a database goes through the whole of the package.
 *
 * @throws Also where another version of the package has another addon.
 * @see `lib/database.js` and `lib/binding.js` of better-sqlite3 12 and 13.
 */
export function openByAddon(path: string, { readonly = true } = {}): Connection {
  const addon = (loaded ??= load())
  // They are set once more when the package itself is loaded after all.
  if (addon.initialize === undefined) addon.setErrorConstructor?.(SqliteError)
  else addon.initialize(SqliteError, array, append, row, record)
  const [anonymous, mustExist, waitMs] = [false, true, 0]
  return new addon.Database(path, path, anonymous, readonly, mustExist, waitMs, null, null, null, null)
}

/**
 * Whether a file is a store of this program. Asked through SQLite, because closing a handle of any other kind would
 * drop the locks that this process may hold on it.
 *
 * @throws Where somebody is writing it at this moment.
 */
export function isStore(database: string): boolean {
  let db
  try {
    db = openByAddon(database)
    return db.prepare('PRAGMA application_id', db, false, false).pluck().get() === APPLICATION_ID
  } catch (error) {
    if (isBusy(error)) throw error
    return needsRollback(error) && applicationOf(database) === APPLICATION_ID
  } finally {
    db?.close()
  }
}

/** Of databases that cannot be asked through SQLite, by what tells one file from another. */
const applications = new Map<string, number>()

/**
 * As the file's header has it: while a transaction waits to be rolled back, SQLite cannot tell. The handle stays open
 * for as long as the process lives: closing it would drop the locks that SQLite may hold on the file here.
 *
 * @see https://www.sqlite.org/fileformat.html#application_id
 */
function applicationOf(database: string): number {
  const { dev, ino } = lstatSync(database)
  const file = `${dev}:${ino}`
  const known = applications.get(file)
  if (known !== undefined) return known
  const header = Buffer.alloc(100)
  readSync(openSync(database, 'r'), header, 0, header.byteLength, 0)
  const application = header.readUInt32BE(68)
  applications.set(file, application)
  return application
}

let loaded: Addon | undefined

function load(): Addon {
  assertLoadable()
  const require = createRequire(import.meta.filename)
  const folder = dirname(require.resolve('better-sqlite3/package.json'))
  try {
    return require(join(folder, 'build/Release/better_sqlite3.node')) as Addon
  } catch (error) {
    remember(error)
    return (require(join(folder, 'lib/binding.js')) as { getBinding: () => Addon }).getBinding()
  }
}

const array = (...values: unknown[]): unknown[] => values
const append = (list: unknown[], ...values: unknown[]): unknown => list.push(...values)
const row =
  (...names: string[]) =>
  (...values: unknown[]): object =>
    Object.fromEntries(names.map((name, index) => [name, values[index]]))
const record = (value: unknown): object => ({ value, done: false })

/** Not by its class: of that each copy of better-sqlite3 in a process has its own, and SQLite throws the first one's. */
export function isSqlite(error: unknown): error is Error & { readonly code: string } {
  return error instanceof Error && 'code' in error && /^SQLITE_/.test(String(error.code))
}

/** A transaction cut off by a crash has left a journal; only a connection that may write can roll it back. */
export function needsRollback(error: unknown): boolean {
  return isSqlite(error) && /^SQLITE_(READONLY_ROLLBACK|READONLY_RECOVERY|CANTOPEN)/.test(error.code)
}

export function isBusy(error: unknown): boolean {
  return isSqlite(error) && error.code.startsWith('SQLITE_BUSY')
}
