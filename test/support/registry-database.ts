import { beforeAll, beforeEach } from 'vitest'
import type { Discovered } from '../../src/core/ports.js'
import { Secret } from '../../src/core/secret.js'
import type { HistoryEntry, PendingLogin } from '../../src/core/store-ports.js'
import type { TokenSet } from '../../src/core/token-set.js'
import { entry } from '../../src/core/transitions.js'
import { PostgresRegistry } from '../../src/store/postgres/postgres-registry.js'
import type { Holding, KeptAnswer, Registry, Seen } from '../../src/store/postgres/registry.js'
import { migrationSql, rolesSql, rowLevelSecuritySql } from '../../src/store/postgres/schema.js'
import { startPostgres, systemPrograms, type Postgres } from './postgres.js'
import { connected } from './queries.js'
import { GRANT, moment, pair, tokenSet } from './token-sets.js'

/** Where the registry is tested, and as whom. */
export const WAYS = [
  { what: 'the package’s PostgreSQL, as the owner', isSystems: false, isOwner: true },
  { what: 'the package’s PostgreSQL, as a user with the least rights', isSystems: false, isOwner: false },
  { what: 'Debian’s PostgreSQL, as a user with the least rights', isSystems: true, isOwner: false },
]
export type Way = (typeof WAYS)[number]

export type By = Omit<Holding, 'term'>
/** Two hosts. */
export const ONE: By = { seat: '00000000-0000-4000-8000-00000000000a', host: 'acme-1' }
export const OTHER: By = { seat: '00000000-0000-4000-8000-00000000000b', host: 'acme-2' }

export const STORE = 'postgres://db.example/tokens'
export const LEASE_MS = 20_000
/** The row, and the user with the least rights: with row-level security it sees no other profile. */
export const PROFILE = 'acme'

export interface RegistryDatabase {
  readonly postgres: Postgres
  readonly database: string
  readonly user: string
  /** As the owner. */
  readonly sql: (text: string) => ReturnType<Postgres['sql']>
  /** A connection of its own, as another host has it. */
  readonly host: (options?: {
    readonly url?: string
    readonly user?: string
    readonly row?: string
  }) => Promise<Registry>
}

/** One cluster for each version in a test file, and a database with the tables for each test. */
export function registryDatabase({ isSystems, isOwner }: Way): RegistryDatabase {
  const user = isOwner ? 'postgres' : PROFILE
  let postgres: Postgres
  let database: string
  const sql = (text: string, where = database): ReturnType<Postgres['sql']> =>
    postgres.sql(text, 'postgres', where)
  beforeAll(async () => {
    postgres = await startPostgres(isSystems ? { programs: systemPrograms() } : {})
    await postgres.sql('CREATE DATABASE model')
    await sql(migrationSql(), 'model')
    if (isOwner) return
    await sql(rolesSql() + rowLevelSecuritySql(), 'model')
    await sql(`CREATE USER ${user} IN ROLE hq_token_keeper`, 'model')
  })
  beforeEach(async () => {
    database = await postgres.createDatabase('model')
  })
  return {
    get postgres() {
      return postgres
    },
    get database() {
      return database
    },
    user,
    sql,
    host: async ({ user: name = user, url = postgres.url(database, name), row = PROFILE } = {}) =>
      new PostgresRegistry(await connected(url), row, STORE),
  }
}

export const LOGIN: PendingLogin = {
  state: new Secret('state-1'),
  verifier: new Secret('verifier-1'),
  redirectUri: 'http://127.0.0.1:1/',
  begunAt: 5,
  spent: null,
  grant: GRANT,
  client: null,
}
export const DISCOVERED: Discovered = {
  issuer: 'https://acme.example',
  authorizeUrl: null,
  tokenUrl: 'https://acme.example/token',
  revocationUrl: null,
  at: 7,
}

export async function look(registry: Registry): Promise<Seen> {
  const seen = await registry.look()
  if (seen === undefined) throw new Error('there is no schema')
  return seen
}

/** Takes the lease, whoever has it. */
export async function taken(registry: Registry, by = ONE): Promise<Holding> {
  const seen = await registry.take((await look(registry)).lease, by, LEASE_MS)
  if (seen === undefined) throw new Error('another host was quicker')
  return { ...by, term: seen.lease.term }
}

/** Seeds the row with a set, and returns the lease on it. */
export async function seededWith(registry: Registry, set = at(1)): Promise<Holding> {
  const holding = await taken(registry)
  if (!(await registry.note(holding, 0, set, told(set, 'seed')))) throw new Error('it was not saved')
  return holding
}

/** A set of a generation, with an access token that names it. */
export function at(generation: number, sequence = generation, changes: Partial<TokenSet> = {}): TokenSet {
  const accessToken = new Secret(`access-${generation}`)
  return tokenSet({ generation, sequence, pair: pair({ accessToken }), ...changes })
}

export function told(
  set: TokenSet,
  event: HistoryEntry['event'] = 'refresh',
  outcome = 'done',
): HistoryEntry {
  return entry(set, event, outcome, moment())
}

export function answer(text: string, changes: Partial<KeptAnswer> = {}): KeptAnswer {
  return { generation: 1, attempt: 2, seat: ONE.seat, bytes: Buffer.from(text), ...changes }
}

export function texts(answers: readonly KeptAnswer[]): string[] {
  return answers.map(({ bytes }) => Buffer.from(bytes).toString())
}

/** The same with each secret in the open, to be compared. */
export function reveal(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value, (_, one: unknown) => (one instanceof Secret ? one.reveal() : one)))
}
