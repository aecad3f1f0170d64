// The memory of alerts in both stores: one change of two at once, whoever asks.
import Database from 'better-sqlite3'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { idle, type AlertRecord, type AlertStore } from '../../src/core/alerts.js'
import { StoreUnreachable } from '../../src/core/errors.js'
import { SqliteStore } from '../../src/store/sqlite/sqlite-store.js'
import { folder } from '../support/folder.js'
import { HostTime } from '../support/fleet-time.js'
import { writeOldStore } from '../support/old-store.js'
import { startPostgres, type Postgres } from '../support/postgres.js'
import { seededWith } from '../support/registry-database.js'
import { fleetHost, registryAt } from '../support/shared-stores.js'
import { tokenSet } from '../support/token-sets.js'

const BEGUN: AlertRecord = {
  ...{ kind: 'failing', since: 1000, told: 0, toldAt: null, dueAt: 1000, claimedAt: 1000 },
  ...{ tries: 0, failedAt: null, failure: null },
}
const FAILED: AlertRecord = {
  ...BEGUN,
  claimedAt: null,
  tries: 2,
  failedAt: 1010,
  failure: 'it gave exit status 1 – ß',
}

let postgres: Postgres
beforeAll(async () => {
  postgres = await startPostgres()
})

/** Two that use one store, and a way past both. */
interface Two {
  readonly both: readonly [AlertStore, AlertStore]
  readonly sql: (statement: string) => Promise<unknown>
}

async function twoHosts(): Promise<Two> {
  const database = await postgres.createDatabase()
  const registries = [
    await registryAt(postgres.url(database)),
    await registryAt(postgres.url(database)),
  ] as const
  await registries[0].migrate()
  await seededWith(registries[0])
  return {
    both: [fleetHost(registries[0]).store, fleetHost(registries[1]).store],
    sql: (statement) => postgres.sql(statement.replace('notice', 'hq_token.notice'), undefined, database),
  }
}

function twoProcesses(): Promise<Two> {
  const path = join(folder(), 'token.db')
  writeOldStore(path, tokenSet())
  const sql = (statement: string): Promise<unknown> => {
    const db = new Database(path)
    db.exec(statement)
    db.close()
    return Promise.resolve()
  }
  return Promise.resolve({ both: [new SqliteStore(path), new SqliteStore(path)], sql })
}

describe.each([
  ['a file, made by an older version', twoProcesses],
  ['a database', twoHosts],
] as const)('the memory of alerts in %s', (_, twoOf) => {
  const failing = async (store: AlertStore): Promise<AlertRecord> =>
    (await store.alerts()).records.find(({ kind }) => kind === 'failing') ?? idle('failing')

  it('the memory of alerts is idle at first, and keeps each value', async () => {
    const [one, other] = (await twoOf()).both
    expect(await failing(one)).toEqual(idle('failing'))
    expect(await one.saveAlert({ before: idle('failing'), after: BEGUN }, 1000)).toBe(true)
    expect(await failing(other)).toEqual(BEGUN)
    expect(await other.saveAlert({ before: BEGUN, after: FAILED }, 1000)).toBe(true)
    expect(await failing(one)).toEqual(FAILED)
    expect(await one.saveAlert({ before: FAILED, after: idle('failing') }, 1000)).toBe(true)
    expect(await failing(other)).toEqual(idle('failing'))
  })

  it.each<Partial<AlertRecord>>([
    { since: 999 },
    { told: 1 },
    { toldAt: 5 },
    { dueAt: 5 },
    { claimedAt: null },
    { tries: 5 },
    { failedAt: 5 },
    { failure: 'another' },
  ])('the memory of alerts is changed only by who has read it: not with another %o', async (other) => {
    const [store] = (await twoOf()).both
    await store.saveAlert({ before: idle('failing'), after: BEGUN }, 1000)
    expect(await store.saveAlert({ before: { ...BEGUN, ...other }, after: FAILED }, 1000)).toBe(false)
    expect(await failing(store)).toEqual(BEGUN)
  })

  it('of many that claim a telling at once, one has it', async () => {
    const { both } = await twoOf()
    const claims = Array.from({ length: 20 }, (_, nth) =>
      (both[nth % 2] ?? both[0]).saveAlert(
        { before: idle('failing'), after: { ...BEGUN, claimedAt: 2000 + nth } },
        10_000,
      ),
    )
    expect((await Promise.all(claims)).filter(Boolean)).toHaveLength(1)
  })

  it.each([
    'UPDATE notice SET since = 1152921504606846976',
    'UPDATE notice SET since = 253402300800',
    'UPDATE notice SET told = -1',
    'UPDATE notice SET told_at = -9000000000000000000',
    'UPDATE notice SET due_at = 9000000000000000000',
    'UPDATE notice SET claimed_at = 9007199254740993',
    'UPDATE notice SET tries = -1',
    'UPDATE notice SET failed_at = -1',
    'DELETE FROM notice',
  ])('a record that is damaged counts as idle, and the next claim replaces it, once: %s', async (damage) => {
    const { both, sql } = await twoOf()
    await both[0].saveAlert({ before: idle('failing'), after: BEGUN }, 1000)
    await sql(`${damage} WHERE kind = 'failing'`)
    expect(await failing(both[0])).toEqual(idle('failing'))
    const claims = both.map((store, nth) =>
      store.saveAlert({ before: idle('failing'), after: { ...BEGUN, claimedAt: 2000 + nth } }, 10_000),
    )
    expect((await Promise.all(claims)).toSorted()).toEqual([false, true])
    expect((await failing(both[1])).since).toBe(BEGUN.since)
  })

  it('a record of a kind that another version has is left alone', async () => {
    const { both, sql } = await twoOf()
    await both[0].saveAlert({ before: idle('failing'), after: BEGUN }, 1000)
    await sql("UPDATE notice SET kind = 'lost_key' WHERE kind = 'failing'")
    const { records } = await both[0].alerts()
    expect(records.filter(({ since }) => since !== 0)).toEqual([])
    expect(await both[0].saveAlert({ before: idle('failing'), after: BEGUN }, 1000)).toBe(true)
  })
})

it('a claim takes no page: it changes a row that is there from the start', async () => {
  const path = join(folder(), 'token.db')
  const store = new SqliteStore(path)
  await store.saveAlert({ before: idle('failing'), after: BEGUN }, 1000)
  const pages = (): unknown => new Database(path, { readonly: true }).pragma('page_count', { simple: true })
  const before = pages()
  await store.saveAlert({ before: BEGUN, after: { ...FAILED, failure: 'x'.repeat(200) } }, 1000)
  expect(pages()).toBe(before)
})

it('a database whose clock is a day ahead tells how far', async () => {
  const database = await postgres.createDatabase()
  const registry = await registryAt(postgres.url(database))
  await registry.migrate()
  const time = new HostTime('boot-1', () => Math.floor(Date.now() / 1000) - 86_400)
  const { offset } = await fleetHost(registry, { time }).store.alerts()
  expect(Math.abs(offset + 86_400)).toBeLessThan(10)
})

it('a database that is away remembers nothing', async () => {
  const database = await postgres.createDatabase()
  const { store, link } = fleetHost(await registryAt(postgres.url(database)))
  link.fault = () => 'down'
  await expect(store.alerts()).rejects.toThrow(StoreUnreachable)
})
