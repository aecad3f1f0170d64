import { beforeAll, expect, it } from 'vitest'
import { entry } from '../../../src/core/transitions.js'
import { sleep } from '../../../src/store/pauses.js'
import { HostTime } from '../../support/fleet-time.js'
import { startPostgres, type Postgres } from '../../support/postgres.js'
import { fleetHost, registryAt } from '../../support/shared-stores.js'
import { movableStoreContract, type TwoMovable } from '../../support/movable-contract.js'
import { moment, tokenSet } from '../../support/token-sets.js'
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

it('a host that sees a row which a move has closed erases its own copy of the token', async () => {
  const database = await postgres.createDatabase()
  const open = async (name: string) => fleetHost(await registryAt(postgres.url(database)), { host: name })
  const [first, second] = [await open('acme-1'), await open('acme-2')]
  const set = tokenSet()
  await first.store.exclusive((held) => held.note(set, 0, entry(set, 'seed', 'done', moment())), {
    waitMs: 0,
  })
  await second.store.read()
  expect((await second.memory.load()).set).toBeDefined()
  const note = {
    direction: 'to',
    other: { path: '/x.db' },
    host: { name: 'acme-1', id: null },
    grant: 'grant-9',
    at: 7,
  } as const
  await first.store.exclusiveForMove((held) => held.close(note, null), 0)
  await expect(second.store.read({ anew: true })).rejects.toThrow('is being moved to /x.db')
  for (const { memory } of [first, second]) expect((await memory.load()).set).toBeUndefined()
  await expect(second.store.read()).rejects.toThrow('is being moved to /x.db')
})
