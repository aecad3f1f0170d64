// Reads what a seat remembers of the token set, for the warm path. Never waits, repairs or writes.
import { dirname } from 'node:path'
import { Secret } from '../../core/secret.js'
import type { TokenSet } from '../../core/token-set.js'
import { isThere } from '../files.js'
import { fromRow, type Row } from '../row.js'
import { openByAddon } from '../sqlite/addon.js'
import { SEAT_APPLICATION_ID } from '../sqlite/schema.js'
import type { Remembered } from './remembered.js'

/** Names a shared store in messages, and tells it from any other. @param display Its URL without a password. */
export function placeOf({ display, name }: { readonly display: string; readonly name: string }): string {
  return `${display} (${name})`
}

/** What a seat remembers, without its name and the answers that it keeps. */
export type Peeked = Omit<Remembered, 'seat' | 'answers'>

/**
 * Reads the seat once, without waiting and without promises.
 *
 * @param name The row of the database that it is about.
 * @throws If there is anything to wait for, to repair or to report.
 */
export function peekSeat(path: string, name: string): Peeked | undefined {
  const paths = { folder: dirname(path), database: path }
  if (!isThere(paths)) return undefined
  const db = openByAddon(paths.database)
  const prepared = (sql: string): ReturnType<typeof db.prepare> => db.prepare(sql, db, false, false)
  try {
    db.exec('PRAGMA trusted_schema = OFF')
    if (prepared('PRAGMA application_id').pluck().get() !== SEAT_APPLICATION_ID) return undefined
    const row = prepared('SELECT token_set, about FROM seat WHERE name = ?').get(name) as PeekRow | undefined
    return row === undefined ? undefined : fromPeek(row)
  } finally {
    db.close()
  }
}

interface PeekRow {
  /** JSON of the columns of SQLite's `token_set`; `refresh_token` and the previous tokens are fingerprints. */
  readonly token_set: string | null
  /** JSON of the rest. A later version may add to it. */
  readonly about: string
}

/** @throws The file is damaged. */
export function fromPeek({ token_set, about }: PeekRow): Peeked {
  const set = token_set === null ? undefined : fromColumns(JSON.parse(token_set) as Row)
  return { ...(JSON.parse(about) as Omit<Peeked, 'set'>), set }
}

function fromColumns(columns: Row): TokenSet {
  const set = fromRow(columns)
  const { pair, previous } = set
  const hidden = (fingerprint: Secret): Secret => Secret.elsewhere(fingerprint.reveal())
  return {
    ...set,
    pair: { ...pair, refreshToken: hidden(pair.refreshToken) },
    previous: previous && {
      ...previous,
      accessToken: hidden(previous.accessToken),
      refreshToken: hidden(previous.refreshToken),
    },
  }
}
