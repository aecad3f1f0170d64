/**
 * Where the token set is kept: an SQLite file on a local disk.
 *
 * @module hq-token/sqlite
 */
import type Database from 'better-sqlite3'
import { StoreBusy, StoreUnusable } from '../core/errors.js'
import type {
  Discovered,
  HeldStore,
  HistoryEntry,
  Notice,
  PendingLogin,
  TokenStore,
  Turn,
} from '../core/ports.js'
import type { TokenSet } from '../core/token-set.js'
import { isBusy } from './addon.js'
import {
  asUnusable,
  bringUpToDate,
  createDatabase,
  needsRollback,
  openForReading,
  openForWriting,
} from './database.js'
import { checkOwn, damaged, ensureFolder, lstatOf, storePaths, type StorePaths } from './files.js'
import { acquire, sleep } from './lock.js'
import { padding, recordBytes } from './record.js'
import { Rescue } from './rescue.js'
import { fromHistoryRow, toDiscoveredRow, toHistoryRow, toLoginRow, toRow, type Row } from './row.js'
import { HISTORY_SLOTS, HISTORY_WIDTH } from './schema.js'
import { selectCounters, selectDiscovered, selectLogin, selectSet } from './select.js'

/** The row's width comes in steps of this, so that it all but never changes. */
const WIDTH_STEP = 16 * 1024
/** Bytes beside the token set's own columns: the width itself, the padding's length. */
const ROW_OVERHEAD = 16
/** Milliseconds that a read or a commit of others may keep ours waiting. Theirs take a few. */
const BUSY_WAIT_MS = 10_000

/** What a store is told beside its path; the command line gives what it has itself. */
export interface SqliteStoreOptions {
  /** Names the folder for a last copy where the store's own disk fails. Default: the process's. */
  readonly env?: NodeJS.ProcessEnv
  /** Hears warnings. Default: nobody. */
  readonly notify?: (notice: Notice) => void
  /** @hidden What was done about the lock before: for the first critical section. */
  readonly turn?: Turn | undefined
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
  #turn: Turn | undefined
  readonly name: string

  /**
   * Makes and opens nothing yet: the first call does.
   *
   * @param path Of the SQLite file; its folder is made where there is none.
   */
  constructor(path: string, options: SqliteStoreOptions = {}) {
    this.name = path
    this.#paths = storePaths(path)
    this.#options = options
    this.#turn = options.turn?.store === path ? options.turn : undefined
  }

  read(): Promise<TokenSet | undefined> {
    return this.#reading(selectSet)
  }

  async history(): Promise<readonly HistoryEntry[]> {
    return (await this.#reading(selectHistory)) ?? []
  }

  isUntouched(): Promise<boolean> {
    const { database, rescue } = this.#paths
    return Promise.resolve([database, rescue].every((path) => lstatOf(path) === undefined))
  }

  login(): Promise<PendingLogin | undefined> {
    return this.#reading(selectLogin)
  }

  discovered(): Promise<Discovered | undefined> {
    return this.#reading(selectDiscovered)
  }

  async exclusive<T>(
    critical: (held: HeldStore) => Promise<T>,
    { waitMs, meanwhile }: { waitMs: number; meanwhile?: (set: TokenSet | undefined) => T | undefined },
  ): Promise<T> {
    this.#prepareFolder()
    const turn = this.#turn
    this.#turn = undefined
    const lock = await acquire(this.#paths, waitMs, async () => meanwhile?.(await this.read()), turn)
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
          counters: () => this.#patiently(() => selectCounters(db)),
          login: () => this.#patiently(() => selectLogin(db)),
          saveLogin: (login) =>
            this.#patiently(() => {
              if (login === null) db.exec('DELETE FROM login')
              else replaceOne(db, 'login', toLoginRow(login))
            }),
          pin: (discovered) =>
            this.#patiently(() => {
              replaceOne(db, 'discovered', toDiscoveredRow(discovered))
            }),
          forget: async (entry) => {
            // First: an answer that stays behind could be taken for the next login's.
            rescue.erase()
            await this.#patiently(() => {
              forget(db, entry)
            })
          },
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
    return this.#patiently(() => {
      try {
        return readOnce(openForReading(this.#paths), select)
      } catch (error) {
        if (!needsRollback(error)) throw error
        return readOnce(openForWriting(this.#paths), select)
      }
    })
  }

  /** SQLite's own waiting would block the event loop: here a signal ends the wait. */
  async #patiently<T>(work: () => T): Promise<T> {
    for (const deadline = performance.now() + BUSY_WAIT_MS; ;) {
      try {
        return work()
      } catch (error) {
        if (!isBusy(error)) throw asUnusable(this.#paths, error)
        if (performance.now() >= deadline)
          throw new StoreBusy(`${this.#paths.database} stayed busy for ${BUSY_WAIT_MS / 1000} s`, {
            hint: `run the same command again later; to see who holds it: fuser ${this.#paths.database}`,
            cause: error,
          })
        await sleep(5 + Math.random() * 20)
      }
    }
  }
}

function readOnce<T>(db: Database.Database | undefined, select: (db: Database.Database) => T): T | undefined {
  try {
    return db === undefined ? undefined : select(db)
  } finally {
    db?.close()
  }
}

function replaceOne(db: Database.Database, table: 'login' | 'discovered', columns: Row): void {
  const names = Object.keys(columns)
  db.prepare(
    `REPLACE INTO ${table} (id, ${names.join(', ')}) VALUES (1, ${names.map(() => '?').join(', ')})`,
  ).run(...Object.values(columns))
}

/**
 * Twice over: deleted pages are overwritten (`secure_delete`), and the journal of a deletion still holds what
 * was deleted. So the row is blotted first; the journal of its deletion then holds the blots.
 */
function forget(db: Database.Database, entry: HistoryEntry | null): void {
  const row = db.prepare('SELECT * FROM token_set').get() as Row | undefined
  if (row !== undefined) {
    const columns = Object.entries(row).filter(([name]) => name !== 'id' && name !== 'padding')
    write(db, 'token_set', 1, blotted(Object.fromEntries(columns)), Number(row['width']), BLOT)
  }
  db.exec("UPDATE login SET state = '', verifier = ''")
  db.transaction(() => {
    db.exec('DELETE FROM token_set; DELETE FROM login')
    if (entry !== null) writeHistory(db, entry)
  })()
  // Whatever else the journal may have kept from longer transactions before.
  db.pragma('journal_mode = DELETE')
  db.pragma('journal_mode = PERSIST')
}

function selectHistory(db: Database.Database): HistoryEntry[] {
  const rows = db.prepare('SELECT * FROM history WHERE sequence > 0 ORDER BY sequence DESC').all() as Row[]
  return rows.map(fromHistoryRow)
}

function save(db: Database.Database, next: TokenSet, after: number, entry: HistoryEntry): void {
  const grown = saveOnce(db, next, after, entry)
  // Pages that are new are not in the journal: only a second write at the new width makes it long
  // enough for the one that must not fail.
  if (grown && next.intent !== null) saveOnce(db, next, next.generation, entry)
}

/** @returns Whether the row became wider. */
function saveOnce(db: Database.Database, next: TokenSet, after: number, entry: HistoryEntry): boolean {
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
    const before = Number(stored?.['width'] ?? 0)
    const columns = toRow(next)
    const width = Math.max(before, widthFor(columns, next.intent !== null))
    const row = { ...columns, width }
    // An intent rehearses the save to come: it changes every page of the row, so that the journal
    // has room for each of them and the disk has proved that it takes them.
    if (next.intent !== null) write(db, 'token_set', 1, blotted(row), width, BLOT)
    write(db, 'token_set', 1, row, width)
    writeHistory(db, entry)
    db.exec('COMMIT')
    return width > before
  } catch (error) {
    if (db.inTransaction) db.exec('ROLLBACK')
    throw error
  }
}

const BLOT = 0x7e

function blotted(row: Row): Row {
  const blot = (value: Row[string]): Row[string] =>
    typeof value === 'string' ? String.fromCharCode(BLOT).repeat(Buffer.byteLength(value)) : value
  return Object.fromEntries(Object.entries(row).map(([column, value]) => [column, blot(value)]))
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
  table: 'token_set' | 'history',
  key: number,
  columns: Row,
  width: number,
  fill = 0,
): void {
  const names = [...Object.keys(columns), 'padding']
  const values = Object.values(columns)
  db.prepare(
    `INSERT INTO ${table} (${names.join(', ')}, ${KEYS[table]}) VALUES (${names.map(() => '?').join(', ')}, ?)
     ON CONFLICT (${KEYS[table]}) DO UPDATE SET ${names.map((name) => `${name} = excluded.${name}`).join(', ')}`,
  ).run(
    ...values,
    // The key stands in the record as NULL: it is the row's number.
    padding([null, ...values], width, fill),
    key,
  )
}

function writeHistory(db: Database.Database, entry: HistoryEntry): void {
  write(db, 'history', entry.sequence % HISTORY_SLOTS, toHistoryRow(entry), HISTORY_WIDTH)
}

const KEYS = { token_set: 'id', history: 'slot' } as const

/** @throws {StoreUnusable} A damaged store is left as it is: writing to it could cost what is still whole. */
function checkIntegrity(db: Database.Database, { database }: StorePaths): void {
  const found = String(db.pragma('quick_check', { simple: true }))
  if (found !== 'ok') throw damaged(database, found)
}
