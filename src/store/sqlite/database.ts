// Creates, opens and migrates the SQLite database of a store. Takes no lock of the store and reads no token.
import Database from 'better-sqlite3'
import { StoreUnfit, StoreUnusable } from '../../core/errors.js'
import { removeIfThere } from '../../platform/files.js'
import { createWhole, damaged, isThere, unusable, type FileKind, type StorePaths } from '../files.js'
import { isBusy, isSqlite, needsRollback } from './addon.js'
import { STORE_SCHEMA, type Schema } from './schema.js'

/**
 * The settings that a commit's durability depends on. They are set and read back at every open, because
 * better-sqlite3 and SQLite change their defaults and `synchronous` is not stored in the file.
 *
 * PERSIST with EXTRA: a power cut after a commit does not bring the journal back, and a rewrite needs no new block.
 * See `docs/architecture.md`.
 */
const PRAGMAS: readonly (readonly [name: string, value: string, readBack: string | number])[] = [
  ['journal_mode', 'PERSIST', 'persist'],
  ['synchronous', 'EXTRA', 3],
  ['secure_delete', 'ON', 1],
  ['trusted_schema', 'OFF', 0],
  // On macOS a plain fsync leaves the bytes in the drive's cache, but Node syncs the rescue file to the medium:
  // scrubbing it could take effect before the commit does. Other systems ignore this setting.
  ['fullfsync', 'ON', 1],
]

type DatabasePath = Pick<StorePaths, 'folder' | 'database'>

/** Puts an empty store in place, whole or not at all: a file of no bytes is always damage. */
export function createDatabase({ database }: DatabasePath, schema = STORE_SCHEMA): void {
  const draft = new Database(':memory:')
  try {
    draft.pragma(`application_id = ${schema.applicationId}`)
    migrate(draft, 0, schema)
    // Remove a deleted database's journal, because SQLite would roll it back into the new one.
    removeIfThere(`${database}-journal`)
    createWhole(database, draft.serialize())
  } finally {
    draft.close()
  }
}

/**
 * Opens a store of any version for reading, also one that a move has closed; `undefined` if there is none. Holds a
 * lock only for the instant of a read.
 */
export function openForReading(paths: DatabasePath, schema = STORE_SCHEMA): Database.Database | undefined {
  if (!isThere(paths, schema)) return undefined
  return opened(paths, { readonly: true }, schema)
}

/** Opens a store for writing, or for reading if a transaction that was cut off must be rolled back first. */
export function openForWriting(paths: DatabasePath, schema = STORE_SCHEMA): Database.Database {
  if (!isThere(paths, schema))
    throw new StoreUnusable(`${paths.database} has vanished`, {
      hint: 'run the same command again: it finds out what is there now',
    })
  const db = opened(paths, {}, schema)
  try {
    refuseNewer(db, paths, schema)
    tryToWrite(db)
    for (const [name, value, readBack] of PRAGMAS) {
      db.pragma(`${name} = ${value}`)
      if (db.pragma(name, { simple: true }) !== readBack)
        throw new StoreUnusable(`${paths.database} does not take ${name} = ${value}`, {
          hint: 'hq-token doctor shows what the store’s file system can do',
        })
    }
    return db
  } catch (error) {
    db.close()
    // The caller waits for the process that is at it.
    throw isBusy(error) ? error : asUnusable(paths, error, schema)
  }
}

/** Tries a change and takes it back, because on Windows SQLite opens a file for reading only while another program holds it. */
function tryToWrite(db: Database.Database): void {
  if (process.platform !== 'win32') return
  db.exec('BEGIN IMMEDIATE')
  try {
    db.pragma(`user_version = ${versionOf(db)}`)
  } finally {
    // SQLite has rolled back by itself where it could not write.
    if (db.inTransaction) db.exec('ROLLBACK')
  }
}

/** Migrates the store. Call it under the store's lock only. */
export function bringUpToDate(db: Database.Database, schema = STORE_SCHEMA): void {
  const version = versionOf(db)
  if (version === schema.migrations.length) return
  db.transaction(() => {
    migrate(db, version, schema)
  }).exclusive()
}

export function asUnusable({ database }: DatabasePath, error: unknown, kind?: FileKind): unknown {
  if (!isSqlite(error)) return error
  // A missing table or column means damage, because the header says that the file is ours.
  const isDamage = /^SQLITE_(CORRUPT|NOTADB|FORMAT|SCHEMA|ERROR$)/.test(error.code)
  return isDamage
    ? damaged(database, error.code, { kind, cause: error })
    : unusable(database, 'cannot be used', error)
}

function opened(paths: DatabasePath, options: Database.Options, schema: Schema): Database.Database {
  let db
  try {
    // SQLite must not wait itself, because that would block the event loop and every signal.
    db = new Database(paths.database, { ...options, fileMustExist: true, timeout: 0 })
    db.pragma('trusted_schema = OFF')
    // Set it before reading anything, because a read may roll a transaction back, which is a write.
    db.pragma('fullfsync = ON')
    const application = db.pragma('application_id', { simple: true })
    if (application !== schema.applicationId && application !== schema.moveApplicationId)
      throw new StoreUnfit(`${paths.database} is not ${schema.kind}`, {
        hint: 'name another file in [store] path',
      })
    return db
  } catch (error) {
    db?.close()
    if (isBusy(error) || needsRollback(error)) throw error
    throw isSqlite(error)
      ? asUnusable(paths, error, schema)
      : unusable(paths.database, 'cannot be opened', error)
  }
}

/** @throws {StoreUnusable} only a newer program may write this store */
export function refuseNewer(
  db: Database.Database,
  { database }: DatabasePath,
  { migrations }: Schema = STORE_SCHEMA,
): void {
  const version = versionOf(db)
  if (version > migrations.length)
    throw new StoreUnfit(
      `${database} was written by a newer hq-token (schema ${version}, this one knows ${migrations.length})`,
      { hint: 'update this one: npm install -g hq-token' },
    )
}

export function versionOf(db: Database.Database): number {
  return Number(db.pragma('user_version', { simple: true }))
}

function migrate(db: Database.Database, from: number, { migrations }: Schema): void {
  for (const step of migrations.slice(from)) db.exec(step)
  db.pragma(`user_version = ${migrations.length}`)
}
