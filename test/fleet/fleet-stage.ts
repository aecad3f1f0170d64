import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll } from 'vitest'
import { writeSandboxFiles } from '../../src/sandbox/files.js'
import type { Sandbox } from '../../src/sandbox/server.js'
import { Secret } from '../../src/core/secret.js'
import { machineHost } from '../../src/platform/host.js'
import * as sql from '../../src/store/postgres/statements.js'
import { migrationSql } from '../../src/store/postgres/schema.js'
import { authority, type Authority } from '../support/authority.js'
import { cuttable, type Cuttable, type Held } from '../support/cuttable.js'
import { door, type Door } from '../support/door.js'
import { folder } from '../support/folder.js'
import { decided } from '../support/person.js'
import { startPostgres, type Postgres } from '../support/postgres.js'
import { stop } from '../support/proc.js'
import { start, type Ended, type Running, type StartOptions } from '../support/processes.js'
import { told, type Told } from '../support/world.js'
import { sandboxWith } from '../faults/subject.js'

// A fleet: hosts with a seat and a link to the database each, one row, one sandbox with a door before it. Each stage of
// an exchange is held from outside, at a link or at the door.

/** Where the holder stands still: the last thing that has happened. */
export const STAGES = [
  'connected',
  'taken',
  'intent',
  'connecting',
  'assured',
  'sent',
  'answered',
  'kept',
  'recorded',
  'landed',
  'released',
] as const
export type Stage = (typeof STAGES)[number]

/** Whether the one is after the other. */
export const isAfter = (one: Stage, other: Stage): boolean => STAGES.indexOf(one) > STAGES.indexOf(other)
/** The server may have rotated, and nobody but the holder's process has its answer. */
export const isUnheard = (stage: Stage): boolean => !isAfter('sent', stage) && isAfter('kept', stage)

/** Seconds; the shortest that may be configured. */
export const LEASE = 10

const exactly = (text: string, values = ''): RegExp =>
  new RegExp(text.trim().replace(/[^\w\s]/g, '\\$&') + values)
export const LOOK = exactly(sql.LOOK)
export const TAKE = exactly(sql.TAKE)
export const INTENT = exactly(sql.NOTE, '[^]*"intent_attempt":\\d')
export const SPENT = exactly(sql.SAVE_LOGIN, '[^]*"spent":"')
export const KEEP = exactly(sql.KEEP)
export const LAND = exactly(sql.LAND)
/** The client says that it ends the session. */
const GOODBYE = /^X\0\0\0\x04/

export interface FleetOptions {
  /** Milliseconds for which the server forgives; 0 by default. */
  readonly graceMs?: number
  /** Milliseconds before the server answers. */
  readonly latencyMs?: number
  /** The token endpoint speaks TLS. */
  readonly isTls?: boolean
  /** Seconds of life of the access tokens. */
  readonly accessTtl?: number
  /** Seconds of life that the first one still has; 0 by default. */
  readonly seedTtl?: number
  /** Nobody has logged in yet. */
  readonly isEmpty?: boolean
  /** Lines for the end of each host's configuration. */
  readonly config?: string
  /** Seconds since the first token was issued; 0 by default. */
  readonly age?: number
  /** Seconds for which a host does not look again; 60 by default. */
  readonly recheck?: number
}

/** A cluster, or what leads to the present one of several. */
export type Databases = Pick<Postgres, 'port' | 'sql' | 'createDatabase'>

export interface FleetHost {
  readonly name: string
  readonly dir: string
  readonly config: string
  readonly link: Cuttable
  /** The real program. */
  readonly start: (args?: readonly string[], options?: StartOptions) => Running
  /** The program in this process. */
  readonly tell: (args?: readonly string[]) => Promise<Told>
  /** Starts the real program, and waits until it looks at the row for the second time: it waits for the lease. */
  readonly begin: (args?: readonly string[]) => Promise<Running>
  /** Starts the real program, and waits until it stands still at a stage. */
  readonly reach: (stage: Stage, args?: readonly string[]) => Promise<Standing>
  /** Its machine is thrown away. */
  readonly remove: () => void
}

export interface Standing extends Running, Held {
  readonly kill: () => Promise<void>
  readonly halt: () => Promise<void>
  readonly goOn: () => void
}

export interface Fleet {
  readonly database: string
  readonly sandbox: Sandbox
  /** The configuration of a host without a link of its own, whose seat is in memory. */
  readonly plainHost: (port: number) => string
  /** @param port Leads to the database, if not the one of the others. */
  readonly host: (name: string, port?: number) => Promise<FleetHost>
  readonly works: (accessToken: string) => Promise<boolean>
  /** How often the token endpoint was asked. */
  readonly requests: () => number
  /** The refresh token in the row, by its fingerprint. */
  readonly stored: () => Promise<string | undefined>
  /** Refresh tokens that the server has issued and that nobody has spent. */
  readonly living: () => readonly string[]
  /** The address that the browser of a person ends at who has begun a login on this host. */
  readonly allowed: (host: FleetHost) => Promise<string>
}

let firm: Authority | undefined

const inShm: string[] = []
afterAll(() => {
  for (const path of inShm.splice(0)) rmSync(path, { recursive: true, force: true })
})

/** A folder in memory: each of a thousand hosts has a disk of its own, and all of them here would have one. */
function inMemory(): string {
  // All in one: each client looks through /dev/shm itself for copies of its own, and none of them has a thousand neighbours there.
  if (inShm[0] === undefined) inShm.push(mkdtempSync('/dev/shm/hq-token-test-'))
  return mkdtempSync(`${inShm[0] ?? ''}/host-`)
}

/** A cluster with a database that `fleet` copies. */
export async function fleetCluster(options: Parameters<typeof startPostgres>[0] = {}): Promise<Postgres> {
  const postgres = await startPostgres(options)
  await postgres.sql('CREATE DATABASE model')
  await postgres.sql(migrationSql(), 'postgres', 'model')
  return postgres
}

export async function fleet(postgres: Databases, options: FleetOptions = {}): Promise<Fleet> {
  const { graceMs = 0, isTls = false, accessTtl = 3600, seedTtl = 0, isEmpty = false, age = 0 } = options
  const { config = '', recheck = 60, latencyMs = 0 } = options
  const sandbox = await sandboxWith({ graceMs, accessTtl, latencyMs })
  const database = await postgres.createDatabase('model')
  firm ??= authority()
  const way: Door = await door(Number(new URL(sandbox.url).port), isTls ? firm.issue('127.0.0.1') : undefined)
  const authorityFile = firm.cert
  const instance = `${isTls ? 'https' : 'http'}://127.0.0.1:${way.port}/sandbox/`

  const at = folder()
  const { config: model, seed } = await writeSandboxFiles(at, sandbox, { accessTtl: seedTtl })
  const [, first = ''] = /^refresh_token= (.*)$/m.exec(readFileSync(seed, 'utf8')) ?? []
  const write = (dir: string, port: number, isSeeder: boolean): string => {
    const path = join(dir, 'config.ini')
    const url = `postgres://postgres@127.0.0.1:${port}/${database}`
    const text = readFileSync(model, 'utf8')
      .replace(/^instance = .*/m, `instance = ${instance}`)
      .replace(/^redirect_uri = .*/m, 'redirect_uri = https://firm.example/cb')
      .replace(/^path = .*/m, `url = ${url}\npath = token.seat\nlease = ${LEASE}s\nrecheck = ${recheck}s`)
      .replace(/^\[seed\]\nfile = .*/m, isSeeder ? `[seed]\nfile = ${seed}` : '')
    writeFileSync(path, `${text}[network]\nca_file = ${authorityFile}\n${config}`, { mode: 0o600 })
    return path
  }
  if (!isEmpty) {
    const seeder = write(folder(), postgres.port, true)
    const issued = Math.floor(Date.now() / 1000) - age
    const { code, stderr } = await told(['seed', '--issued-at', String(issued)], {
      env: { HQ_TOKEN_CONFIG: seeder },
    })
    if (code !== 0) throw new Error(stderr)
  }

  const asked = (): Sandbox['log'] => sandbox.log.filter(({ grantType }) => grantType !== null)
  const host: Fleet['host'] = async (name, port = postgres.port) => {
    const dir = folder()
    const link = await cuttable(port)
    const path = write(dir, link.port, false)
    const begin = (args: readonly string[] = ['get'], more: StartOptions = {}): Running =>
      start(args, { ...more, env: { HQ_TOKEN_CONFIG: path, ...more.env } })
    return {
      ...{ name, dir, config: path, link, start: begin },
      tell: (args = ['get']) => told(args, { env: { HQ_TOKEN_CONFIG: path }, host: machineHost() }),
      begin: async (args) => {
        const seen = link.seen(LOOK).then(() => link.seen(LOOK))
        const running = begin(args)
        await Promise.race([seen, running.done])
        return running
      },
      reach: async (stage, args) => {
        const isLogin = args?.[0] === 'login'
        const reached = holdAt(stage, link, way, isLogin)
        const running = begin(args)
        const held = await Promise.race([reached, running.done])
        if ('code' in held) throw new Error(`${name} never came to ${stage}: ${JSON.stringify(held)}`)
        return {
          ...running,
          letGo: held.letGo,
          kill: async () => {
            running.child.kill('SIGKILL')
            await running.done
          },
          halt: async () => {
            if (!(await stop(running.child))) throw new Error(`${name} has ended at ${stage}`)
          },
          goOn: () => {
            running.child.kill('SIGCONT')
          },
        }
      },
      remove: () => {
        rmSync(dir, { recursive: true })
      },
    }
  }
  return {
    ...{ database, sandbox, host },
    plainHost: (port) => write(inMemory(), port, false),
    works: async (accessToken) => {
      const headers = { authorization: `Bearer ${accessToken}` }
      return (await fetch(`${sandbox.url}api/1/sites`, { headers })).status === 200
    },
    requests: () => asked().length,
    stored: async () => {
      const row = await postgres.sql('SELECT token_set FROM hq_token.grants', 'postgres', database)
      const token = (row[0]?.['token_set'] as { refresh_token?: string } | null)?.refresh_token
      return token === undefined ? undefined : new Secret(token).fingerprint
    },
    living: () => {
      const issued = [new Secret(first).fingerprint, ...asked().flatMap((one) => one.issued ?? [])]
      const spent = new Set(asked().map(({ presented }) => presented))
      return issued.filter((one) => !spent.has(one))
    },
    allowed: async ({ tell }) => {
      const { code, stdout, stderr } = await tell(['login', '--no-browser'])
      if (code !== 0) throw new Error(stderr)
      const answer = new URL(await decided(stdout.trim().replace(instance, sandbox.url), 'allow'))
      // The server is called by the name that the hosts know.
      answer.searchParams.set('iss', instance)
      return answer.href
    },
  }
}

function holdAt(stage: Stage, link: Cuttable, way: Door, isLogin: boolean): Promise<Held> {
  const intent = isLogin ? SPENT : INTENT
  switch (stage) {
    case 'connected':
      return link.hold(TAKE)
    case 'taken':
      return link.hold(intent)
    case 'intent':
      return link.holdAnswerTo(intent)
    case 'kept':
      return link.hold(KEEP)
    case 'recorded':
      return link.hold(LAND)
    case 'landed':
      return link.holdAnswerTo(LAND)
    case 'released':
      return link.hold(GOODBYE)
    default:
      return way.hold(stage)
  }
}

export interface Outcome {
  readonly requests: number
  /** The server has ended the grant, or the row holds no refresh token that lives. */
  readonly isLost: boolean
  /** All that is not as it should be, the loss and the count of requests apart. */
  readonly faults: readonly string[]
}

/**
 * What a fault has cost, once all is over: a plain `get` of each host that is left.
 *
 * @param ended The processes that had to be served.
 */
export async function outcomeOf(
  fleet: Fleet,
  hosts: readonly FleetHost[],
  ended: readonly Ended[] = [],
): Promise<Outcome> {
  const faults: string[] = []
  const isEnded = fleet.sandbox.revokedFamilies() > 0
  const after: Told[] = []
  for (const host of hosts) after.push(await host.tell())
  const stored = await fleet.stored()
  const isLost = isEnded || stored === undefined || !fleet.living().includes(stored)
  const all = [...ended, ...after]
  if (!isLost)
    for (const { code, stdout, stderr } of all) {
      if (code !== 0) faults.push(`not served: ${code ?? ''} ${stderr.trim()}`)
      else if (!(await fleet.works(stdout.trim()))) faults.push('a dead token was printed')
    }
  if (new Set(after.map(({ stdout }) => stdout)).size > 1) faults.push('the hosts have two tokens')
  return { requests: fleet.requests(), isLost, faults }
}
