// Reads the token set for the warm path. Never waits, repairs or writes.
import { dirname } from 'node:path'
import type { TokenSet } from '../../core/token-set.js'
import { openByAddon } from './addon.js'
import { isThere, lstatOf } from '../files.js'
import { fromRow, isForgotten, type Row } from '../row.js'
import { APPLICATION_ID } from './schema.js'

/**
 * Reads the token set once, without waiting and without promises.
 *
 * @throws If there is anything to wait for, to repair or to report.
 */
export function peek(path: string): TokenSet | undefined {
  const paths = { folder: dirname(path), database: path }
  if (!isThere(paths)) return undefined
  const db = openByAddon(paths.database)
  const prepared = (sql: string): ReturnType<typeof db.prepare> => db.prepare(sql, db, false, false)
  try {
    db.exec('PRAGMA trusted_schema = OFF')
    if (prepared('PRAGMA application_id').pluck().get() !== APPLICATION_ID) return undefined
    const row = prepared('SELECT * FROM token_set').get() as Row | undefined
    return row === undefined || isForgotten(row) ? undefined : fromRow(row)
  } finally {
    db.close()
  }
}

/** Milliseconds since the epoch of the last write, which tells whether another read is worth it. */
export function touchedAt(path: string): number | undefined {
  return lstatOf(path)?.mtimeMs
}
