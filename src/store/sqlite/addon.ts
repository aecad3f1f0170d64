// Opens a database with better-sqlite3's addon only, for the warm path. Writes nothing.
import { existsSync, lstatSync, openSync, readSync } from 'node:fs'
import { join } from 'node:path'
import { nodeRequire } from '../../platform/require.js'
import { assertLoadable, remember } from './addon-fault.js'
import { crashing, packageFolder } from './package-folder.js'
import { APPLICATION_ID, MOVE_APPLICATION_ID, SEAT_APPLICATION_ID } from './schema.js'

/** The part of a connection of SQLite that the warm path needs. */
export interface Connection {
  exec(sql: string): void
  prepare(sql: string, database: Connection, isPragma: boolean, isExplain: boolean): Statement
  close(): void
}

interface Statement {
  get(...values: readonly unknown[]): unknown
  pluck(): Statement
}

interface Addon {
  readonly Database: new (...options: readonly unknown[]) => Connection
  /** Version 12. */
  readonly setErrorConstructor?: (SqliteError: unknown) => void
  /** Version 13. */
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
 * Opens a database with better-sqlite3's addon only, because loading the dozen files around it takes longer than
 * handing out a fresh token. All other work with a database uses the whole package.
 *
 * @throws Also if another version of the package has another addon.
 * @see `lib/database.js` and `lib/binding.js` of better-sqlite3 12 and 13.
 */
export function openByAddon(path: string, { readonly = true } = {}): Connection {
  const addon = (loaded ??= load())
  // The package sets them again if it is loaded later.
  if (addon.initialize === undefined) addon.setErrorConstructor?.(SqliteError)
  else addon.initialize(SqliteError, array, append, row, record)
  const [anonymous, mustExist, waitMs] = [false, true, 0]
  return new addon.Database(path, path, anonymous, readonly, mustExist, waitMs, null, null, null, null)
}

/**
 * Whether a file is a store of this program, or a seat. Asks SQLite, because closing any other handle would drop the locks
 * that this process may hold on the file.
 *
 * @throws If another process is writing the file at this moment.
 */
export function isStore(database: string): boolean {
  let db
  try {
    db = openByAddon(database)
    return OURS.has(db.prepare('PRAGMA application_id', db, false, false).pluck().get())
  } catch (error) {
    if (isBusy(error)) throw error
    return needsRollback(error) && OURS.has(applicationOf(database))
  } finally {
    db?.close()
  }
}

const OURS: ReadonlySet<unknown> = new Set([APPLICATION_ID, MOVE_APPLICATION_ID, SEAT_APPLICATION_ID])

/** Application ids of databases that cannot be asked through SQLite, by device and inode. */
const applications = new Map<string, number>()

/**
 * The application id in the file's header, because SQLite cannot tell it while a transaction waits to be rolled
 * back. The handle stays open as long as the process lives: closing it would drop the locks that SQLite may hold on
 * the file here.
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
  const folder = packageFolder()
  if (crashing(folder) !== undefined) assertLoadable()
  const file = places()
    .map((place) => join(folder, place))
    .find((path) => existsSync(path))
  try {
    if (file !== undefined) return nodeRequire(file) as Addon
  } catch (error) {
    remember(error)
  }
  return (nodeRequire(join(folder, 'lib/binding.js')) as { getBinding: () => Addon }).getBinding()
}

/**
 * Where the addon is, in the order in which the package looks: compiled on this machine, or (from version 13 on) brought
 * along. It must be the same file, because two SQLites in a process drop one another's locks. On a system with musl the
 * package finds out which one fits.
 */
function places(): readonly string[] {
  const loader = `/lib/ld-musl-${process.arch === 'x64' ? 'x86_64' : 'aarch64'}.so.1`
  const brought = `prebuilds/${process.platform}-${process.arch}.node`
  const mayBeMusl = process.platform === 'linux' && existsSync(loader)
  return [
    'build/Debug/better_sqlite3.node',
    'build/Release/better_sqlite3.node',
    ...(mayBeMusl ? [] : [brought]),
  ]
}

const array = (...values: unknown[]): unknown[] => values
const append = (list: unknown[], ...values: unknown[]): unknown => list.push(...values)
const row =
  (...names: string[]) =>
  (...values: unknown[]): object =>
    Object.fromEntries(names.map((name, index) => [name, values[index]]))
const record = (value: unknown): object => ({ value, done: false })

/**
 * Whether an error is SQLite's. Not by class, because each copy of better-sqlite3 in a process has a class of its
 * own, and SQLite throws the first one's.
 */
export function isSqlite(error: unknown): error is Error & { readonly code: string } {
  return error instanceof Error && 'code' in error && /^SQLITE_/.test(String(error.code))
}

/** Whether a crash has left a transaction in the journal: only a connection that may write can roll it back. */
export function needsRollback(error: unknown): boolean {
  return isSqlite(error) && /^SQLITE_(READONLY_ROLLBACK|READONLY_RECOVERY|CANTOPEN)/.test(error.code)
}

export function isBusy(error: unknown): boolean {
  return isSqlite(error) && error.code.startsWith('SQLITE_BUSY')
}
