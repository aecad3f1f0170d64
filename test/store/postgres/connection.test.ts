import { readFileSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { inspect } from 'node:util'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ConfigInvalid, StoreUnreachable, StoreUnusable, TokenError } from '../../../src/core/errors.js'
import { folder } from '../../support/folder.js'
import { cuttable } from '../../support/cuttable.js'
import { writeForOrdinary } from '../../../scripts/servers/guarded.js'
import { pgbouncer } from '../../support/pgbouncer.js'
import { startPostgres, type Postgres } from '../../support/postgres.js'
import { freePort, listening } from '../../support/proxy.js'
import { failure, written } from '../../config/places.js'
import { connectionTo } from './database-settings.js'

const CANARY = 'cAnArY-0123456789'
const SELECT = 'SELECT 1 AS one'
const PID = 'SELECT pg_backend_pid() AS pid'
const ONE = { rows: [{ one: 1 }], rowCount: 1 }

interface Parsers {
  getTypeParser(type: number): Parser
  setTypeParser(type: number, parser: Parser): void
}
type Parser = (text: string) => unknown

const warnings: Error[] = []
const warned = (warning: Error): void => {
  warnings.push(warning)
}
process.on('warning', warned)
afterAll(() => {
  process.off('warning', warned)
  expect(warnings).toEqual([])
})

let postgres: Postgres
beforeAll(async () => {
  postgres = await startPostgres({
    hba: `
local all all trust
host  all postgres 127.0.0.1/32 trust
host  all all      127.0.0.1/32 scram-sha-256
`,
  })
  await postgres.sql(`
CREATE USER hq PASSWORD '${CANARY}';
CREATE USER twice PASSWORD 'x' CONNECTION LIMIT 0;
CREATE TABLE public.counted (at int);
CREATE TABLE public.checked (text text CHECK (text = ''));
GRANT SELECT, INSERT ON public.counted, public.checked TO hq`)
})

const sessions = async (application = 'hq-token'): Promise<number> => {
  const rows = await postgres.sql(
    `SELECT count(*)::int AS n FROM pg_stat_activity WHERE application_name = '${application}'`,
  )
  return Number(rows[0]?.['n'])
}
/** Of a user with a password. */
const asHq = (password = CANARY): string => `postgres://hq:${password}@127.0.0.1:${postgres.port}/postgres`
const refused = async (work: Promise<unknown>): Promise<TokenError> => {
  const error = await failure(() => work)
  if (!(error instanceof TokenError)) throw error
  expect(`${error.message} ${error.hint ?? ''}`).not.toContain(CANARY)
  return error
}

describe('a connection', () => {
  it('a connection is opened by the first query, used by all, and ended', async () => {
    const connection = connectionTo(postgres.url())
    expect(await sessions()).toBe(0)
    const pids = await Promise.all([connection.query(PID), connection.query(PID), connection.query(PID)])
    expect(new Set(pids.map(({ rows }) => rows[0]?.['pid'])).size).toBe(1)
    expect(await sessions()).toBe(1)
    await connection.close()
    await expect.poll(() => sessions()).toBe(0)
    // A later query opens another.
    await connection.query(SELECT)
    expect(await sessions()).toBe(1)
    await connection.close()
  })

  it('a connection without a query ends after a while, and the next query opens another', async () => {
    const connection = connectionTo(postgres.url(), { idleMs: 100 })
    await connection.query(SELECT)
    await expect.poll(() => sessions()).toBe(0)
    await connection.query(SELECT)
    await expect.poll(() => sessions()).toBe(0)
  })

  it('a connection that was never used has nothing to end', async () => {
    await connectionTo('postgres://127.0.0.1:1/db').close()
  })

  it('a connection tells how many rows were changed, and takes values', async () => {
    const connection = connectionTo(asHq())
    expect(await connection.query('INSERT INTO counted VALUES ($1), ($2)', [1, 2])).toEqual({
      rows: [],
      rowCount: 2,
    })
    expect(await connection.query('DO $$ BEGIN END $$')).toEqual({ rows: [], rowCount: 0 })
  })

  it('a connection reads values as they are, whatever parsers the program beside it has set for all', async () => {
    const types = pg.types as unknown as Parsers
    const changed = [16, 20, 21, 23, 701, 114, 3802].map((type) => [type, types.getTypeParser(type)] as const)
    for (const [type] of changed) types.setTypeParser(type, () => 'other')
    try {
      const { rows } = await connectionTo(postgres.url()).query(
        `SELECT true AS a, false AS b, 5::bigint AS c, 6::int2 AS d, 7::int AS e, 1.5::float8 AS f,
                '{"x": [1]}'::jsonb AS g, '[2]'::json AS h, 'text' AS i, '\\x0102'::bytea AS j, NULL AS k,
                '00000000-0000-0000-0000-000000000001'::uuid AS l`,
      )
      expect(rows).toEqual([
        {
          ...{ a: true, b: false, c: 5, d: 6, e: 7, f: 1.5, g: { x: [1] }, h: [2] },
          ...{ i: 'text', j: Buffer.from([1, 2]), k: null, l: '00000000-0000-0000-0000-000000000001' },
        },
      ])
    } finally {
      for (const [type, parser] of changed) types.setTypeParser(type, parser)
    }
  })

  it('a connection goes by a socket too', async () => {
    expect(
      await connectionTo(`postgres://hq@/postgres?host=${postgres.folder}&port=${postgres.port}`).query(
        SELECT,
      ),
    ).toEqual(ONE)
  })

  it('a connection goes through pgbouncer, which gives each query another server', async () => {
    const bouncer = await pgbouncer(postgres, { pool: 2, mode: 'transaction' })
    const all = Array.from({ length: 20 }, () => connectionTo(bouncer.url()))
    const answers = await Promise.all(
      all.flatMap((one) => [1, 2, 3].map((value) => one.query('SELECT $1::int AS one', [value]))),
    )
    expect(answers.map(({ rows }) => rows[0]?.['one'])).toEqual(all.flatMap(() => [1, 2, 3]))
  })

  it('a connection takes nothing from the variables of other programs', async () => {
    const env = {
      PGHOST: '127.0.0.2',
      PGPORT: '1',
      PGUSER: 'x',
      PGDATABASE: 'x',
      PGPASSWORD: 'x',
      PGSSLMODE: 'require',
    }
    const kept = Object.keys(env).map((name) => [name, process.env[name]] as const)
    Object.assign(process.env, env)
    try {
      expect(await connectionTo(asHq()).query(SELECT)).toEqual(ONE)
    } finally {
      for (const [name, value] of kept)
        if (value === undefined) Reflect.deleteProperty(process.env, name)
        else process.env[name] = value
    }
  })
})

describe('a password', () => {
  const bare = (): string => `postgres://hq@127.0.0.1:${postgres.port}/postgres`

  it.each<[from: string, way: () => { lines?: string; env?: Record<string, string> }]>([
    ['a file', () => ({ lines: `url_password_file = ${written('p', `${CANARY}\n`)}` })],
    ['a command', () => ({ lines: `url_password_command = echo ${CANARY}` })],
    ['PGPASSWORD', () => ({ env: { PGPASSWORD: CANARY } })],
    [
      'the password file',
      () => ({ env: { PGPASSFILE: written('pgpass', `127.0.0.1:*:postgres:hq:${CANARY}`) } }),
    ],
  ])('a password of %s lets in', async (_, way) => {
    expect(await connectionTo(bare(), way()).query(SELECT)).toEqual(ONE)
  })

  it('a password is asked of the command for each connection anew, as tokens of a cloud want it', async () => {
    const runs = join(folder(), 'runs')
    const link = await cuttable(postgres.port)
    const connection = connectionTo(`postgres://hq@127.0.0.1:${link.port}/postgres`, {
      lines: `url_password_command = echo x >> ${runs}; echo ${CANARY}`,
    })
    await connection.query(SELECT)
    await connection.query(SELECT)
    expect(readFileSync(runs, 'utf8')).toBe('x\n')
    link.reset()
    await expect.poll(() => connection.query(SELECT).then(none, String)).toBeUndefined()
    expect(readFileSync(runs, 'utf8')).toBe('x\nx\n')
  })

  it('a password is not looked for where the server asks for none', async () => {
    const at = `postgres://hq@/postgres?host=${postgres.folder}&port=${postgres.port}`
    expect(await connectionTo(at, { lines: 'url_password_command = exit 3' }).query(SELECT)).toEqual(ONE)
  })

  it('a password that cannot be had is the configuration’s fault', async () => {
    const error = await refused(
      connectionTo(bare(), { lines: 'url_password_command = exit 3' }).query(SELECT),
    )
    expect(error).toBeInstanceOf(ConfigInvalid)
    expect(error.message).toContain('[store] url_password_command failed (exit status 3)')
  })

  it('a password that is nowhere is the configuration’s fault', async () => {
    expect(await refused(connectionTo(bare()).query(SELECT))).toMatchObject({
      code: 'HQ_CONFIG_INVALID',
      message: `postgres://hq@127.0.0.1:${postgres.port}/postgres asks for a password, and there is none`,
      hint: 'set url_password_file or url_password_command in [store], or PGPASSWORD; or put it into ~/.pgpass',
    })
  })
})

function none(): undefined {
  return undefined
}

describe('what a server refuses', () => {
  const at = (user: string, database = 'postgres'): string =>
    `postgres://${user}127.0.0.1:${postgres.port}/${database}`

  it.each<
    [what: string, url: () => string, Fault: typeof ConfigInvalid | typeof StoreUnreachable, message: string]
  >([
    [
      'a wrong password',
      () => asHq('wrong'),
      ConfigInvalid,
      'password authentication failed for user "hq" (28P01)',
    ],
    [
      'an unknown user',
      () => at('nobody:x@'),
      ConfigInvalid,
      'password authentication failed for user "nobody" (28P01)',
    ],
    [
      'a missing database',
      () => at('postgres@', 'missing'),
      ConfigInvalid,
      'database "missing" does not exist (3D000)',
    ],
    ['too many', () => at('twice:x@'), StoreUnreachable, 'too many connections for role "twice" (53300)'],
  ])('what a server refuses is told with its code: %s', async (_, url, Fault, message) => {
    const error = await refused(connectionTo(url()).query(SELECT))
    expect(error).toBeInstanceOf(Fault)
    expect(error.message).toBe(`${url().replace(/:[^/@]*@/, '@')}: ${message}`)
    expect(error.hint).toMatch(/hq-token doctor/)
  })

  it.each([
    ['a missing database', 'missing', 'postgres', 'database "missing" does not exist (08P01)'],
    ['an unknown user', 'postgres', 'nobody', 'no such user (08P01)'],
  ])('what pgbouncer refuses is told as what a server does: %s', async (_, database, user, message) => {
    const url = (await pgbouncer(postgres, { pool: 1, mode: 'transaction' })).url(database, user)
    const error = await refused(connectionTo(url).query(SELECT))
    expect(error).toBeInstanceOf(ConfigInvalid)
    expect(error.message).toBe(`${url}: ${message}`)
  })

  it.each<[statement: string, Fault: typeof StoreUnusable | typeof StoreUnreachable, code: string]>([
    ['SELECT * FROM missing', StoreUnusable, '42P01'],
    ['SELECT * FROM missing.counted', StoreUnusable, '42P01'],
    ['CREATE TABLE missing.x ()', StoreUnusable, '3F000'],
    ['DELETE FROM counted', StoreUnusable, '42501'],
    ["DO $$ BEGIN RAISE EXCEPTION 'unfit'; END $$", StoreUnusable, 'P0001'],
    ['BEGIN READ ONLY; INSERT INTO counted VALUES (1)', StoreUnreachable, '25006'],
    ["SET statement_timeout = '10ms'; SELECT pg_sleep(1)", StoreUnreachable, '57014'],
    ["DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '40P01'; END $$", StoreUnreachable, '40P01'],
  ])('what a server refuses of a statement is told with its code: %s', async (statement, Fault, code) => {
    const error = await refused(connectionTo(asHq()).query(statement))
    expect(error).toBeInstanceOf(Fault)
    expect(error.message).toMatch(
      new RegExp(`^postgres://hq@127\\.0\\.0\\.1:\\d+/postgres: .*\\(${code}\\)$`),
    )
    expect(error.cause).toMatchObject({ code })
  })

  it.each<[statement: string, values: string[], code: string]>([
    ['SELECT $1::int', [CANARY], '22P02'],
    // The detail quotes the row.
    ['INSERT INTO checked VALUES ($1)', [CANARY], '23514'],
  ])(
    'what a server refuses of a value is a bug of ours, and quotes nothing: %s',
    async (statement, values, code) => {
      const error = await failure(() => connectionTo(asHq()).query(statement, values))
      expect(error).not.toBeInstanceOf(TokenError)
      expect((error as Error).message).toMatch(new RegExp(`^postgres:.* refused a value \\(${code}\\)$`))
      expect(inspect(error, { depth: 9 })).not.toContain(CANARY)
      expect((error as Error).cause).toMatchObject({ code })
    },
  )

  it('what a server refuses leaves no transaction open for the next query', async () => {
    const connection = connectionTo(asHq())
    await refused(connection.query('BEGIN; INSERT INTO counted VALUES (77); SELECT * FROM missing'))
    await connection.query('INSERT INTO counted VALUES (78)')
    expect(await postgres.sql('SELECT at FROM counted WHERE at IN (77, 78)')).toEqual([{ at: 78 }])
  })
})

describe('a server that is away', () => {
  it('a server that is away is not reached, and is not waited for', async () => {
    const port = await freePort()
    const begun = performance.now()
    expect(await refused(connectionTo(`postgres://hq@127.0.0.1:${port}/hq`).query(SELECT))).toMatchObject({
      code: 'HQ_STORE_UNREACHABLE',
      exit: 75,
      transient: true,
      message: `no connection to postgres://hq@127.0.0.1:${port}/hq (ECONNREFUSED)`,
      hint: 'nothing was lost: run the same command again later; hq-token doctor says what it finds',
    })
    expect(performance.now() - begun).toBeLessThan(1_000)
  })

  it('a server that is away is reached by the next query once it is back', async () => {
    const link = await cuttable(postgres.port)
    link.refuse()
    const connection = connectionTo(`postgres://postgres@127.0.0.1:${link.port}/postgres`)
    expect((await refused(connection.query(SELECT))).message).toContain('ECONNREFUSED')
    await link.allow()
    expect(await connection.query(SELECT)).toEqual(ONE)
  })

  it('a server that is away by its name is not reached', async () => {
    const error = await refused(connectionTo('postgres://hq@nowhere.invalid/hq').query(SELECT))
    expect(error.message).toMatch(
      /^no connection to postgres:\/\/hq@nowhere\.invalid\/hq \((ENOTFOUND|EAI_AGAIN)\)$/,
    )
    expect(error).toBeInstanceOf(StoreUnreachable)
  })

  it('a server that is away by its socket is not reached', async () => {
    const error = await refused(connectionTo('postgres://hq@/hq?host=/nowhere').query(SELECT))
    expect(error.message).toBe('no connection to postgres://hq@/hq?host=/nowhere (ENOENT)')
  })

  it.each(['fast', 'immediate'] as const)(
    'a server that is away for a restart (%s) between two queries has another session then',
    async (mode) => {
      const own = await startPostgres()
      const connection = connectionTo(own.url())
      const before = await connection.query(PID)
      await own.restart(mode)
      const after = await connection.query(PID)
      expect(after.rows).not.toEqual(before.rows)
      // And amid one, the caller is told.
      const broken = refused(connection.query('SELECT pg_sleep(30)'))
      await expect
        .poll(() => own.sql("SELECT FROM pg_stat_activity WHERE query ~ '^SELECT pg_sleep'"))
        .toHaveLength(1)
      await own.restart(mode)
      expect(await broken).toBeInstanceOf(StoreUnreachable)
      expect(await connection.query(SELECT)).toEqual(ONE)
    },
  )

  it('a server that is away while it commits has done it once: no query is repeated', async () => {
    const link = await cuttable(postgres.port)
    const connection = connectionTo(`postgres://postgres@127.0.0.1:${link.port}/postgres`)
    await connection.query(SELECT)
    const lost = link.swallowAnswerTo(/INSERT INTO counted/)
    const error = await refused(connection.query('INSERT INTO counted VALUES ($1)', [100]))
    await lost
    expect(error).toBeInstanceOf(StoreUnreachable)
    expect((await connection.query('SELECT FROM counted WHERE at = 100')).rowCount).toBe(1)
  })
})

describe('a server that says nothing', () => {
  it('a server that says nothing to a connection is given up', async () => {
    const link = await cuttable(postgres.port)
    link.silence()
    const url = `postgres://postgres@127.0.0.1:${link.port}/postgres`
    const error = await refused(connectionTo(url, { connectMs: 300 }).query(SELECT))
    expect(error).toMatchObject({
      code: 'HQ_STORE_UNREACHABLE',
      message: `${url} did not answer within 0.3 s`,
    })
  })

  it('a server that says nothing to a query is given up, and its late answer is never read', async () => {
    const link = await cuttable(postgres.port)
    const url = `postgres://postgres@127.0.0.1:${link.port}/postgres`
    const connection = connectionTo(url, { answerMs: 300 })
    await connection.query(SELECT)
    link.silence()
    const error = await refused(connection.query('SELECT 2 AS one'))
    expect(error).toMatchObject({
      code: 'HQ_STORE_UNREACHABLE',
      message: `${url} did not answer within 0.3 s`,
    })
    const next = connection.query(SELECT)
    await link.allow()
    expect(await next).toEqual(ONE)
  }, 30_000)

  it('a server that says nothing may be given more time by a query', async () => {
    const connection = connectionTo(postgres.url(), { answerMs: 300 })
    await connection.query('SELECT pg_sleep(0.6)', undefined, { timeoutMs: 20_000 })
    const error = await refused(connection.query('SELECT pg_sleep(20)', undefined, { timeoutMs: 200 }))
    expect(error.message).toMatch(/ did not answer within 0\.2 s$/)
  })

  it('a server that says nothing keeps nobody from closing the connection', async () => {
    const link = await cuttable(postgres.port)
    const url = `postgres://postgres@127.0.0.1:${link.port}/postgres`
    const idle = connectionTo(url)
    await idle.query(SELECT)
    link.silence()
    const connecting = connectionTo(url)
    const answer = refused(connecting.query(SELECT))
    const begun = performance.now()
    await Promise.all([idle.close(), connecting.close()])
    expect(performance.now() - begun).toBeLessThan(5_000)
    expect(await answer).toBeInstanceOf(StoreUnreachable)
  })
})

describe('one of several hosts', () => {
  let replica: Postgres
  beforeAll(async () => {
    replica = await startPostgres()
    await replica.stop()
    writeForOrdinary(join(replica.folder, 'data', 'standby.signal'), '')
    await replica.start()
  })
  const hosts = (...ports: number[]): string =>
    `postgres://postgres@${ports.map((port) => `127.0.0.1:${port}`).join()}/postgres`

  it('one of several hosts is taken that can write', async () => {
    const { rows } = await connectionTo(hosts(replica.port, postgres.port)).query(
      'SELECT pg_is_in_recovery() AS is',
    )
    expect(rows).toEqual([{ is: false }])
  })

  it('one of several hosts is taken past one that is down', async () => {
    expect(await connectionTo(hosts(await freePort(), postgres.port)).query(SELECT)).toEqual(ONE)
  })

  it('one of several hosts is taken soon past one that says nothing, and that one is let go of', async () => {
    const silent: Socket[] = []
    const port = await listening(
      createServer((socket) => silent.push(socket.on('error', none).resume())),
      '127.0.0.1',
    )
    const begun = performance.now()
    expect(await connectionTo(hosts(port, postgres.port)).query(SELECT)).toEqual(ONE)
    expect(performance.now() - begun).toBeLessThan(10_000)
    await expect.poll(() => silent.every((socket) => socket.readableEnded || socket.destroyed)).toBe(true)
  })

  it('one of several hosts may be slow: it is still taken if no other can be', async () => {
    const slow = await listening(
      createServer((socket) => {
        socket.on('error', none)
        setTimeout(() => {
          const onward = new (socket.constructor as typeof Socket)()
          onward.on('error', none)
          onward.connect(postgres.port, '127.0.0.1')
          socket.pipe(onward).pipe(socket)
        }, 3_000)
      }),
      '127.0.0.1',
    )
    expect(await connectionTo(hosts(slow, replica.port)).query(SELECT)).toEqual(ONE)
  })

  it('none of several hosts is taken where no one can write, and each is told of', async () => {
    const down = await freePort()
    const error = await refused(connectionTo(hosts(replica.port, down)).query(SELECT))
    expect(error).toMatchObject({
      code: 'HQ_STORE_UNREACHABLE',
      message: `${hosts(replica.port, down)}: 127.0.0.1:${replica.port} is a read-only replica; no connection to 127.0.0.1:${down} (ECONNREFUSED)`,
      hint: 'name the primary in [store] url, or all hosts of the cluster: postgres://HOST1,HOST2/DATABASE',
    })
  })

  it('none of several hosts is taken where a person must put something right at one', async () => {
    const down = await freePort()
    const url = `postgres://hq:wrong@127.0.0.1:${down},127.0.0.1:${postgres.port}/postgres`
    const begun = performance.now()
    const error = await refused(connectionTo(url).query(SELECT))
    expect(error).toMatchObject({
      code: 'HQ_CONFIG_INVALID',
      message: `${url.replace(':wrong', '')}: 127.0.0.1:${postgres.port}: password authentication failed for user "hq" (28P01)`,
    })
    expect(performance.now() - begun).toBeLessThan(10_000)
  })

  it('a replica alone is out of reach, and so is a database that is read-only', async () => {
    expect(await refused(connectionTo(replica.url()).query(SELECT))).toMatchObject({
      code: 'HQ_STORE_UNREACHABLE',
      message: `${replica.url()} is a read-only replica`,
    })
    await postgres.sql('CREATE DATABASE frozen')
    await postgres.sql('ALTER DATABASE frozen SET default_transaction_read_only = on')
    expect(await refused(connectionTo(postgres.url('frozen')).query(SELECT))).toMatchObject({
      code: 'HQ_STORE_UNREACHABLE',
      message: `${postgres.url('frozen')} is read-only (default_transaction_read_only)`,
    })
  })

  it('a replica that was promoted is taken', async () => {
    const own = await startPostgres()
    await own.stop()
    writeForOrdinary(join(own.folder, 'data', 'standby.signal'), '')
    await own.start()
    const connection = connectionTo(own.url())
    expect((await refused(connection.query(SELECT))).message).toContain('replica')
    await own.sql('SELECT pg_promote()')
    expect(await connection.query(SELECT)).toEqual(ONE)
  })
})
