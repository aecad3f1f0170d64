import { beforeAll } from 'vitest'
import { sleep } from '../../../src/store/sqlite/lock.js'
import { HostTime } from '../../support/fleet-time.js'
import { startPostgres, type Postgres } from '../../support/postgres.js'
import { fleetHost, registryAt } from '../../support/shared-stores.js'
import { movableStoreContract, type TwoMovable } from '../../support/movable-contract.js'
import { tokenStoreContract, type TwoStores } from '../../support/store-contract.js'

let postgres: Postgres
beforeAll(async () => {
  postgres = await startPostgres()
})

async function two(): Promise<TwoStores & TwoMovable> {
  const database = await postgres.createDatabase()
  // By the database's own clock, so that each instant reads back to the second.
  const time = Object.assign(new HostTime('boot-1', () => Math.floor(Date.now() / 1000)), { sleep })
  const open = async (host: string) =>
    fleetHost(await registryAt(postgres.url(database)), { host, recheck: 0, time })
  const [first, second] = [await open('acme-1'), await open('acme-2')]
  return {
    store: first.store,
    other: second.store,
    stealLock: async () => {
      await postgres.sql(
        'UPDATE hq_token.grants SET lease_seat = NULL, lease_term = lease_term + 1',
        undefined,
        database,
      )
    },
  }
}

tokenStoreContract('PostgresStore', two)
movableStoreContract('PostgresStore', two)
