// The options of a shared store. Types only: nothing here runs.
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
  /** Receives warnings. */
  readonly notify: (notice: Notice) => void
}
