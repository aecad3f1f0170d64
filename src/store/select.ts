import type Database from 'better-sqlite3'
import type { Discovered } from '../core/ports.js'
import type { TokenSet } from '../core/token-set.js'
import { fromDiscoveredRow, fromRow, type Row } from './row.js'

export function selectSet(db: Database.Database): TokenSet | undefined {
  const row = db.prepare('SELECT * FROM token_set').get() as Row | undefined
  return row === undefined ? undefined : fromRow(row)
}

export function selectDiscovered(db: Database.Database): Discovered | undefined {
  return selectOne(db, 'discovered', fromDiscoveredRow)
}

/** `undefined` too where the store is of a version that had no such table. */
export function selectOne<T>(
  db: Database.Database,
  table: 'login' | 'discovered',
  from: (row: Row) => T,
): T | undefined {
  const isThere = db.prepare("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?").get(table)
  if (isThere === undefined) return undefined
  const row = db.prepare(`SELECT * FROM ${table}`).get() as Row | undefined
  return row === undefined ? undefined : from(row)
}
