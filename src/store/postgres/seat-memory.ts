// Keeps what a seat remembers, in an SQLite file on this machine. Decides nothing.
import { randomUUID } from 'node:crypto'
import type Database from 'better-sqlite3'
import { isThere, type StorePaths } from '../files.js'
import { needsRollback } from '../sqlite/addon.js'
import { bringUpToDate, createDatabase, openForReading, openForWriting } from '../sqlite/database.js'
import { patiently } from '../sqlite/patience.js'
import { nothing, type Remembered } from './remembered.js'
import { fromSeatRow, SEAT_SCHEMA, toSeatRow, type SeatRow } from './seat-schema.js'

/** The memory of a seat; a simulation has another. */
export interface Memory {
  /** Takes no lock. A seat that has no file yet remembers nothing, under a new name. */
  load(): Promise<Remembered>
  /** Makes the file if it is missing. Call it under the seat's lock only. */
  create(): Promise<void>
  /**
   * Replaces what is remembered, in one transaction. Durable when it returns.
   *
   * @param change Gets what is remembered at that moment: another process may have written since `load`.
   * @returns What is remembered now; `undefined` if there is no file.
   */
  change(change: (known: Remembered) => Remembered): Promise<Remembered | undefined>
}

export class SeatMemory implements Memory {
  readonly #paths: Pick<StorePaths, 'folder' | 'database'>
  /** The name of a seat that has no file yet. */
  readonly #name = randomUUID()

  constructor(paths: Pick<StorePaths, 'folder' | 'database'>) {
    this.#paths = paths
  }

  load(): Promise<Remembered> {
    return patiently(this.#paths, () => {
      try {
        return this.#read(openForReading(this.#paths, SEAT_SCHEMA))
      } catch (error) {
        if (!needsRollback(error)) throw error
        return this.#read(openForWriting(this.#paths, SEAT_SCHEMA))
      }
    })
  }

  create(): Promise<void> {
    return patiently(this.#paths, () => {
      if (!isThere(this.#paths)) createDatabase(this.#paths, SEAT_SCHEMA)
    })
  }

  change(change: (known: Remembered) => Remembered): Promise<Remembered | undefined> {
    return patiently(this.#paths, () => {
      if (!isThere(this.#paths)) return undefined
      const db = openForWriting(this.#paths, SEAT_SCHEMA)
      try {
        bringUpToDate(db, SEAT_SCHEMA)
        const { before, next } = db
          .transaction(() => {
            const before = this.#rowIn(db)
            const next = change(before)
            write(db, next, isErasedBy(next, before) ? widthOf(before) : 0)
            return { before, next }
          })
          .immediate()
        // The journal still holds what was erased. A row of that width writes as many pages of it anew.
        if (isErasedBy(next, before)) {
          db.transaction(() => {
            write(db, this.#rowIn(db))
          }).immediate()
        }
        return next
      } finally {
        db.close()
      }
    })
  }

  #read(db: Database.Database | undefined): Remembered {
    try {
      return db === undefined ? nothing(this.#name) : this.#rowIn(db)
    } finally {
      db?.close()
    }
  }

  #rowIn(db: Database.Database): Remembered {
    const row = db.prepare('SELECT seat, token_set, about, answers FROM seat').get() as SeatRow | undefined
    return row === undefined ? nothing(this.#name) : fromSeatRow(row)
  }
}

function isErasedBy(next: Remembered, before: Remembered): boolean {
  return next.set === undefined && before.set !== undefined
}

function widthOf(known: Remembered): number {
  const { token_set, about, answers } = toSeatRow(known)
  return Buffer.byteLength((token_set ?? '') + about) + answers.length
}

/** @param width Bytes; spaces behind the JSON fill the row up to it. */
function write(db: Database.Database, known: Remembered, width = 0): void {
  const { seat, token_set, about, answers } = toSeatRow(known)
  db.prepare('REPLACE INTO seat (id, seat, token_set, about, answers) VALUES (1, ?, ?, ?, ?)').run(
    seat,
    token_set,
    about.padEnd(width),
    answers,
  )
}
