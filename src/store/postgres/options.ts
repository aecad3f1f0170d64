// The options of a shared store. Types only: nothing here runs.
import type { Here } from '../../core/move-notes.js'
import type { RowAddress } from '../../core/move-ports.js'
import type { Notice } from '../../core/ports.js'
import type { Time } from './lease.js'

export interface PostgresStoreOptions {
  /** This host's name, for people. */
  readonly host: string
  /** Milliseconds that a lease lasts without a sign of life. */
  readonly leaseMs: number
  /** Seconds for which a good token is handed out without a look at the database. */
  readonly recheck: number
  readonly time: Time
  readonly address: RowAddress
  /** This host, for the hint of a row that a move has closed. */
  readonly here?: Here | undefined
  /** Receives warnings. */
  readonly notify: (notice: Notice) => void
}
