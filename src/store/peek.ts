import type { TokenSet } from '../core/token-set.js'
import { openForReading } from './database.js'
import { storePaths } from './files.js'
import { fromRow, type Row } from './row.js'

/**
 * One look at the token set, without waiting and without promises.
 *
 * @throws When there is anything to wait for, to mend or to complain about.
 */
export function peek(path: string): TokenSet | undefined {
  const db = openForReading(storePaths(path))
  try {
    const row = db?.prepare('SELECT * FROM token_set').get() as Row | undefined
    return row === undefined ? undefined : fromRow(row)
  } finally {
    db?.close()
  }
}
