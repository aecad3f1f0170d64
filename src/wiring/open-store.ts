// Opens the store that the configuration names: a file, or a database that hosts share. Loads the database's part when
// it is first asked for.
import type { Config } from '../config/load.js'
import type { AlertStore } from '../core/alerts.js'
import type { Clock } from '../core/clock.js'
import type { Host } from '../core/host.js'
import { UsageError } from '../core/errors.js'
import type { MovableStore } from '../core/move-ports.js'
import { placeOf } from '../store/postgres/peek-seat.js'
import { storePaths } from '../store/files.js'
import type { Seat, SeatOptions } from '../store/seat.js'
import { SqliteStore } from '../store/sqlite/sqlite-store.js'

/** The store of a command. */
export type OwnStore = MovableStore & AlertStore

export interface StoreAround {
  readonly clock: Clock
  readonly host: Host
  /** The seat of a shared store, if another one has it too. */
  readonly seat?: Seat | undefined
}

export function openStore(
  { store, shared }: Pick<Config, 'store' | 'shared'>,
  options: SeatOptions & Required<Pick<SeatOptions, 'notify'>>,
  around: StoreAround,
): OwnStore {
  if (shared === null) return new SqliteStore(store.path, options)
  return onDemand(shared, async () => {
    const { openSharedStore } = await import('../store/postgres/open.js')
    return openSharedStore(store.path, shared, options, around)
  })
}

/**
 * Opens the store that a move goes to.
 *
 * @throws {UsageError} its file is one of the other store's kind
 */
export function openTarget(
  { store, shared, moveTo }: Config,
  options: SeatOptions & Required<Pick<SeatOptions, 'notify'>>,
  around: StoreAround,
): MovableStore {
  if (moveTo === null) throw new Error('no store to move to')
  const isOneKind = (shared === null) === (moveTo.shared === null)
  const [own, other] = [storePaths(store.path).place, storePaths(moveTo.store.path).place]
  if (!isOneKind && own === other)
    throw new UsageError(
      shared === null
        ? `${store.path} is the store, and would be the seat of this host in the new one`
        : `${moveTo.store.path} is the seat of this host in the shared store`,
      { hint: shared === null ? 'set HQ_TOKEN_STATE_DIR to another folder' : 'name another file' },
    )
  return openStore(moveTo, { ...options, handover: undefined }, around)
}

/** A shared store that is loaded at the first call. */
function onDemand(shared: NonNullable<Config['shared']>, load: () => Promise<OwnStore>): OwnStore {
  let loading: Promise<OwnStore> | undefined
  let store: OwnStore | undefined
  const loaded = async (): Promise<OwnStore> => (store = await (loading ??= load()))
  return {
    name: placeOf(shared),
    address: { url: shared.display, name: shared.name, typed: shared.typed },
    isShared: true,
    get isBehind() {
      return store?.isBehind === true
    },
    read: async (options) => (await loaded()).read(options),
    exclusive: async (critical, options) => (await loaded()).exclusive(critical, options),
    identity: async () => (await loaded()).identity(),
    exclusiveForMove: async (critical, waitMs) => (await loaded()).exclusiveForMove(critical, waitMs),
    history: async () => (await loaded()).history(),
    isUntouched: async () => (await loaded()).isUntouched(),
    login: async () => (await loaded()).login(),
    discovered: async () => (await loaded()).discovered(),
    alerts: async () => (await loaded()).alerts(),
    saveAlert: async (change, waitMs) => (await loaded()).saveAlert(change, waitMs),
    sharing: async () => (await loaded()).sharing(),
    close: async () => (await loading)?.close(),
  }
}
