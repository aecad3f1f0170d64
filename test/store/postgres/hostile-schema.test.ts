// Somebody else may create in `public`, as everybody may in PostgreSQL 13 and 14: nothing of his may run in our place.
import { beforeAll, describe, expect, it } from 'vitest'
import { idle } from '../../../src/core/alerts.js'
import type { MoveNote } from '../../../src/core/move-ports.js'
import * as statements from '../../../src/store/postgres/statements.js'
import { EXAM } from '../../../src/store/postgres/inspect.js'
import { PostgresRegistry } from '../../../src/store/postgres/postgres-registry.js'
import { migrationSql, rolesSql, rowLevelSecuritySql } from '../../../src/store/postgres/schema.js'
import { startPostgres, systemPrograms, type Postgres } from '../../support/postgres.js'
import { connected } from '../../support/queries.js'
import {
  answer,
  at,
  DISCOVERED,
  LEASE_MS,
  LOGIN,
  ONE,
  seededWith,
  STORE,
  taken,
  told,
} from '../../support/registry-database.js'
import { GRANT, HOST } from '../../support/token-sets.js'

const NOTE: MoveNote = {
  ...{ direction: 'to', other: { path: '/var/lib/token.db' }, host: HOST, grant: 'grant-9', at: 7 },
}

/** What SQL's grammar has, and no schema. */
const GRAMMAR = new Set([
  'and',
  'any',
  'array',
  'coalesce',
  'extract',
  'greatest',
  'in',
  'least',
  'values',
  'with',
])
const TABLES = /^(?:grants|answers|history|meta|notice|needed|saved|told)$/

/** Names before a parenthesis that are looked for in the search path. */
function looseCalls(text: string): string[] {
  const calls = [...text.matchAll(/(?<![\w."])([a-z_]\w*) ?\(/gi)].map(([, name = '']) => name)
  return calls.filter((name) => /[a-z]/.test(name) && !GRAMMAR.has(name.toLowerCase()) && !TABLES.test(name))
}

describe('functions of another schema', () => {
  it.each([...Object.entries(statements), ['EXAM', EXAM]] as const)(
    'functions of another schema are not called by %s',
    (_, text) => {
      expect(
        looseCalls(text.replace(/INSERT INTO \S+ \([^)]*\)|ON CONFLICT \([^)]*\)|AS needed \([^)]*\)/g, '')),
      ).toEqual([])
    },
  )
})

/** Operators of each name for each two types that PostgreSQL has none for. To meet one is an error. */
const OPERATORS = `
DO $$
DECLARE
  types text[] := '{text,varchar,jsonb,bigint,int,numeric,float8,bytea,uuid,name,boolean,timestamptz,oid,json}';
  operator text; one text; other text;
BEGIN
  FOREACH one IN ARRAY types LOOP
    FOREACH other IN ARRAY types LOOP
      EXECUTE format(
        'CREATE FUNCTION public.met(%s, %s) RETURNS boolean LANGUAGE plpgsql AS ' ||
        '''BEGIN RAISE EXCEPTION ''''a foreign operator was met''''; END''', one, other);
      FOREACH operator IN ARRAY '{=,<>,<,<=,>=,+,-,->,->>,?,||,~}'::text[] LOOP
        IF NOT EXISTS (SELECT FROM pg_operator WHERE oprname = operator AND oprnamespace = 'pg_catalog'::regnamespace
             AND oprleft = one::regtype AND oprright = other::regtype) THEN
          EXECUTE format('CREATE OPERATOR public.%s (LEFTARG = %s, RIGHTARG = %s, FUNCTION = public.met)',
            operator, one, other);
        END IF;
      END LOOP;
    END LOOP;
  END LOOP;
END $$;`

describe.each([
  ['the package’s', () => ({})],
  ['Debian’s', () => ({ programs: systemPrograms() })],
] as const)('operators of another schema in %s PostgreSQL', (_, options) => {
  let postgres: Postgres
  let database: string
  beforeAll(async () => {
    postgres = await startPostgres(options())
    database = await postgres.createDatabase()
    await postgres.sql('CREATE ROLE stranger LOGIN; CREATE ROLE jobs LOGIN')
    const sql = (text: string, user = 'postgres'): ReturnType<Postgres['sql']> =>
      postgres.sql(text, user, database)
    await sql('GRANT CREATE ON SCHEMA public TO PUBLIC')
    await sql(OPERATORS, 'stranger')
    // The owner's statements meet them too.
    await sql(migrationSql())
    await sql(rolesSql() + rowLevelSecuritySql())
    await sql('GRANT hq_token_keeper, hq_token_all TO jobs')
  })

  it('operators of another schema are met by an unguarded statement', async () => {
    await expect(
      postgres.sql("SELECT token_set ->> '1' FROM (VALUES ('{}'::jsonb)) AS g (token_set)", 'jobs', database),
    ).rejects.toThrow('a foreign operator was met')
  })

  it('operators of another schema are met by no statement', async () => {
    const queries = await connected(postgres.url(database, 'jobs'))
    const registry = new PostgresRegistry(queries, 'default', STORE)
    await registry.migrate()
    const holding = await seededWith(registry)
    expect(await registry.beat(holding)).toBe(true)
    expect(await registry.saveLogin(holding, LOGIN)).toBe(true)
    expect(await registry.pin(holding, DISCOVERED)).toBe(true)
    await registry.keep(answer('an answer'), 5_000)
    expect(await registry.answers()).toHaveLength(1)
    expect(await registry.note(holding, 1, at(1, 2), told(at(1, 2)))).toBe(true)
    expect(await registry.land(ONE, { generation: 1, grant: GRANT }, at(2, 3), told(at(2, 3)))).toBe(true)
    await registry.drop([answer('an answer')], 2)
    expect(await registry.answers()).toHaveLength(0)
    const again = await taken(registry, ONE)
    expect(await registry.closeForMove(again, 2, NOTE, told(at(2, 4), 'move'))).toBe(true)
    expect(await registry.reopen(again, 2)).toBe(true)
    expect(await registry.receive(again, 2, at(3, 5), [told(at(3, 5), 'move')])).toBe(true)
    expect((await registry.history()).length).toBeGreaterThan(2)
    expect(await registry.forget(again, 3, told(at(3, 6), 'logout'))).toBe(true)
    const claimed = { ...idle('failing'), since: 5, claimedAt: 6 }
    expect(await registry.saveAlert({ before: idle('failing'), after: claimed })).toBe(true)
    expect(await registry.saveAlert({ before: claimed, after: { ...claimed, failure: 'no' } })).toBe(true)
    expect((await registry.alerts()).records).toHaveLength(1)
    await registry.release(again)
    expect(
      (
        await registry.take(
          { term: again.term, beat: (await registry.look())?.lease.beat ?? 0 },
          ONE,
          LEASE_MS,
        )
      )?.generation,
    ).toBe(4)
    expect((await queries.query(EXAM)).rows).toHaveLength(1)
  })
})
