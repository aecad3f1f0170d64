import { beforeAll, describe, expect, it } from 'vitest'
import {
  migrate,
  migrationSql,
  rolesSql,
  rowLevelSecuritySql,
  SCHEMA_VERSION,
} from '../../../src/store/postgres/schema.js'
import { startPostgres, systemPrograms, type Postgres } from '../../support/postgres.js'
import { connected } from '../../support/queries.js'

const VERSIONS = [
  ['the package’s', () => ({})],
  ['Debian’s', () => ({ programs: systemPrograms() })],
] as const

describe.each(VERSIONS)('the tables in %s PostgreSQL', (_, options) => {
  let postgres: Postgres
  let database: string
  let users = 0
  beforeAll(async () => {
    postgres = await startPostgres(options())
  })
  const sql = (text: string, user?: string): ReturnType<Postgres['sql']> => postgres.sql(text, user, database)
  /** A user who may connect, and no more. */
  const newUser = async (): Promise<string> => {
    const name = `user_${++users}`
    await postgres.sql(`CREATE USER ${name}`)
    return name
  }
  const newDatabase = async (): Promise<void> => {
    database = await postgres.createDatabase()
  }
  const migrateAs = async (user?: string): Promise<void> =>
    migrate(await connected(postgres.url(database, user)))
  /** A database whose owner has run all that there is, and a user with the least rights. */
  const withKeeper = async (): Promise<string> => {
    await newDatabase()
    await sql(migrationSql() + rolesSql() + rowLevelSecuritySql())
    const user = await newUser()
    await sql(`GRANT hq_token_keeper TO ${user}`)
    return user
  }

  it('are made by a migration, and stay as they are at the next one', async () => {
    await newDatabase()
    await migrateAs()
    const [made] = await sql('SELECT * FROM hq_token.meta')
    expect(made).toMatchObject({ version: SCHEMA_VERSION, compatible: 1 })
    await sql("INSERT INTO hq_token.grants (name) VALUES ('default')")
    await migrateAs()
    expect(await sql('SELECT * FROM hq_token.meta')).toEqual([made])
    expect(await sql('SELECT name FROM hq_token.grants')).toEqual([{ name: 'default' }])
  })

  it('are made once by ten processes that migrate at one instant', async () => {
    await newDatabase()
    const all = await Promise.all(Array.from({ length: 10 }, () => connected(postgres.url(database))))
    await Promise.all(all.map(migrate))
    expect(await sql('SELECT version FROM hq_token.meta')).toEqual([{ version: SCHEMA_VERSION }])
  })

  it('are left as they are by a program that is older than they', async () => {
    await newDatabase()
    await migrateAs()
    await sql(`UPDATE hq_token.meta SET version = ${SCHEMA_VERSION + 1}`)
    await migrateAs()
    expect(await sql('SELECT version FROM hq_token.meta')).toEqual([{ version: SCHEMA_VERSION + 1 }])
  })

  it('are made whole or not at all', async () => {
    await newDatabase()
    await sql('CREATE SCHEMA hq_token; CREATE TABLE hq_token.notice ()')
    await expect(migrateAs()).rejects.toMatchObject({ code: '42P07' })
    expect(await sql("SELECT relname FROM pg_class WHERE relnamespace = 'hq_token'::regnamespace")).toEqual([
      { relname: 'notice' },
    ])
  })

  it('are not made in a database that cannot hold every text', async () => {
    await newDatabase()
    await postgres.sql(`CREATE DATABASE latin_${database} TEMPLATE template0 ENCODING LATIN1`)
    database = `latin_${database}`
    await expect(migrateAs()).rejects.toThrow('the encoding of the database is LATIN1, and must be UTF8')
  })

  it('are made by a user whom the owner has given an empty schema', async () => {
    await newDatabase()
    const user = await newUser()
    await expect(migrateAs(user)).rejects.toMatchObject({ code: '42501' })
    await sql(`CREATE SCHEMA hq_token AUTHORIZATION ${user}`)
    await migrateAs(user)
    expect(await sql('SELECT version FROM hq_token.meta', user)).toEqual([{ version: SCHEMA_VERSION }])
  })

  it('take the names that a profile may have, and no others', async () => {
    const user = await withKeeper()
    const insert = (name: string): Promise<unknown> =>
      sql(`GRANT hq_token_all TO ${user}`).then(() =>
        sql(`INSERT INTO hq_token.grants (name) VALUES ('${name}')`, user),
      )
    for (const name of ['a', 'Acme-1.eu_2', '0', 'x'.repeat(64)]) await insert(name)
    for (const name of ['', '-a', '.a', '_a', 'a b', 'a/b', 'é', 'x'.repeat(65)])
      await expect(insert(name), name).rejects.toMatchObject({ code: '23514' })
  })

  it('let the owner remove a profile with all that belongs to it', async () => {
    await newDatabase()
    await migrateAs()
    await sql(`
      INSERT INTO hq_token.grants (name) VALUES ('gone'), ('stays');
      INSERT INTO hq_token.answers (name, generation, attempt, seat, record)
        SELECT name, 1, 1, gen_random_uuid(), '\\x00' FROM hq_token.grants;
      INSERT INTO hq_token.history (name, sequence, entry) SELECT name, 1, '{}' FROM hq_token.grants;
      INSERT INTO hq_token.notice (name, kind, since, told, due_at)
        SELECT name, 'login-required', 1, 0, 1 FROM hq_token.grants;
      DELETE FROM hq_token.grants WHERE name = 'gone'`)
    for (const table of ['answers', 'history', 'notice'])
      expect(await sql(`SELECT name FROM hq_token.${table}`)).toEqual([{ name: 'stays' }])
  })

  it('are shut to a user without the role', async () => {
    await withKeeper()
    const stranger = await newUser()
    for (const table of ['meta', 'grants', 'answers', 'history', 'notice'])
      await expect(sql(`SELECT FROM hq_token.${table}`, stranger)).rejects.toMatchObject({ code: '42501' })
  })

  it('give the role no right that the program does not need', async () => {
    const user = await withKeeper()
    const forbidden = [
      'DELETE FROM hq_token.grants',
      'TRUNCATE hq_token.history',
      'UPDATE hq_token.meta SET version = 9',
      "UPDATE hq_token.answers SET record = '\\x00'",
      'CREATE TABLE hq_token.mine ()',
      'DROP TABLE hq_token.answers',
      'ALTER TABLE hq_token.grants DISABLE ROW LEVEL SECURITY',
    ]
    for (const statement of forbidden)
      await expect(sql(statement, user), statement).rejects.toMatchObject({ code: '42501' })
  })

  it('show a user the profile of its own name only, and a member of hq_token_all each profile', async () => {
    const user = await withKeeper()
    await sql(`
      INSERT INTO hq_token.grants (name) VALUES ('${user}'), ('other');
      INSERT INTO hq_token.answers (name, generation, attempt, seat, record)
        SELECT name, 1, 1, gen_random_uuid(), '\\x00' FROM hq_token.grants;
      INSERT INTO hq_token.history (name, sequence, entry) SELECT name, 1, '{}' FROM hq_token.grants;
      INSERT INTO hq_token.notice (name, kind, since, told, due_at)
        SELECT name, 'login-required', 1, 0, 1 FROM hq_token.grants`)
    const foreign = [
      "INSERT INTO hq_token.grants (name) VALUES ('third')",
      "UPDATE hq_token.grants SET name = 'third'",
      "INSERT INTO hq_token.answers (name, generation, attempt, seat, record) VALUES ('other', 2, 2, gen_random_uuid(), '\\x01')",
      "INSERT INTO hq_token.history (name, sequence, entry) VALUES ('other', 2, '{}')",
      "INSERT INTO hq_token.notice (name, kind, since, told, due_at) VALUES ('other', 'recovered', 1, 0, 1)",
    ]
    for (const statement of foreign)
      await expect(sql(statement, user), statement).rejects.toMatchObject({ code: '42501' })
    await sql(
      "UPDATE hq_token.grants SET sequence = 7; DELETE FROM hq_token.answers WHERE name = 'other'",
      user,
    )
    expect(await sql("SELECT sequence::int FROM hq_token.grants WHERE name = 'other'")).toEqual([
      { sequence: 0 },
    ])
    expect(await sql("SELECT name FROM hq_token.answers WHERE name = 'other'")).toEqual([{ name: 'other' }])
    const tables = ['grants', 'answers', 'history', 'notice']
    for (const table of tables)
      expect(await sql(`SELECT name FROM hq_token.${table}`, user)).toEqual([{ name: user }])
    await sql(`GRANT hq_token_all TO ${user}`)
    for (const table of tables) expect(await sql(`SELECT name FROM hq_token.${table}`, user)).toHaveLength(2)
  })

  it('take the texts for the owner twice, with the same rights', async () => {
    await withKeeper()
    const rights = (): Promise<unknown> =>
      sql(`SELECT relname, relacl::text, relrowsecurity, polname, pg_get_expr(polqual, polrelid) AS policy
             FROM pg_class LEFT JOIN pg_policy ON polrelid = pg_class.oid
            WHERE relnamespace = 'hq_token'::regnamespace ORDER BY relname`)
    const before = await rights()
    await sql(migrationSql() + rolesSql() + rowLevelSecuritySql())
    expect(await rights()).toEqual(before)
  })
})
