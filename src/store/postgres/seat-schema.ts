// The schema of the file in which a seat remembers the shared row, and the format of its rows. Pure.
import { Secret } from '../../core/secret.js'
import type { TokenSet } from '../../core/token-set.js'
import { recordsIn, serialize } from '../rescue/records.js'
import { toRow, type Row } from '../row.js'
import { SEAT_APPLICATION_ID, type Schema } from '../sqlite/schema.js'
import { fromPeek } from './peek-seat.js'
import { nothing, tokenless, type Remembered } from './remembered.js'

/**
 * A row for each row of a database that hosts share. `owner`, `token_set` and `about` are JSON; the second as SQLite's
 * columns, without what buys new tokens.
 */
const MIGRATIONS = [
  `CREATE TABLE seat (
     name TEXT PRIMARY KEY,
     seat TEXT NOT NULL,
     owner TEXT NOT NULL,
     token_set TEXT,
     about TEXT NOT NULL,
     answers BLOB NOT NULL
   ) STRICT;`,
]

export const SEAT_SCHEMA: Schema = {
  applicationId: SEAT_APPLICATION_ID,
  kind: 'the seat of a shared store',
  isCopy: true,
  migrations: MIGRATIONS,
}

/** The columns of a row. */
export interface SeatRow {
  readonly seat: string
  readonly token_set: string | null
  readonly about: string
  readonly answers: Uint8Array
}

export function toSeatRow({ seat, set, answers, ...about }: Remembered): SeatRow {
  return {
    seat,
    token_set: set === undefined ? null : JSON.stringify(toColumns(set)),
    about: JSON.stringify(about),
    answers: Buffer.concat(answers.map(serialize)),
  }
}

/** @throws The file is damaged. */
export function fromSeatRow({ seat, token_set, about, answers }: SeatRow): Remembered {
  return {
    ...nothing(seat),
    ...fromPeek({ token_set, about }),
    answers: recordsIn(Buffer.from(answers)),
  }
}

/** The refresh token's column holds its fingerprint, and so do those of the previous pair. */
function toColumns(set: TokenSet): Row {
  const { refreshToken } = set.pair
  const whole = {
    ...set,
    pair: { ...set.pair, refreshToken: new Secret(refreshToken.fingerprint) },
    previous: set.previous && tokenless(set.previous, (fingerprint) => new Secret(fingerprint)),
  }
  return toRow(whole)
}
