/**
 * Writes rows of constant width, so that a disk that fills up between two writes does not stop the second. Takes no
 * lock of the store.
 */
import type Database from 'better-sqlite3'
import { isDeepStrictEqual } from 'node:util'
import { idle, type AlertChange } from '../../core/alerts.js'
import { Overtaken, StoreUnusable } from '../../core/errors.js'
import { landing } from '../../core/landing.js'
import type { HistoryEntry, Landed } from '../../core/store-ports.js'
import type { TokenSet } from '../../core/token-set.js'
import { damaged, type StorePaths } from '../files.js'
import { padding, recordBytes } from './record.js'
import { fromAlertRows, toAlertRow } from '../alert-row.js'
import { BLOT, isForgotten, toHistoryRow, toRow, type Row } from '../row.js'
import { HISTORY_SLOTS, HISTORY_WIDTH } from './schema.js'
import { selectSet } from './select.js'

/** Bytes by which a row grows, in large steps so that its width hardly ever changes. */
const WIDTH_STEP = 16 * 1024
const BLOT_BYTE = BLOT.charCodeAt(0)
/** Bytes beside the token set's own columns: the width, and the padding's length. */
const ROW_OVERHEAD = 16

export function replaceOne(db: Database.Database, table: 'login' | 'discovered', columns: Row): void {
  const names = Object.keys(columns)
  db.prepare(
    `REPLACE INTO ${table} (id, ${names.join(', ')}) VALUES (1, ${names.map(() => '?').join(', ')})`,
  ).run(...Object.values(columns))
}

/** @returns False if the record is no longer as it was read. One that cannot be read is idle. */
export function saveAlert(db: Database.Database, { before, after }: AlertChange): boolean {
  return inTransaction(db, () => {
    const { kind } = before
    const rows = db.prepare('SELECT * FROM notice WHERE kind = ?').all(kind) as Row[]
    const [stored = idle(kind)] = fromAlertRows(rows)
    if (!isDeepStrictEqual(toAlertRow(stored), toAlertRow(before))) return false
    const columns = toAlertRow(after)
    const names = Object.keys(columns)
    db.prepare(
      `INSERT INTO notice (${names.join(', ')}) VALUES (${names.map(() => '?').join(', ')})
       ON CONFLICT (kind) DO UPDATE SET ${names.map((name) => `${name} = excluded.${name}`).join(', ')}`,
    ).run(...Object.values(columns))
    return true
  })
}

/**
 * Forgets everything secret. Overwrites the row before deleting it: `secure_delete` overwrites deleted pages, but
 * the journal of the deletion still holds what was deleted, and so it holds the blots only.
 */
export function forget(db: Database.Database, entry: HistoryEntry | null): void {
  const row = db.prepare('SELECT * FROM token_set').get() as Row | undefined
  db.transaction(() => {
    if (row !== undefined) {
      const columns = Object.entries(row).filter(([name]) => name !== 'id' && name !== 'padding')
      write(db, 'token_set', 1, blotted(Object.fromEntries(columns)), Number(row['width']), BLOT_BYTE)
    }
    db.exec("UPDATE login SET state = '', verifier = ''")
    if (entry !== null) writeHistory(db, entry)
  })()
  // An overwritten record counts as deleted, so a process may die here.
  db.exec('DELETE FROM token_set; DELETE FROM login')
  // Delete the journal once, because it may hold parts of longer transactions from before.
  db.pragma('journal_mode = DELETE')
  db.pragma('journal_mode = PERSIST')
}

/** Deletes what a process has overwritten that died before it could delete it. */
export function finishForgetting(db: Database.Database): void {
  const row = db.prepare('SELECT access_token FROM token_set').get() as Row | undefined
  if (row !== undefined && isForgotten(row)) forget(db, null)
}

/** @param known The sequence that the caller has seen; `undefined` if it has seen no set. */
export function note(
  db: Database.Database,
  next: TokenSet,
  after: number,
  entry: HistoryEntry,
  known: number | undefined,
): void {
  const noteOnce = (after: number, known: number | undefined): boolean =>
    inTransaction(db, () => {
      const stored = db.prepare('SELECT generation, sequence FROM token_set').get() as Row | undefined
      if ((stored?.['generation'] ?? 0) !== after) throw bypassed()
      if (known !== undefined && stored?.['sequence'] !== known) throw new Overtaken()
      return save(db, next, entry)
    })
  const grown = noteOnce(after, known)
  // Write twice after growing: new pages are not in the journal, so only a second write at the new width makes the
  // journal long enough for the save that must not fail.
  if (grown && next.intent !== null) noteOnce(next.generation, next.sequence)
}

export function land(db: Database.Database, next: TokenSet, after: number, entry: HistoryEntry): Landed {
  return inTransaction(db, () => {
    const stored = selectSet(db)
    const verdict = landing(stored, next, after, entry.event === 'login')
    if (verdict === 'already') return verdict
    if (verdict === 'overtaken' && stored !== undefined) return { overtakenBy: stored }
    if (verdict !== 'save') throw bypassed()
    save(db, next, entry)
    return 'saved'
  })
}

function bypassed(): StoreUnusable {
  return new StoreUnusable('another program changed the store without its lock; nothing was overwritten', {
    hint: 'find out what else writes to the store (a restored backup, a copy?), then run the same command again',
  })
}

export function inTransaction<T>(db: Database.Database, work: () => T): T {
  db.exec('BEGIN IMMEDIATE')
  try {
    const result = work()
    db.exec('COMMIT')
    return result
  } catch (error) {
    if (db.inTransaction) db.exec('ROLLBACK')
    throw error
  }
}

/** @returns Whether the row has grown. */
export function save(db: Database.Database, next: TokenSet, entry: HistoryEntry): boolean {
  const stored = db.prepare('SELECT width FROM token_set').get() as Row | undefined
  const before = Number(stored?.['width'] ?? 0)
  const columns = toRow(next)
  const width = Math.max(before, widthFor(columns, next.intent !== null))
  const row = { ...columns, width }
  // An intent rehearses the save to come: it changes every page of the row, so the journal has room for each of
  // them, and the disk has shown that it takes them.
  if (next.intent !== null) write(db, 'token_set', 1, blotted(row), width, BLOT_BYTE)
  write(db, 'token_set', 1, row, width)
  writeHistory(db, entry)
  return width > before
}

function blotted(row: Row): Row {
  const blot = (value: Row[string]): Row[string] =>
    typeof value === 'string' ? BLOT.repeat(Buffer.byteLength(value)) : value
  return Object.fromEntries(Object.entries(row).map(([column, value]) => [column, blot(value)]))
}

/**
 * The width that a row needs. An intent doubles it, because the save moves the present pair to `previous` and adds
 * a new one of about the same size.
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
    // SQLite stores the key as NULL in the record, because it is the row's number.
    padding([null, ...values], width, fill),
    key,
  )
}

export function writeHistory(db: Database.Database, entry: HistoryEntry): void {
  write(db, 'history', entry.sequence % HISTORY_SLOTS, toHistoryRow(entry), HISTORY_WIDTH)
}

const KEYS = { token_set: 'id', history: 'slot' } as const

/**
 * @throws {StoreUnusable} The store is damaged. It is left as it is, because writing could destroy what is still
 *   whole.
 */
export function checkIntegrity(db: Database.Database, { database }: StorePaths): void {
  const found = String(db.pragma('quick_check', { simple: true }))
  if (found !== 'ok') throw damaged(database, found)
}
