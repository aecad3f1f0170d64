import Database from 'better-sqlite3'
import { createHash } from 'node:crypto'
import {
  accessSync,
  constants,
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect } from 'vitest'
import { Secret } from '../../src/core/secret.js'
import { writeSandboxFiles } from '../../src/sandbox/files.js'
import type { SandboxRequest } from '../../src/sandbox/request.js'
import { startSandbox, type Sandbox, type SandboxOptions } from '../../src/sandbox/server.js'
import { SqliteStore } from '../../src/store/sqlite/sqlite-store.js'
import { folder } from '../support/folder.js'
import { start, type Ended } from '../support/processes.js'
import { told } from '../support/world.js'
import { STORE_FILES, traced, type Call, type Traced, type TraceOptions } from './strace.js'

/** A store of its own with a family of its own, for one fault. */
export interface Subject {
  readonly dir: string
  /** Copies of an answer outside of the store's folder. */
  readonly lastCopies: () => string[]
  readonly traced: (options?: Pick<TraceOptions, 'paths' | 'injections'>) => Promise<Traced>
  /** The same command without strace. */
  readonly run: (env?: NodeJS.ProcessEnv) => Promise<Ended>
  /** Whether the store knows of every request that has left: it holds the intent, or what came of it. */
  readonly knows: () => Promise<boolean>
  /** What the server has done for this family. */
  readonly history: () => SandboxRequest[]
  /** Fingerprint of the one refresh token that is not spent. */
  readonly newest: () => string
  readonly works: (accessToken: string) => Promise<boolean>
  /** A plain `get`, and what it says of the store. */
  readonly heal: () => Promise<Health>
  readonly discard: () => void
}

export interface Health {
  /** Whether the grant lives on: a token that works was printed, and the store holds what comes after it. */
  readonly alive: boolean
  /** All that is not as it should be, `alive` apart. */
  readonly faults: readonly string[]
  readonly said: string
}

const sandboxes: Sandbox[] = []
const made = new Set<string>()

afterAll(async () => {
  await Promise.all(sandboxes.splice(0).map((sandbox) => sandbox.close()))
  for (const path of made) rmSync(path, { recursive: true, force: true })
})

export async function sandboxWith(options: SandboxOptions): Promise<Sandbox> {
  const sandbox = await startSandbox({ accessTtl: 3600, ...options })
  sandboxes.push(sandbox)
  return sandbox
}

export type Command = 'get' | 'seed' | 'refresh'

/**
 * @param command What will be run: for `get`, the store holds an expired token already; for `refresh`,
 *   a second generation.
 */
export async function subject(sandbox: Sandbox, command: Command): Promise<Subject> {
  const dir = folder()
  const elsewhere = mkdtempSync(join(otherFileSystem(dir), 'hq-token-test-'))
  made.add(dir).add(elsewhere)
  const { config, seed } = await writeSandboxFiles(dir, sandbox, { accessTtl: 0 })
  const env = { HQ_TOKEN_CONFIG: config, XDG_RUNTIME_DIR: elsewhere }
  const [, refreshToken = ''] = /^refresh_token= (.*)$/m.exec(readFileSync(seed, 'utf8')) ?? []
  const first = new Secret(refreshToken).fingerprint
  const before = { seed: [], get: ['seed'], refresh: ['seed', 'get'] }[command]
  for (const earlier of before) {
    const { code, stderr } = await told([earlier], { env })
    if (code !== 0) throw new Error(stderr)
  }

  const outside = ['/var/tmp', '/dev/shm', tmpdir(), elsewhere].filter((path) => existsSync(path))
  const name = createHash('sha256').update(join(dir, 'token.db')).digest('hex').slice(0, 16)
  const lastCopies = (): string[] =>
    [...new Set(outside)].flatMap((path) =>
      readdirSync(path)
        .filter((file) => file.includes(name))
        .map((file) => join(path, file)),
    )
  const wide = (): string[] => {
    const files = readdirSync(dir).filter((file) => STORE_FILES.includes(file))
    return [...files.map((file) => join(dir, file)), ...lastCopies()].flatMap((path) => {
      const mode = lstatSync(path).mode & 0o777
      return mode === 0o600 ? [] : [`${path} is ${mode.toString(8)}`]
    })
  }
  const history = (): SandboxRequest[] => {
    const family = new Set([first])
    return sandbox.log.filter(({ grantType, presented, issued }) => {
      const ours = grantType === 'refresh_token' && presented !== null && family.has(presented)
      if (ours && issued !== null) family.add(issued)
      return ours
    })
  }
  const newest = (): string => history().reduce((last, { issued }) => issued ?? last, first)
  const works = async (accessToken: string): Promise<boolean> => {
    const headers = { authorization: `Bearer ${accessToken}` }
    return (await fetch(`${sandbox.url}api/1/sites`, { headers })).status === 200
  }
  const refreshes = history().length
  const knows = async (): Promise<boolean> => {
    if (history().length === refreshes) return true
    // A copy is asked: reading may roll back what the next run has to roll back by itself.
    const copy = join(dir, 'copy')
    mkdirSync(copy, { mode: 0o700 })
    for (const name of readdirSync(dir).filter((name) => STORE_FILES.includes(name)))
      copyFileSync(join(dir, name), join(copy, name))
    const set = await new SqliteStore(join(copy, 'token.db')).read()
    return set !== undefined && (set.intent !== null || set.generation > refreshes + 1)
  }
  const heal = async (): Promise<Health> => {
    const faults = wide()
    const { code, signal, stdout, stderr } = await start(['get'], { env }).done
    const stored = await new SqliteStore(join(dir, 'token.db')).read().catch(() => undefined)
    const alive =
      code === 0 && (await works(stdout.trim())) && stored?.pair.refreshToken.fingerprint === newest()
    if (!alive && stdout !== '' && code !== 0) faults.push('a token was printed by a run that failed')
    const integrity = integrityOf(join(dir, 'token.db'))
    if (integrity !== 'ok') faults.push(`integrity: ${integrity}`)
    if (alive && lastCopies().length > 0) faults.push('a last copy was left behind')
    faults.push(...wide())
    return { alive, faults, said: `${code ?? signal ?? ''} ${stderr.trim()}` }
  }
  const discard = (): void => {
    for (const path of [...lastCopies(), dir, elsewhere]) {
      rmSync(path, { recursive: true, force: true })
      made.delete(path)
    }
  }
  return {
    dir,
    lastCopies,
    traced: (options) => traced([command], { dir, env, ...options }),
    run: (more) => start([command], { env: { ...env, ...more } }).done,
    knows,
    history,
    newest,
    works,
    heal,
    discard,
  }
}

function otherFileSystem(dir: string): string {
  const device = lstatSync(dir).dev
  const usable = ['/dev/shm', '/var/tmp', tmpdir()].filter((path) => {
    try {
      accessSync(path, constants.W_OK)
      return true
    } catch {
      return false
    }
  })
  return usable.find((path) => lstatSync(path).dev !== device) ?? usable[0] ?? tmpdir()
}

function integrityOf(path: string): string {
  try {
    const db = new Database(path, { fileMustExist: true })
    try {
      return String(db.pragma('integrity_check', { simple: true }))
    } finally {
      db.close()
    }
  } catch (error) {
    return String(error)
  }
}

/**
 * The calls of the shortest of three undisturbed runs. Others may not come to the last calls of a longer one: a busy machine
 * adds some, and a run that goes on into the next second writes one more page of the history.
 *
 * @param counts Leaves out the calls that are of no concern.
 */
export async function shortestRun(
  sandbox: Sandbox,
  command: 'get' | 'seed',
  counts: (call: Call) => boolean = () => true,
): Promise<readonly Call[]> {
  const runs: (readonly Call[])[] = []
  for (let nth = 0; nth < 3; nth++) {
    const one = await subject(sandbox, command)
    const { code, stderr, calls } = await one.traced()
    expect(code, stderr).toBe(0)
    one.discard()
    runs.push(calls.filter(counts))
  }
  return runs.reduce((shortest, calls) => (calls.length < shortest.length ? calls : shortest))
}
