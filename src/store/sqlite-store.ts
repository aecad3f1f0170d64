import type Database from 'better-sqlite3'
import { StoreUnusable } from '../core/errors.js'
import type { HeldStore, HistoryEntry, Notice, TokenStore } from '../core/ports.js'
import type { TokenSet } from '../core/token-set.js'
import {
  asUnusable,
  bringUpToDate,
  createDatabase,
  damaged,
  isBusy,
  isOlder,
  needsRollback,
  openForReading,
  openForWriting,
} from './database.js'
import { ensureFolder, lstatOf, checkOwn, storePaths, type StorePaths } from './files.js'
import { acquire, sleep } from './lock.js'
import { padding, recordBytes } from './record.js'
import { Rescue } from './rescue.js'
import { fromHistoryRow, fromRow, toHistoryRow, toRow, type Row } from './row.js'
import { HISTORY_SLOTS, HISTORY_WIDTH } from './schema.js'

/** The row's width comes in steps of this, so that it all but never changes. */
const WIDTH_STEP = 16 * 1024
/** Bytes beside the token set's own columns: the width itself, the padding's length. */
const ROW_OVERHEAD = 16
/** Milliseconds that a read or a commit of others may keep ours waiting. Theirs take a few. */
const BUSY_WAIT_MS = 10_000

export interface SqliteStoreOptions {
  readonly env?: NodeJS.ProcessEnv
  readonly notify?: (notice: Notice) => void
}

/**
 * One token set in one SQLite file, for one machine.
 *
 * Beside `token.db` lie `token.rescue` (see `Rescue`) and `token.lock` (see `acquire`). No file of
 * SQLite's is ever opened in another way: closing such a handle would drop the process's locks.
 */
export class SqliteStore implements TokenStore {
  readonly #paths: StorePaths
  readonly #options: SqliteStoreOptions

  constructor(path: string, options: SqliteStoreOptions = {}) {
    this.#paths = storePaths(path)
    this.#options = options
  }

  read(): Promise<TokenSet | undefined> {
    return this.#reading(selectSet)
  }

  async history(): Promise<readonly HistoryEntry[]> {
    return (await this.#reading(selectHistory)) ?? []
  }

  async exclusive<T>(
    critical: (held: HeldStore) => Promise<T>,
    { waitMs, meanwhile }: { waitMs: number; meanwhile?: (set: TokenSet | undefined) => T | undefined },
  ): Promise<T> {
    this.#prepareFolder()
    const lock = await acquire(this.#paths, waitMs, async () => meanwhile?.(await this.read()))
    if ('answered' in lock) return lock.answered
    try {
      return await this.#hold(critical)
    } finally {
      lock.release()
    }
  }

  close(): Promise<void> {
    return Promise.resolve()
  }

  async #hold<T>(critical: (held: HeldStore) => Promise<T>): Promise<T> {
    if (lstatOf(this.#paths.database) === undefined) createDatabase(this.#paths)
    const { env = process.env, notify = () => undefined } = this.#options
    const db = await this.#patiently(() => openForWriting(this.#paths))
    try {
      await this.#patiently(() => {
        checkIntegrity(db, this.#paths)
        bringUpToDate(db)
      })
      const rescue = new Rescue(this.#paths, env, notify)
      try {
        return await critical({
          read: () => this.#patiently(() => selectSet(db)),
          save: (next, after, entry) =>
            this.#patiently(() => {
              save(db, next, after, entry)
            }),
          rescue,
        })
      } finally {
        rescue.close()
      }
    } finally {
      db.close()
    }
  }

  #prepareFolder(): void {
    ensureFolder(this.#paths.folder)
    const stats = lstatOf(this.#paths.folder)
    if (stats !== undefined) checkOwn(this.#paths.folder, stats, 'folder')
  }

  /** Reads as a guest: nothing is made, migrated or locked where that can be helped. */
  async #reading<T>(select: (db: Database.Database) => T): Promise<T | undefined> {
    const outcome = await this.#patiently(() => {
      try {
        return readOnce(openForReading(this.#paths), select)
      } catch (error) {
        if (!needsRollback(error)) throw error
        return readOnce(openForWriting(this.#paths), select)
      }
    })
    if (outcome !== OLDER) return outcome
    await this.exclusive(() => Promise.resolve(), { waitMs: BUSY_WAIT_MS })
    return this.#reading(select)
  }

  /** SQLite's own waiting would block the event loop: here a signal ends the wait. */
  async #patiently<T>(work: () => T): Promise<T> {
    for (const deadline = performance.now() + BUSY_WAIT_MS; ;) {
      try {
        return work()
      } catch (error) {
        if (!isBusy(error) || performance.now() >= deadline) throw asUnusable(this.#paths, error)
        await sleep(5 + Math.random() * 20)
      }
    }
  }
}

/** The store stands at an older schema; taking its lock brings it up to date. */
const OLDER = Symbol('older')

function readOnce<T>(
  db: Database.Database | undefined,
  select: (db: Database.Database) => T,
): T | typeof OLDER | undefined {
  if (db === undefined) return undefined
  try {
    return isOlder(db) ? OLDER : select(db)
  } finally {
    db.close()
  }
}

function selectSet(db: Database.Database): TokenSet | undefined {
  const row = db.prepare('SELECT * FROM token_set').get() as Row | undefined
  return row === undefined ? undefined : fromRow(row)
}

function selectHistory(db: Database.Database): HistoryEntry[] {
  const rows = db.prepare('SELECT * FROM history WHERE sequence > 0 ORDER BY sequence DESC').all() as Row[]
  return rows.map(fromHistoryRow)
}

function save(db: Database.Database, next: TokenSet, after: number, entry: HistoryEntry): void {
  db.exec('BEGIN IMMEDIATE')
  try {
    const stored = db.prepare('SELECT generation, width FROM token_set').get() as Row | undefined
    if ((stored?.['generation'] ?? 0) !== after)
      throw new StoreUnusable(
        'the store was changed by something that went around its lock; nothing was overwritten',
        {
          hint: 'find out what else writes to the store (a restored backup, a copy?), then run the same command again',
        },
      )
    const columns = toRow(next)
    const width = Math.max(Number(stored?.['width'] ?? 0), widthFor(columns, next.intent !== null))
    write(
      db,
      stored === undefined ? 'insert' : 'update',
      'token_set',
      { id: 1 },
      { ...columns, width },
      width,
      entry,
    )
    write(
      db,
      'update',
      'history',
      { slot: entry.sequence % HISTORY_SLOTS },
      toHistoryRow(entry),
      HISTORY_WIDTH,
      entry,
    )
    db.exec('COMMIT')
  } catch (error) {
    if (db.inTransaction) db.exec('ROLLBACK')
    throw error
  }
}

/**
 * An intent makes room for the pair to come: what is now the pair will then be `previous`, beside a
 * new one of about its size.
 */
function widthFor(columns: Row, expectsMore: boolean): number {
  const content = recordBytes(Object.values(columns)) * (expectsMore ? 2 : 1)
  return Math.ceil((content + ROW_OVERHEAD) / WIDTH_STEP) * WIDTH_STEP
}

/** Writes one row at exactly `width` bytes. */
function write(
  db: Database.Database,
  how: 'insert' | 'update',
  table: 'token_set' | 'history',
  key: Row,
  columns: Row,
  width: number,
  { sequence }: HistoryEntry,
): void {
  const [[keyName, keyValue]] = Object.entries(key) as [[string, number]]
  const names = [...Object.keys(columns), 'padding']
  // The key stands in the record as NULL: it is the row's number.
  const values = [...Object.values(columns), padding([null, ...Object.values(columns)], width, sequence)]
  const sql =
    how === 'insert'
      ? `INSERT INTO ${table} (${names.join(', ')}, ${keyName}) VALUES (${names.map(() => '?').join(', ')}, ?)`
      : `UPDATE ${table} SET ${names.map((name) => `${name} = ?`).join(', ')} WHERE ${keyName} = ?`
  db.prepare(sql).run(...values, keyValue)
}

/** @throws {StoreUnusable} A damaged store is left as it is: writing to it could cost what is still whole. */
function checkIntegrity(db: Database.Database, { database }: StorePaths): void {
  const found = String(db.pragma('quick_check', { simple: true }))
  if (found !== 'ok') throw damaged(database, found)
}
