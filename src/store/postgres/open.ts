// Puts a shared store together: this host's seat, the registry, and the connection to it.
import type { Clock } from '../../core/clock.js'
import type { Host } from '../../core/host.js'
import { Seat, type SeatOptions } from '../seat.js'
import { storePaths } from '../files.js'
import { Connection } from './connection.js'
import { machineTime } from './machine-time.js'
import { placeOf } from './peek-seat.js'
import { PostgresRegistry } from './postgres-registry.js'
import { PostgresStore } from './postgres-store.js'
import { SeatMemory } from './seat-memory.js'
import type { SharedStoreSettings } from './settings.js'

/** A shared store, as configured. */
export interface SharedStore extends SharedStoreSettings {
  /** The row that keeps the token set. */
  readonly name: string
  /** The URL as a person typed it for a move. */
  readonly typed?: string
  /** Seconds that a lease lasts without a sign of life. */
  readonly lease: number
  /** Seconds for which a good token is handed out without a look at the database. */
  readonly recheck: number
}

export interface SharedAround {
  readonly clock: Clock
  readonly host: Host
  /** Default: the seat at `path`. */
  readonly seat?: Seat | undefined
}

/** @param path The file of this host's seat. */
export function openSharedStore(
  path: string,
  settings: SharedStore,
  options: SeatOptions & Required<Pick<SeatOptions, 'notify'>>,
  { clock, host, seat }: SharedAround,
): PostgresStore {
  const registry = new PostgresRegistry(new Connection(settings), settings.name, placeOf(settings))
  return new PostgresStore(
    seat ?? new Seat(path, options),
    new SeatMemory(storePaths(path), host, settings.name),
    registry,
    {
      host: host.name,
      leaseMs: settings.lease * 1000,
      recheck: settings.recheck,
      time: machineTime(clock),
      address: { url: settings.display, name: settings.name, typed: settings.typed },
      here: options.here,
      notify: options.notify,
    },
  )
}
