import { join } from 'node:path'
import type { Host } from '../../src/core/host.js'
import type { Notice } from '../../src/core/ports.js'
import { PostgresRegistry } from '../../src/store/postgres/postgres-registry.js'
import type { PostgresStoreOptions } from '../../src/store/postgres/options.js'
import { PostgresStore } from '../../src/store/postgres/postgres-store.js'
import type { Registry } from '../../src/store/postgres/registry.js'
import { SeatMemory } from '../../src/store/postgres/seat-memory.js'
import { Seat } from '../../src/store/seat.js'
import { folder } from './folder.js'
import { connected } from './queries.js'
import { bent, type Bent } from './bent.js'
import { HostTime } from './fleet-time.js'
import { HOST } from './token-sets.js'

/** A host of a fleet: a seat of its own, on a registry. */
export interface FleetHost {
  readonly store: PostgresStore
  readonly memory: SeatMemory
  /** The path of its seat. */
  readonly path: string
  readonly notices: Notice[]
  readonly time: HostTime
  /** Its way to the database. */
  readonly link: Bent
}

export async function registryAt(url: string, row = 'default'): Promise<PostgresRegistry> {
  const queries = await connected(url)
  return new PostgresRegistry({ ...queries, close: () => Promise.resolve() }, row, 'postgres://db.example/hq')
}

/** @param path The seat of another process of the same host. */
export function fleetHost(
  registry: Registry,
  options: Partial<Omit<PostgresStoreOptions, 'time'>> & { readonly time?: HostTime } = {},
  path = join(folder(), 'token.seat'),
  machine: Host = HOST,
  row = 'default',
): FleetHost {
  const notices: Notice[] = []
  const { time = new HostTime() } = options
  const link = bent(registry)
  const memory = new SeatMemory({ folder: join(path, '..'), database: path }, machine, row)
  const store = new PostgresStore(new Seat(path, {}), memory, link.registry, {
    ...{ host: 'acme-1', leaseMs: 20_000, recheck: 60, time },
    address: { url: 'postgres://db.example/hq', name: 'default' },
    notify: (notice) => notices.push(notice),
    ...options,
  })
  return { store, memory, path, notices, time, link }
}
