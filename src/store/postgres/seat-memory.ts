// Keeps what a seat remembers, in an SQLite file on this machine. Decides nothing.
import { randomUUID } from 'node:crypto'
import type Database from 'better-sqlite3'
import { lastingName, type Host } from '../../core/host.js'
import { birthOf, damaged, isThere, type StorePaths } from '../files.js'
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
  readonly #host: Host
  readonly #row: string
  /** The name of a seat that has no file yet. */
  readonly #name = randomUUID()

  /**
   * @param host This machine.
   * @param row The row of the database that this is about: another one has leases and generations of its own.
   */
  constructor(paths: Pick<StorePaths, 'folder' | 'database'>, host: Host, row: string) {
    this.#paths = paths
    this.#host = host
    this.#row = row
  }

  load(): Promise<Remembered> {
    return this.#patiently(() => {
      try {
        return this.#read(openForReading(this.#paths, SEAT_SCHEMA))
      } catch (error) {
        if (!needsRollback(error)) throw error
        return this.#read(openForWriting(this.#paths, SEAT_SCHEMA))
      }
    })
  }

  create(): Promise<void> {
    return this.#patiently(() => {
      if (!isThere(this.#paths, SEAT_SCHEMA)) createDatabase(this.#paths, SEAT_SCHEMA)
    })
  }

  change(change: (known: Remembered) => Remembered): Promise<Remembered | undefined> {
    return this.#patiently(() => {
      if (!isThere(this.#paths, SEAT_SCHEMA)) return undefined
      const db = openForWriting(this.#paths, SEAT_SCHEMA)
      try {
        bringUpToDate(db, SEAT_SCHEMA)
        const { before, next } = db
          .transaction(() => {
            const before = this.#rowIn(db)
            const next = change(before)
            this.#write(db, next, isErasedBy(next, before) ? widthOf(before) : 0)
            return { before, next }
          })
          .immediate()
        // The journal still holds what was erased. A row of that width writes as many pages of it anew.
        if (isErasedBy(next, before)) {
          db.transaction(() => {
            this.#write(db, this.#rowIn(db))
          }).immediate()
        }
        return next
      } finally {
        db.close()
      }
    })
  }

  #patiently<T>(work: () => T): Promise<T> {
    return patiently(this.#paths, work, SEAT_SCHEMA)
  }

  #read(db: Database.Database | undefined): Remembered {
    try {
      return db === undefined ? nothing(this.#name) : this.#rowIn(db)
    } finally {
      db?.close()
    }
  }

  #rowIn(db: Database.Database): Remembered {
    const row = db
      .prepare('SELECT seat, owner, token_set, about, answers FROM seat WHERE name = ?')
      .get(this.#row) as (SeatRow & { readonly owner: string }) | undefined
    if (row === undefined) return nothing(this.#name)
    const known = this.#whole(row)
    // Two machines that hold leases under one name would each take the other's.
    return row.owner === this.#owner()
      ? known
      : { ...known, seat: this.#name, set: undefined, checkedAt: null, observed: null }
  }

  /** @throws {StoreUnusable} */
  #whole(row: SeatRow): Remembered {
    try {
      return fromSeatRow(row)
    } catch (cause) {
      throw damaged(this.#paths.database, 'its row', { kind: SEAT_SCHEMA, cause })
    }
  }

  /** @param width Bytes; spaces behind the JSON fill the row up to it. */
  #write(db: Database.Database, known: Remembered, width = 0): void {
    const { seat, token_set, about, answers } = toSeatRow(known)
    db.prepare(
      'REPLACE INTO seat (name, seat, owner, token_set, about, answers) VALUES (?, ?, ?, ?, ?, ?)',
    ).run(this.#row, seat, this.#owner(), token_set, about.padEnd(width), answers)
  }

  /**
   * This machine and this very file: one of another machine, as in an image of its disk, is no seat of this one, and nor
   * is a copy on the same machine, as in a container of that image.
   */
  #owner(): string {
    const { id, boot } = this.#host
    return JSON.stringify([lastingName(this.#host), id, boot, birthOf(this.#paths.database)])
  }
}

function isErasedBy(next: Remembered, before: Remembered): boolean {
  return next.set === undefined && before.set !== undefined
}

function widthOf(known: Remembered): number {
  const { token_set, about, answers } = toSeatRow(known)
  return Buffer.byteLength((token_set ?? '') + about) + answers.length
}
