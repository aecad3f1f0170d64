/** Writes rows at a width that stays, so that a disk which fills up between two writes does not stop the second. */
import type Database from 'better-sqlite3'
import { Overtaken, StoreUnusable } from '../../core/errors.js'
import type { HistoryEntry } from '../../core/store-ports.js'
import type { TokenSet } from '../../core/token-set.js'
import { damaged, type StorePaths } from '../files.js'
import { padding, recordBytes } from './record.js'
import { toHistoryRow, toRow, type Row } from './row.js'
import { HISTORY_SLOTS, HISTORY_WIDTH } from './schema.js'

/** The row's width comes in steps of this, so that it all but never changes. */
const WIDTH_STEP = 16 * 1024
/** Bytes beside the token set's own columns: the width itself, the padding's length. */
const ROW_OVERHEAD = 16

export function replaceOne(db: Database.Database, table: 'login' | 'discovered', columns: Row): void {
  const names = Object.keys(columns)
  db.prepare(
    `REPLACE INTO ${table} (id, ${names.join(', ')}) VALUES (1, ${names.map(() => '?').join(', ')})`,
  ).run(...Object.values(columns))
}

/**
 * Twice over: deleted pages are overwritten (`secure_delete`), and the journal of a deletion still holds what
 * was deleted. So the row is blotted first; the journal of its deletion then holds the blots.
 */
export function forget(db: Database.Database, entry: HistoryEntry | null): void {
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

/** @param known The sequence that the caller has seen; `undefined` where it has seen no set. */
export function save(
  db: Database.Database,
  next: TokenSet,
  after: number,
  entry: HistoryEntry,
  known: number | undefined,
): void {
  const grown = saveOnce(db, next, after, entry, known)
  // Pages that are new are not in the journal: only a second write at the new width makes it long
  // enough for the one that must not fail.
  if (grown && next.intent !== null) saveOnce(db, next, next.generation, entry, next.sequence)
}

/** @returns Whether the row became wider. */
function saveOnce(
  db: Database.Database,
  next: TokenSet,
  after: number,
  entry: HistoryEntry,
  known: number | undefined,
): boolean {
  db.exec('BEGIN IMMEDIATE')
  try {
    const stored = db.prepare('SELECT generation, sequence, width FROM token_set').get() as Row | undefined
    if ((stored?.['generation'] ?? 0) !== after)
      throw new StoreUnusable(
        'the store was changed by something that went around its lock; nothing was overwritten',
        {
          hint: 'find out what else writes to the store (a restored backup, a copy?), then run the same command again',
        },
      )
    // A new pair is worth more than whatever another process has begun on the old one.
    if (next.generation === after && known !== undefined && stored?.['sequence'] !== known)
      throw new Overtaken()
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
export function checkIntegrity(db: Database.Database, { database }: StorePaths): void {
  const found = String(db.pragma('quick_check', { simple: true }))
  if (found !== 'ok') throw damaged(database, found)
}
