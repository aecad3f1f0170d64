// Reads the rows of a store. Writes nothing.
import type Database from 'better-sqlite3'
import type { AlertRecord } from '../../core/alerts.js'
import type { Counters, HistoryEntry, PendingLogin } from '../../core/store-ports.js'
import type { Discovered } from '../../core/ports.js'
import type { TokenSet } from '../../core/token-set.js'
import { fromAlertRows } from '../alert-row.js'
import { fromDiscoveredRow, fromHistoryRows, fromLoginRow, fromRow, isForgotten, type Row } from '../row.js'

export function selectSet(db: Database.Database): TokenSet | undefined {
  const row = db.prepare('SELECT * FROM token_set').get() as Row | undefined
  return row === undefined || isForgotten(row) ? undefined : fromRow(row)
}

/** The counters of the token set; if it was forgotten, those of the last event. */
export function selectCounters(db: Database.Database): Counters {
  const newest = (table: string, columns: string): Row | undefined =>
    db.prepare(`SELECT ${columns} FROM ${table}`).get() as Row | undefined
  const { generation, sequence } =
    newest('token_set', 'generation, sequence') ??
    newest('history', 'max(generation) AS generation, max(sequence) AS sequence') ??
    {}
  return { generation: Number(generation ?? 0), sequence: Number(sequence ?? 0) }
}

export function selectDiscovered(db: Database.Database): Discovered | undefined {
  return selectOne(db, 'discovered', fromDiscoveredRow)
}

export function selectLogin(db: Database.Database): PendingLogin | undefined {
  return selectOne(db, 'login', fromLoginRow)
}

/** `undefined` also if the store's version had no such table, and for a login that was being forgotten. */
function selectOne<T>(
  db: Database.Database,
  table: 'login' | 'discovered',
  from: (row: Row) => T,
): T | undefined {
  if (!hasTable(db, table)) return undefined
  const row = db.prepare(`SELECT * FROM ${table}`).get() as Row | undefined
  return row === undefined || row['state'] === '' ? undefined : from(row)
}

function hasTable(db: Database.Database, table: string): boolean {
  return db.prepare("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?").get(table) !== undefined
}

/** None if the store's version had no such table. */
export function selectAlerts(db: Database.Database): readonly AlertRecord[] {
  return hasTable(db, 'notice') ? fromAlertRows(db.prepare('SELECT * FROM notice').all() as Row[]) : []
}

export function selectHistory(db: Database.Database): HistoryEntry[] {
  const rows = db.prepare('SELECT * FROM history WHERE sequence > 0 ORDER BY sequence DESC').all() as Row[]
  return fromHistoryRows(rows)
}
