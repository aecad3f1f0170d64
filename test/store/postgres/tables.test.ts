import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { PostgresRegistry } from '../../../src/store/postgres/postgres-registry.js'
import { COLUMNS } from '../../../src/store/postgres/tables.js'
import { migrationSql, rolesSql, rowLevelSecuritySql } from '../../../src/store/postgres/schema.js'
import { startPostgres, type Postgres } from '../../support/postgres.js'
import { connected } from '../../support/queries.js'
import { STORE } from '../../support/registry-database.js'

let postgres: Postgres
let database: string
beforeAll(async () => {
  postgres = await startPostgres()
  await postgres.sql('CREATE USER small; CREATE USER "other-1"')
})
beforeEach(async () => {
  database = await postgres.createDatabase()
})

const sql = (text: string): ReturnType<Postgres['sql']> => postgres.sql(text, undefined, database)
const registry = async (row = 'default', user = 'postgres'): Promise<PostgresRegistry> =>
  new PostgresRegistry(await connected(postgres.url(database, user)), row, STORE)
const looked = async (row?: string, user?: string): Promise<unknown> =>
  (await registry(row, user)).look().catch((error: unknown) => error)

describe('a schema hq_token', () => {
  const FOREIGN = 'name another database in [store] url: hq-token shares this schema with no other program'

  it.each([
    ['meta (id int, title text)', 'hq_token.meta'],
    ['meta (one boolean, id uuid, version int)', 'hq_token.meta'],
    ['grants (id int)', 'hq_token.grants'],
    ['notice ()', 'hq_token.notice'],
  ])('with other columns is another program’s: %s', async (table, named) => {
    await sql(`CREATE SCHEMA hq_token; CREATE TABLE hq_token.${table}`)
    for (const user of ['postgres', 'small'])
      expect(await looked('default', user)).toMatchObject({
        ...{ code: 'HQ_STORE_UNUSABLE', hint: FOREIGN },
        message: `${STORE}: the schema hq_token in this database is not hq-token’s (other columns: ${named})`,
      })
  })

  it.each([
    ['DROP TABLE hq_token.meta', 'hq_token.meta'],
    ['DROP TABLE hq_token.grants CASCADE', 'hq_token.grants'],
    ['DROP TABLE hq_token.grants CASCADE; CREATE TABLE hq_token.grants (name text)', 'hq_token.grants'],
    ['ALTER TABLE hq_token.grants DROP COLUMN timeline', 'hq_token.grants'],
    ['DROP TABLE hq_token.meta, hq_token.answers', 'hq_token.meta, hq_token.answers'],
  ])('that lacks something is half-made: %s', async (change, named) => {
    await sql(`${migrationSql()}; ${change}`)
    expect(await looked()).toMatchObject({
      message: `${STORE}: the schema hq_token is half-made (missing or changed: ${named})`,
      hint: 'restore it from a backup; or, where its token sets may be lost, let its owner run: DROP SCHEMA hq_token CASCADE; then: hq-token login',
    })
  })

  it('whose tables are made while they are looked for is looked at again', async () => {
    const queries = await connected(postgres.url(database))
    let asked = 0
    const slow: typeof queries = {
      ...queries,
      query: async (text, values) => {
        if (++asked === 2) await sql(migrationSql())
        return queries.query(text, values)
      },
    }
    expect(await new PostgresRegistry(slow, 'default', STORE).look()).toMatchObject({ generation: 0 })
    expect(asked).toBeGreaterThan(2)
  })

  it('may have other tables beside', async () => {
    await sql('CREATE SCHEMA hq_token; CREATE TABLE hq_token.notes ()')
    const one = await registry()
    expect(await one.look()).toBeUndefined()
    await one.migrate()
    expect(await one.look()).toMatchObject({ generation: 0 })
  })

  it('has the columns by which it is told from others', async () => {
    await sql(migrationSql())
    const rows = await sql(`
      SELECT relname, attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
       WHERE relnamespace = 'hq_token'::regnamespace AND relkind = 'r' AND attnum > 0 ORDER BY c.oid, attnum`)
    const found = Object.fromEntries(
      Object.keys(COLUMNS).map((table) => [
        table,
        rows.filter(({ relname }) => relname === table).map(({ attname }) => attname),
      ]),
    )
    expect(COLUMNS).toEqual(found)
    expect(rows).toHaveLength(Object.values(found).flat().length)
  })

  it('that has lost the row of its meta says by which SQL it comes back', async () => {
    await sql(`${migrationSql()}; DELETE FROM hq_token.meta`)
    const error = (await looked()) as { hint: string }
    expect(error).toMatchObject({
      message: `${STORE} has lost the row of hq_token.meta`,
      hint: expect.stringMatching(/^let the owner of the database run: INSERT INTO/) as string,
    })
    await sql(error.hint.replace('let the owner of the database run: ', ''))
    expect(await looked()).toMatchObject({ generation: 0 })
  })

  it('has no place in a database of another encoding', async () => {
    await postgres.sql(`CREATE DATABASE latin_${database} TEMPLATE template0 ENCODING LATIN1`)
    database = `latin_${database}`
    expect(await looked()).toMatchObject({
      message: `${STORE}: the encoding of the database is LATIN1, and must be UTF8`,
      hint: expect.stringContaining("CREATE DATABASE hq_token TEMPLATE template0 ENCODING 'UTF8';") as string,
    })
  })
})

describe('a row that row-level security hides', () => {
  beforeEach(async () => {
    await sql(`${migrationSql()}; ${rolesSql()}; ${rowLevelSecuritySql()}`)
    await sql(`
      GRANT hq_token_keeper TO small, "other-1"; REVOKE hq_token_all FROM small;
      INSERT INTO hq_token.grants (name) VALUES ('default')`)
  })

  it('a row that row-level security hides is none that a login makes', async () => {
    expect(await looked('default', 'small')).toMatchObject({
      code: 'HQ_STORE_UNUSABLE',
      message: `${STORE}: the database shows small the row of its own name only`,
      hint: 'set name = small in [store]; or let the owner of the database run: GRANT hq_token_all TO small;',
    })
    expect(await looked('default', 'other-1')).toMatchObject({
      hint: expect.stringContaining('GRANT hq_token_all TO "other-1";') as string,
    })
  })

  it('is told from one that is not there, and from one that another policy judges', async () => {
    expect(await looked('small', 'small')).toMatchObject({ generation: 0 })
    expect(await looked('unused')).toMatchObject({ generation: 0 })
    await sql("CREATE POLICY more ON hq_token.grants USING (name = 'other')")
    expect(await looked('other', 'small')).toMatchObject({ generation: 0 })
    await sql('DROP POLICY more ON hq_token.grants; GRANT hq_token_all TO small')
    for (const row of ['default', 'unused'])
      expect(await looked(row, 'small')).toMatchObject({ generation: 0 })
  })

  it('costs a row that is there no further question', async () => {
    const queries = await connected(postgres.url(database))
    let asked = 0
    const counted: typeof queries = {
      ...queries,
      query: (text, values) => {
        asked++
        return queries.query(text, values)
      },
    }
    await new PostgresRegistry(counted, 'default', STORE).look()
    expect(asked).toBe(1)
  })
})
