// Opens the store that the configuration names: a file, or a database that hosts share. Loads the database's part when
// it is first asked for.
import type { Config } from '../config/load.js'
import type { Clock } from '../core/clock.js'
import type { Host } from '../core/host.js'
import type { TokenStore } from '../core/store-ports.js'
import { placeOf } from '../store/postgres/peek-seat.js'
import type { SeatOptions } from '../store/seat.js'
import { SqliteStore } from '../store/sqlite/sqlite-store.js'

export interface StoreAround {
  readonly clock: Clock
  readonly host: Host
}

export function openStore(
  { store, shared }: Config,
  options: SeatOptions & Required<Pick<SeatOptions, 'notify'>>,
  around: StoreAround,
): TokenStore {
  if (shared === null) return new SqliteStore(store.path, options)
  return onDemand(placeOf(shared), async () => {
    const { openSharedStore } = await import('../store/postgres/open.js')
    return openSharedStore(store.path, shared, options, around)
  })
}

/** A shared store that is loaded at the first call. */
function onDemand(name: string, load: () => Promise<TokenStore>): TokenStore {
  let loading: Promise<TokenStore> | undefined
  let store: TokenStore | undefined
  const loaded = async (): Promise<TokenStore> => (store = await (loading ??= load()))
  return {
    name,
    isShared: true,
    get isBehind() {
      return store?.isBehind === true
    },
    read: async (options) => (await loaded()).read(options),
    exclusive: async (critical, options) => (await loaded()).exclusive(critical, options),
    history: async () => (await loaded()).history(),
    isUntouched: async () => (await loaded()).isUntouched(),
    login: async () => (await loaded()).login(),
    discovered: async () => (await loaded()).discovered(),
    sharing: async () => (await loaded()).sharing(),
    close: async () => (await loading)?.close(),
  }
}
