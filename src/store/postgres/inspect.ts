// Examines a shared store for `doctor`: the database, this user's rights in it, the row, and this host's seat. Creates
// and changes nothing.
import type { ClockReading } from '../../core/clock.js'
import { rfc3339 } from '../../core/clock.js'
import { StoreUnreachable, StoreUnusable } from '../../core/errors.js'
import { fail, ok, skip, warn, type Finding } from '../../core/finding.js'
import { closedByMove } from '../../core/move-notes.js'
import type { TokenSet } from '../../core/token-set.js'
import type { Host } from '../../core/host.js'
import { storePaths } from '../files.js'
import { inspectPlace, type InspectOptions, type StoreInspection } from '../inspect.js'
import { keptRecords } from '../rescue/rescue-file.js'
import { Connection } from './connection.js'
import { localized, shiftDiscovered, shiftLogin } from './database-time.js'
import { placeOf } from './peek-seat.js'
import { PostgresRegistry } from './postgres-registry.js'
import type { Queries } from './queries.js'
import type { Seen } from './registry.js'
import { isPutBack } from './remembered.js'
import { SCHEMA_VERSION } from './schema.js'
import { SeatMemory } from './seat-memory.js'
import type { SharedStore } from './open.js'
import type { SharedStoreSettings } from './settings.js'
import { identifier, scanTables } from './tables.js'

/** Seconds between this machine's clock and the database's that are worth a warning. */
const CLOCK_SKEW = 60

/** The rights that the program needs, table by table. */
const NEEDED = [
  ['meta', 'SELECT'],
  ['grants', 'SELECT'],
  ['grants', 'INSERT'],
  ['grants', 'UPDATE'],
  ['answers', 'SELECT'],
  ['answers', 'INSERT'],
  ['answers', 'DELETE'],
  ['history', 'SELECT'],
  ['history', 'INSERT'],
  ['history', 'UPDATE'],
  ['history', 'DELETE'],
] as const

/** The database, and what this user may do there: one question, which needs no right. Written as in statements.ts. */
export const EXAM = `
SELECT pg_catalog.current_setting('server_version') AS version, current_user AS "user",
       (SELECT s.ssl FROM pg_catalog.pg_stat_ssl s WHERE s.pid = pg_catalog.pg_backend_pid()) AS tls,
       coalesce(
         (SELECT pg_catalog.has_schema_privilege(n.oid, 'CREATE') FROM pg_catalog.pg_namespace n
           WHERE n.nspname = 'hq_token'::name),
         pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE')) AS may_create,
       (SELECT pg_catalog.count(*)::int FROM pg_catalog.pg_stat_replication) AS standbys,
       ARRAY(
         SELECT 'USAGE on hq_token'::text FROM pg_catalog.pg_namespace n
          WHERE n.nspname = 'hq_token'::name AND NOT pg_catalog.has_schema_privilege(n.oid, 'USAGE')
         UNION ALL
         SELECT pg_catalog.concat(needed.privilege, ' on hq_token.', needed.name)
           FROM pg_catalog.pg_namespace n
           JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid
           JOIN (VALUES ${NEEDED.map(([table, right]) => `('${table}'::text, '${right}'::text)`).join(', ')}) AS needed (name, privilege)
             ON needed.name = c.relname::text
          WHERE n.nspname = 'hq_token'::name AND NOT pg_catalog.has_table_privilege(c.oid, needed.privilege)
       )::text AS missing`

interface Exam {
  readonly version: string
  readonly user: string
  readonly tls: boolean | null
  readonly mayCreate: boolean
  readonly standbys: number
  /** Rights that this user lacks. */
  readonly missing: readonly string[]
}

export async function inspectShared(
  path: string,
  settings: SharedStore,
  options: InspectOptions & { readonly clock: () => ClockReading; readonly host: Host },
): Promise<StoreInspection> {
  const connection = new Connection(settings)
  const registry = new PostgresRegistry(connection, settings.name, placeOf(settings))
  const paths = storePaths(path)
  const seat = inspectPlace(paths, options)
  try {
    const exam = await examined(connection)
    const known = [
      ok('store', registry.name),
      ok('database', `PostgreSQL ${exam.version} as ${exam.user}, ${wayOf(exam, settings)}`),
    ]
    const tables = await scanTables(connection, settings.name, registry.name)
    const unfit = tables.unfit && fail('schema', tables.unfit)
    const wanting =
      unfit ?? lackOfRights(exam, registry.name) ?? (tables.hidden && fail('rights', tables.hidden))
    if (wanting !== undefined) return { checks: [...known, wanting, ...seat], content: undefined }
    const seen = await registry.look()
    const at = options.clock()
    const { set, offset = 0 } = seen === undefined ? {} : localized(seen, at)
    if (seen?.move !== undefined) {
      const store = { name: registry.name, address: { url: settings.display, name: settings.name } }
      const closed = closedByMove(store, seen.move, set === undefined, options.here)
      return { checks: [fail('store', closed), ...seat], content: undefined }
    }
    const inRow =
      seen === undefined
        ? []
        : await ofRow(seen, set, new SeatMemory(paths, options.host, settings.name), registry.name)
    return {
      checks: [
        ...known,
        schema(seen, exam, registry.name),
        ...(seen === undefined
          ? []
          : [ok('rights', `${exam.user} may do all that is needed`), clock(seen, at), failover(seen, exam)]),
        ...inRow,
        ...seat,
        unfinished(seen, paths, options.env),
      ],
      content: {
        set,
        discovered: seen?.discovered && shiftDiscovered(seen.discovered, offset),
        login: seen?.login && shiftLogin(seen.login, offset),
      },
    }
  } catch (error) {
    return { checks: [fail('store', error), ...seat], content: undefined }
  } finally {
    await connection.close()
  }
}

async function examined(queries: Queries): Promise<Exam> {
  const [row = {}] = (await queries.query(EXAM)).rows
  const missing = String(row['missing']).replace(/^\{|\}$|"/g, '')
  return {
    version: String(row['version']),
    user: String(row['user']),
    tls: row['tls'] as boolean | null,
    mayCreate: row['may_create'] === true,
    standbys: Number(row['standbys']),
    missing: missing === '' ? [] : missing.split(','),
  }
}

function wayOf({ tls }: Exam, { hosts }: SharedStoreSettings): string {
  if (tls === true) return 'over TLS, its certificate checked'
  return hosts.every(({ name }) => name.startsWith('/')) ? 'over a socket' : 'without TLS, on this machine'
}

function schema(seen: Seen | undefined, { mayCreate, user }: Exam, where: string): Finding {
  if (seen !== undefined) return ok('schema', String(SCHEMA_VERSION))
  if (mayCreate) return ok('schema', 'none yet: the first seed or login makes it')
  return fail(
    'schema',
    new StoreUnusable(`${where} has no tables of hq-token, and ${user} may not make them`, {
      hint: 'let the owner of the database run what this prints: hq-token doctor --sql',
    }),
  )
}

function lackOfRights({ missing, user }: Exam, where: string): Finding | undefined {
  if (missing.length === 0) return undefined
  return fail(
    'rights',
    new StoreUnusable(`${where}: ${user} lacks ${missing.join(', ')}`, {
      hint: `let the owner of the database run: GRANT hq_token_keeper TO ${identifier(user)}; (hq-token doctor --sql prints the role)`,
    }),
  )
}

function clock({ now }: Seen, at: ClockReading): Finding {
  const ahead = at.now - Math.floor(now)
  if (Math.abs(ahead) < CLOCK_SKEW) return ok('clock', 'as the database’s')
  return warn(
    'clock',
    `this machine’s clock is ${Math.abs(ahead)} s ${ahead > 0 ? 'ahead of' : 'behind'} the database’s; tokens are judged by the database’s`,
    'check the time synchronisation of both',
  )
}

function failover({ isSynchronous, timeline, timelineNow }: Seen, { standbys }: Exam): Finding {
  const name = 'fail-over'
  if (timeline !== null && timeline !== timelineNow && !isSynchronous)
    return warn(name, 'the database has failed over since the last refresh: hosts wait before the next one')
  if (isSynchronous) return ok(name, 'each commit waits for a standby: a fail-over loses none')
  if (standbys === 0) return ok(name, 'no standby is to be seen')
  return warn(
    name,
    `${standbys} standby ${standbys === 1 ? 'follows' : 'servers follow'}, and no commit waits for one: a fail-over may lose the newest refresh`,
    "ALTER SYSTEM SET synchronous_standby_names = 'ANY 1 (*)'; SELECT pg_reload_conf();",
  )
}

async function ofRow(
  seen: Seen,
  set: TokenSet | undefined,
  memory: SeatMemory,
  where: string,
): Promise<readonly Finding[]> {
  const { lease, now } = seen
  const held =
    lease.seat === null
      ? ok('lease', 'free')
      : warn(
          'lease',
          `${lease.host ?? 'a host'} has it, with its last sign of life ${lease.at === null ? 'unknown' : `${Math.max(0, Math.round(now - lease.at))} s ago`}`,
          'it ends by itself, and the next host follows; nothing is to be done',
        )
  try {
    const known = await memory.load()
    if (!isPutBack(known, seen, set)) return [held]
    const error = new StoreUnreachable(`${where} is older than what this host has seen: it was put back`, {
      hint: 'run hq-token get on the host that refreshed last: it heals the database; if that host is gone: hq-token login',
    })
    return [held, fail('age', error)]
  } catch (error) {
    return [held, fail('seat', error)]
  }
}

function unfinished(
  seen: Seen | undefined,
  paths: ReturnType<typeof storePaths>,
  env: NodeJS.ProcessEnv,
): Finding {
  const name = 'unfinished'
  try {
    const waiting = keptRecords(paths, env).filter(
      ({ generation, grant }) =>
        seen?.set !== undefined && generation >= seen.generation && grant === seen.set.grant,
    )
    if (waiting.length > 0)
      return warn(
        name,
        `an answer of the server waits in ${paths.rescue}: the next refresh uses it`,
        'hq-token refresh',
      )
    const intent = seen?.set?.intent
    if (intent)
      return warn(
        name,
        `a refresh was begun at ${rfc3339(intent.at)} and its outcome is unknown: the next \`get\` finishes it`,
        'hq-token get',
      )
    return seen === undefined ? skip(name, 'needs the database') : ok(name, 'nothing')
  } catch (error) {
    return fail(name, error)
  }
}
