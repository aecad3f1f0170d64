// Measures what a shared store costs: `npm run bench:fleet`, and writes what it found into bench/fleet.md and
// docs/fleet.md. Of `npm run bench:fleet -- gets storms` only these parts are measured, and no page is written.
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Connection } from '../build/store/postgres/connection.js'
import { PostgresRegistry } from '../build/store/postgres/postgres-registry.js'
import { giveToOrdinary } from '../scripts/servers/guarded.js'
import { PGBOUNCER, startPgbouncer } from '../scripts/servers/pgbouncer.js'
import { startCluster } from '../scripts/servers/postgres.js'
import { machine } from './machine.js'
import { entry, makePlace, makeStore } from './place.js'
import { alternate, median, Stopwatch } from './processes.js'
import { kB, missing, ms, row, seconds, table } from './rows.js'

const PARTS = { gets, warm, storms, pooled, connecting, profiles }
const CLIENTS = 1000
const PROFILES = 1000
const HOSTS = 5000
const DATABASE = 'fleet'

const at = (path) => new URL(`../${path}`, import.meta.url)
const asked = process.argv.slice(2)
const unknown = asked.filter((name) => !(name in PARTS))
if (unknown.length > 0) {
  process.stderr.write(`there is no part ${unknown.join(', ')}; there are ${Object.keys(PARTS).join(', ')}\n`)
  process.exit(2)
}

const place = await makePlace()
const stopwatch = new Stopwatch()
const folders = []
const cluster = await startCluster(ownFolder(), {
  // Its own work is not to be counted.
  config: { shared_preload_libraries: 'pg_stat_statements', autovacuum: 'off' },
})
await cluster.sql(`CREATE DATABASE ${DATABASE}`)
await cluster.sql('CREATE EXTENSION pg_stat_statements')
const sql = (text) => cluster.sql(text, 'postgres', DATABASE)
let isPooled = false
/** Whose token is over at first. */
const now = Math.floor(Date.now() / 1000)
const shared = sharedStore('shared', now - 36_000)
const kept = await rowNow()

const rows = []
for (const name of asked.length > 0 ? asked : Object.keys(PARTS)) {
  process.stderr.write(`${name} …\n`)
  try {
    rows.push(...(await PARTS[name]()))
  } catch (error) {
    process.exitCode = 1
    process.stderr.write(`${error.stack}\n`)
    rows.push(missing(name, '', '', error))
  }
}
stopwatch.close()
place.close()
await cluster.stop()
for (const folder of folders) rmSync(folder, { recursive: true, force: true })

const text = `${table(rows)}
Printed by \`npm run bench:fleet\` on ${new Date().toISOString().slice(0, 10)} (${machine([`Node ${process.version}`]).join(', ')}; PostgreSQL 18, without TLS, on the same machine).
`
process.stdout.write(`\n${text}`)
if (asked.length === 0) {
  writeFileSync(
    at('bench/fleet.md'),
    `# Results of a shared store\n\nHow they come about: docs/fleet.md.\n\n${text}`,
  )
  const page = at('docs/fleet.md')
  const between = /(<!-- figures of npm run bench:fleet -->\n)[^]*?(<!-- end of the figures -->)/
  writeFileSync(
    page,
    readFileSync(page, 'utf8').replace(between, (_, begin, end) => `${begin}\n${text}\n${end}`),
  )
}

function ownFolder() {
  const folder = mkdtempSync(join(tmpdir(), 'hq-token-bench-database-'))
  folders.push(folder)
  return giveToOrdinary(folder)
}

function sharedStore(name, issuedAt, more = '') {
  const where = `url = ${cluster.url(DATABASE)}\npath = store/token.seat\n${more}`
  return makeStore(join(place.dir, name), place.plain, issuedAt, where)
}

async function rowNow() {
  return JSON.stringify((await sql('SELECT generation, sequence, token_set FROM hq_token.grants'))[0])
}

/** Back to the token set whose access token is over, in the database and on the host. */
async function reset() {
  shared.reset()
  await sql(`UPDATE hq_token.grants g SET generation = k.generation, sequence = k.sequence, token_set = k.token_set
    FROM jsonb_populate_record(NULL::hq_token.grants, '${kept.replaceAll("'", "''")}') k;
    DELETE FROM hq_token.answers`)
}

/** What the database has done for some work, as it has counted itself. */
async function counted(work) {
  await cluster.sql('SELECT pg_stat_statements_reset()')
  const before = await sessions()
  const result = await work()
  const [{ statements, writes }] = await cluster.sql(`
    SELECT coalesce(sum(calls), 0)::int AS statements,
           coalesce(sum(calls) FILTER (WHERE query !~ '^\\s*SELECT'), 0)::int AS writes
      FROM pg_stat_statements s JOIN pg_database d ON d.oid = s.dbid WHERE d.datname = '${DATABASE}'`)
  return { result, connections: (await sessions()) - before, statements, writes }
}

/** Begun so far. A backend hands in what it has counted when it ends; those of pgbouncer's pool go on. */
async function sessions() {
  for (;;) {
    const [{ open, all }] = await cluster.sql(`
      SELECT (SELECT count(*)::int FROM pg_stat_activity WHERE datname = '${DATABASE}') AS open, sessions::int AS all
        FROM pg_stat_database WHERE datname = '${DATABASE}'`)
    if (open === 0 || isPooled) return all
    await sleep(20)
  }
}

/** What one call costs the database. */
async function gets() {
  const get = shared.get()
  const look = { ...get, env: { ...get.env, HQ_TOKEN_STORE_RECHECK: '1s' } }
  await reset()
  const refresh = await counted(() => exchanged(() => stopwatch.run(get)))
  const fresh = await counted(() => stopwatch.run(get))
  await sleep(2000)
  const looked = await counted(() => stopwatch.run(look))
  return [
    ...countRows('warm `get`', fresh, { connections: 0, statements: 0, writes: 0 }),
    ...countRows('`get` with a look', looked, { connections: 1, statements: 2, writes: 0 }),
    ...countRows('`get` that refreshes', refresh, { connections: 1, statements: undefined, writes: 4 }),
  ]
}

function countRows(what, { connections, statements, writes }, most) {
  return Object.entries({
    connections,
    'round trips (one statement each)': statements,
    'of them commits that write': writes,
  }).map(([figure, ours], nth) => {
    const limit = Object.values(most)[nth]
    const target = limit === undefined ? '' : limit === 0 ? 'none' : `at most ${limit}`
    return row({ what: `${what}, ${figure}`, ours, most: limit, target })
  })
}

/** A fresh token, beside a store of one's own. */
async function warm() {
  await reset()
  await stopwatch.run(shared.get())
  const other = place.fresh.get()
  // The seat may look as rarely as it is allowed to, so that no look is among what is measured.
  const mine = { ...shared.get(), env: { ...shared.get().env, HQ_TOKEN_STORE_RECHECK: '1h' } }
  const { result, connections } = await counted(() =>
    alternate({ shared: () => stopwatch.cost(mine), own: () => stopwatch.cost(other) }, 61),
  )
  const beside = 'the same on an SQLite store'
  return [
    row({
      ...{ what: 'warm `get`, cpu', unit: ms, ours: result.shared.cpu, beside, theirs: result.own.cpu },
      ...{ most: 1.05, target: 'at most 1.05 times' },
    }),
    row({ what: 'connections of all these', ours: connections, most: 0, target: 'none' }),
  ]
}

/** Processes of one host at the instant at which the token is over. */
async function storms() {
  const rows = []
  for (const atOnce of [60, 200]) {
    await reset()
    const { connections, statements, writes, result } = await counted(() =>
      exchanged(() => stopwatch.run({ ...shared.get(), atOnce })),
    )
    const what = `${atOnce} \`get\`s at once on one host at expiry`
    rows.push(
      row({
        what: `${what}, requests to the token endpoint`,
        ours: result.exchanges,
        most: 1,
        target: 'one',
      }),
      ...countRows(what, { connections, statements, writes }, {}),
    )
  }
  return rows
}

/** @throws where it took more or less than one exchange, or not all got the one token */
async function exchanged(work) {
  const before = place.exchanges()
  const { outputs } = await work()
  const exchanges = place.exchanges() - before
  if (exchanges !== 1 || new Set(outputs).size !== 1)
    throw new Error(`${outputs.length} gets: ${exchanges} exchanges, ${new Set(outputs).size} tokens`)
  return { exchanges }
}

/**
 * Clients that each have a seat, as hosts have, in one process: as many processes would measure Node's start. The seats
 * are in memory, because a thousand hosts have a thousand disks.
 */
async function pooled() {
  if (!existsSync(PGBOUNCER)) throw new Error(`there is no ${PGBOUNCER}`)
  const pgbouncer = await startPgbouncer(ownFolder(), cluster, { pool: 10, mode: 'transaction' })
  const { openGuard } = await entry('.')
  const memory = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : place.dir, 'hq-token-bench-'))
  folders.push(memory)
  const base = readFileSync(shared.env.HQ_TOKEN_CONFIG, 'utf8')
  const config = base.replace(`:${cluster.port}/`, `:${pgbouncer.port}/`)
  const guards = await Promise.all(
    Array.from({ length: CLIENTS }, async (_, nth) => {
      const folder = join(memory, `client-${nth}`)
      mkdirSync(folder, { mode: 0o700 })
      writeFileSync(join(folder, 'config.ini'), config, { mode: 0o600 })
      return openGuard({ config: join(folder, 'config.ini') })
    }),
  )
  isPooled = true
  try {
    await reset()
    const before = place.exchanges()
    const begin = performance.now()
    const { result, statements } = await counted(async () => {
      const served = await Promise.allSettled(guards.map((guard) => guard.token()))
      return { served, seconds: (performance.now() - begin) / 1000 }
    })
    const good = result.served.filter(({ status }) => status === 'fulfilled')
    const tokens = new Set(good.map(({ value }) => value.secret.reveal()))
    for (const { reason } of result.served) if (reason) process.stderr.write(`${reason.message}\n`)
    const what = `${CLIENTS} hosts at once at expiry, through pgbouncer (transaction mode, pool of 10)`
    return [
      row({ what: `${what}: requests`, ours: place.exchanges() - before, most: 1, target: 'one' }),
      row({ what: `${what}: not served`, ours: CLIENTS - good.length, most: 0, target: 'none' }),
      row({ what: `${what}: different tokens`, ours: tokens.size, most: 1, target: 'one' }),
      row({ what: `${what}: wall`, unit: seconds, ours: result.seconds, most: 10, target: 'at most 10 s' }),
      row({ what: `${what}: statements`, ours: statements }),
    ]
  } finally {
    await pgbouncer.stop()
    isPooled = false
  }
}

/** What pgbouncer spares the server: a look on a connection of its own, many at once. */
async function connecting() {
  if (!existsSync(PGBOUNCER)) throw new Error(`there is no ${PGBOUNCER}`)
  const pgbouncer = await startPgbouncer(ownFolder(), cluster, { pool: 10, mode: 'transaction' })
  const lookAt = (port) => async () => {
    const begin = performance.now()
    const each = 10
    for (let done = 0; done < 100; done += each)
      await Promise.all(Array.from({ length: each }, () => look(port)))
    return { wall: (performance.now() - begin) / 1000 / 100 }
  }
  try {
    const { direct, through } = await alternate(
      { direct: lookAt(cluster.port), through: lookAt(pgbouncer.port) },
      7,
    )
    return [
      row({
        ...{ what: 'connect and look through pgbouncer, ten at once', unit: ms, ours: through.wall },
        ...{ beside: 'the same without it', theirs: direct.wall },
      }),
      row({
        ...{ what: `connects a second of ${HOSTS} hosts that look once a minute`, unit: Math.round },
        ours: HOSTS / 60,
      }),
      row({
        ...{ what: 'looks a second that this machine took without pgbouncer', unit: Math.round },
        ours: 1 / direct.wall,
      }),
    ].map((one) => ({ ...one, ours: String(one.ours) }))
  } finally {
    await pgbouncer.stop()
  }
}

async function look(port) {
  const settings = {
    display: 'postgres://bench',
    hosts: [{ name: '127.0.0.1', port, isTls: false }],
    login: () => ({ user: 'postgres', database: DATABASE }),
    password: async () => undefined,
    credentials: () => ({ ca: null, client: null }),
  }
  const connection = new Connection(settings)
  await new PostgresRegistry(connection, 'default', settings.display).look()
  await connection.close()
}

/** What the rows of many profiles take, with a full history each. */
async function profiles() {
  await reset()
  const wal = async () =>
    Number((await cluster.sql("SELECT (pg_current_wal_insert_lsn() - '0/0')::text AS wal"))[0].wal)
  const bytes = []
  for (let nth = 0; nth < 5; nth++) {
    await reset()
    const before = await wal()
    await exchanged(() => stopwatch.run(shared.get()))
    bytes.push((await wal()) - before)
  }
  await sql(`
    INSERT INTO hq_token.grants (name, generation, sequence, token_set)
    SELECT 'profile-' || n, generation, sequence, token_set FROM hq_token.grants, generate_series(1, ${PROFILES - 1}) n;
    INSERT INTO hq_token.history (name, sequence, entry, host)
    SELECT g.name, n, (SELECT entry FROM hq_token.history LIMIT 1), 'host' FROM hq_token.grants g, generate_series(1, 512) n
    ON CONFLICT DO NOTHING`)
  const size = async (name) =>
    Number((await sql(`SELECT pg_total_relation_size('hq_token.${name}')::text AS size`))[0].size) / PROFILES
  const [{ hot, all }] = await sql(
    "SELECT n_tup_hot_upd::int AS hot, n_tup_upd::int AS all FROM pg_stat_user_tables WHERE relname = 'grants'",
  )
  return [
    row({ what: 'log of the database (WAL) for one refresh', unit: kB, ours: median(bytes) }),
    row({ what: 'row of a profile, of 1000', unit: kB, ours: await size('grants') }),
    row({ what: 'full history of a profile, of 1000', unit: kB, ours: await size('history') }),
    row({ what: 'updates that touch no index (HOT)', unit: percent, ours: hot / all }),
  ]
}

function percent(share) {
  return `${Math.round(share * 100)} %`
}
