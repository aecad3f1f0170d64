import { writeFileSync } from 'node:fs'
import { inspect } from 'node:util'
import { join } from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import { PostgresRegistry } from '../../../src/store/postgres/postgres-registry.js'
import type { Registry } from '../../../src/store/postgres/registry.js'
import { migrationSql } from '../../../src/store/postgres/schema.js'
import { Secret } from '../../../src/core/secret.js'
import { cuttable } from '../../support/cuttable.js'
import { pgbouncer } from '../../support/pgbouncer.js'
import { startPostgres } from '../../support/postgres.js'
import { connected } from '../../support/queries.js'
import { GRANT, pair } from '../../support/token-sets.js'
import {
  answer,
  at,
  LEASE_MS,
  look,
  ONE,
  OTHER,
  registryDatabase,
  seededWith,
  STORE,
  taken,
  texts,
  told,
  WAYS,
  DISCOVERED,
  LOGIN,
} from '../../support/registry-database.js'

describe.each(WAYS)('the registry in $what', (way) => {
  const db = registryDatabase(way)
  let one: Registry
  let other: Registry
  beforeEach(async () => {
    one = await db.host()
    other = await db.host()
  })

  it('keeps profiles apart', async () => {
    await seededWith(one)
    const acme = await db.host({ user: 'postgres' })
    const beta = await db.host({ user: 'postgres', row: 'beta' })
    const holding = await taken(beta, OTHER)
    await beta.note(holding, 0, at(7), told(at(7)))
    await beta.keep(answer('beta’s'), 1000)
    await acme.keep(answer('acme’s'), 1000)
    await beta.drop(await acme.answers(), 0)
    await beta.land(OTHER, { generation: 7, grant: GRANT }, at(8), told(at(8)))
    await beta.forget(await taken(beta, OTHER), 8, null)
    expect(await look(acme)).toMatchObject({ generation: 1, lease: { ...ONE } })
    expect(await acme.history()).toHaveLength(1)
    expect(texts(await acme.answers())).toEqual(['acme’s'])
    expect((await look(beta)).generation).toBe(9)
  })

  it('names the right that is missing', async () => {
    await db.sql('CREATE ROLE stranger LOGIN').catch(() => undefined)
    const stranger = await db.host({ user: 'stranger' })
    await expect(stranger.look()).rejects.toMatchObject({
      code: 'HQ_STORE_UNUSABLE',
      message: `${STORE} refuses: permission denied for schema hq_token`,
      hint: 'hq-token doctor shows what is missing, and the SQL for it',
    })
  })

  it('quotes no token where the server does, which shows the row that it refuses', async () => {
    const holding = await seededWith(one)
    await db.sql('ALTER TABLE hq_token.grants ADD CHECK (generation < 2)')
    const refusal: unknown = await one.note(holding, 1, at(2), told(at(2))).catch((error: unknown) => error)
    expect(refusal).toMatchObject({
      code: 'HQ_STORE_UNUSABLE',
      message: `${STORE} refuses a statement (SQLSTATE 23514): its tables have been changed`,
      hint: expect.stringContaining('who has changed them') as string,
    })
    expect(inspect(refusal, { depth: null, showHidden: true })).not.toMatch(/access-|refresh-/)
  })

  it('updates a row among many in its page, without touching an index', async () => {
    const long = (kind: string): Secret => new Secret(kind.repeat(1500))
    const set = at(1, 1, { pair: pair({ accessToken: long('a'), refreshToken: long('r') }) })
    const holding = await seededWith(one, set)
    // They fill the page.
    await db.sql(`INSERT INTO hq_token.grants (name, token_set)
                    SELECT 'profile-' || n, token_set FROM hq_token.grants, generate_series(1, 100) n`)
    for (let sequence = 2; sequence <= 100; sequence++) {
      const next = { ...set, sequence }
      await one.note(holding, 1, next, told(next))
      await one.beat(holding)
    }
    // A connection counts its updates when it ends.
    await Promise.all([one.close(), other.close()])
    const counts = async (): Promise<unknown> =>
      (
        await db.sql(
          "SELECT n_tup_upd::int AS all, n_tup_hot_upd::int AS hot FROM pg_stat_user_tables WHERE relname = 'grants'",
        )
      )[0]
    // The take and the seed too.
    await expect.poll(counts).toEqual({ all: 200, hot: 200 })
  })

  it('tells by the row whether a statement whose answer was lost took effect', async () => {
    await seededWith(one)
    const link = await cuttable(db.postgres.port)
    const url = `postgres://${db.user}@127.0.0.1:${link.port}/${db.database}`
    const cut = await db.host({ url })
    const swallowed = link.swallowAnswerTo(/lease_seat = NULL, lease_beat/)
    await expect(cut.land(ONE, { generation: 1, grant: GRANT }, at(2), told(at(2)))).rejects.toThrow()
    await swallowed
    expect((await look(one)).generation).toBe(2)
    const again = await db.host({ url })
    expect(await again.land(ONE, { generation: 1, grant: GRANT }, at(2), told(at(2)))).toBe(false)
    expect((await look(one)).set?.pair.accessToken.reveal()).toBe('access-2')
  })

  it('works through pgbouncer, where each statement may run on another connection', async () => {
    const pooled = await pgbouncer(db.postgres, { pool: 2, mode: 'transaction' })
    const url = pooled.url(db.database, db.user)
    const hosts = await Promise.all(Array.from({ length: 20 }, () => db.host({ url })))
    const won = await Promise.all(
      hosts.map(async (registry) => registry.take((await look(registry)).lease, ONE, LEASE_MS)),
    )
    expect(won.filter((seen) => seen?.lease.term === 1)).toHaveLength(1)
    const [registry = one] = hosts
    const holding = await taken(registry)
    expect(await registry.note(holding, 0, at(1), told(at(1)))).toBe(true)
    expect(await registry.saveLogin(holding, LOGIN)).toBe(true)
    expect(await registry.pin(holding, DISCOVERED)).toBe(true)
    await registry.keep(answer('one'), 1000)
    expect(texts(await registry.answers())).toEqual(['one'])
    expect(await registry.land(ONE, { generation: 1, grant: GRANT }, at(2), told(at(2)))).toBe(true)
    expect(await registry.history()).toHaveLength(2)
    await registry.drop(await registry.answers(), 0)
    expect(await registry.forget(await taken(registry), 2, null)).toBe(true)
    expect((await look(registry)).generation).toBe(3)
  })
})

describe('the registry in a database that fails over', () => {
  it('tells a replica by its missing timeline, and its promotion by a higher one', async () => {
    const postgres = await startPostgres()
    const database = await postgres.createDatabase()
    await postgres.sql(migrationSql(), 'postgres', database)
    writeFileSync(join(postgres.folder, 'data', 'standby.signal'), '')
    await postgres.restart('fast')
    const open = async (): Promise<Registry> =>
      new PostgresRegistry(await connected(postgres.url(database)), 'default', STORE)
    expect(await (await open()).look()).toMatchObject({ timelineNow: null })
    await expect((await open()).take({ term: 0, beat: 0 }, ONE, LEASE_MS)).rejects.toMatchObject({
      code: '25006',
    })
    await postgres.sql('SELECT pg_promote()')
    expect(await (await open()).look()).toMatchObject({ timelineNow: '00000002' })
  })

  it('says whether commits wait for a replica', async () => {
    const postgres = await startPostgres()
    const database = await postgres.createDatabase()
    await postgres.sql(migrationSql(), 'postgres', database)
    await postgres.sql("ALTER SYSTEM SET synchronous_standby_names = '*'")
    await postgres.restart('fast')
    const registry = new PostgresRegistry(await connected(postgres.url(database)), 'default', 'postgres://db')
    expect(await registry.look()).toMatchObject({ isSynchronous: true })
  })
})

describe('the registry in a database whose commits do not wait for the disk', () => {
  it('has what it has saved after a crash of the database', async () => {
    // Nothing but a commit that waits writes the log for ten seconds.
    const postgres = await startPostgres({ config: { wal_writer_delay: '10s', synchronous_commit: 'off' } })
    const database = await postgres.createDatabase()
    await postgres.sql(migrationSql(), 'postgres', database)
    const open = async (): Promise<Registry> =>
      new PostgresRegistry(await connected(postgres.url(database)), 'default', STORE)
    const registry = await open()
    await seededWith(registry)
    await postgres.sql('CHECKPOINT')
    await registry.land(ONE, { generation: 1, grant: GRANT }, at(2), told(at(2)))
    await postgres.restart('immediate')
    expect((await look(await open())).generation).toBe(2)
    await postgres.sql("ALTER SYSTEM SET synchronous_standby_names = '*'")
    await postgres.restart('fast')
    expect((await look(await open())).isSynchronous).toBe(false)
  })
})

describe('the registry without a schema', () => {
  it('is migrated by whoever may create, and else says who can', async () => {
    const postgres = await startPostgres()
    const database = await postgres.createDatabase()
    await postgres.sql('CREATE USER app')
    const open = async (user: string): Promise<Registry> =>
      new PostgresRegistry(await connected(postgres.url(database, user)), 'default', STORE)
    await expect((await open('app')).migrate()).rejects.toMatchObject({
      code: 'HQ_STORE_UNUSABLE',
      message: `${STORE} refuses: permission denied for database ${database}`,
      hint: 'hq-token doctor shows what is missing, and the SQL for it',
    })
    await expect((await open('app')).history()).rejects.toMatchObject({
      message: `${STORE} has no tables of hq-token`,
    })
    const owner = await open('postgres')
    expect(await owner.look()).toBeUndefined()
    await owner.migrate()
    expect(await owner.look()).toMatchObject({ generation: 0 })
  })
})
