// Examines a store for `doctor`. Creates, migrates, repairs and changes nothing.
import Database from 'better-sqlite3'
import { fail, ok, skip, warn, type Finding } from '../core/finding.js'
import { StoreBusy, StoreUnusable } from '../core/errors.js'
import { rfc3339 } from '../core/clock.js'
import type { PendingLogin, Rescued } from '../core/store-ports.js'
import { closedByMove, type Here } from '../core/move-notes.js'
import type { Discovered } from '../core/ports.js'
import { heldOpen } from '../platform/held-files.js'
import { hints } from '../platform/hints.js'
import type { TokenSet } from '../core/token-set.js'
import { assertLoadable } from './sqlite/addon-fault.js'
import { isBusy, needsRollback } from './sqlite/addon.js'
import { asUnusable, openForReading, refuseNewer, versionOf } from './sqlite/database.js'
import { accessFindings } from '../platform/access-findings.js'
import { thisSystem, type accessLists } from '../platform/access-control.js'
import { checkOwn, damaged, lstatOf, storePaths, type StorePaths } from './files.js'
import { named, sharedByVolume } from './group.js'
import { disk, filesOf, writable, type FileSystem } from './inspect-disk.js'
import { sleep } from './pauses.js'
import { unlockable } from './sqlite/lock.js'
import { selectNote } from './sqlite/move.js'
import { keptRecords } from './rescue/rescue-file.js'
import { SCHEMA_VERSION } from './sqlite/schema.js'
import { selectDiscovered, selectLogin, selectSet } from './sqlite/select.js'
import { lastCopyWarnings } from './rescue/private-tmp.js'

/** Milliseconds to wait for other processes' commits, which take a few. */
const PATIENCE_MS = 2_000
export interface StoreContent {
  readonly set: TokenSet | undefined
  readonly discovered: Discovered | undefined
  readonly login: PendingLogin | undefined
}

export interface StoreInspection {
  readonly checks: readonly Finding[]
  /** `undefined` if the store cannot be read. */
  readonly content: StoreContent | undefined
}

export interface InspectOptions {
  /** The rule that named the path, for messages. */
  readonly rule: string
  readonly env: NodeJS.ProcessEnv
  /** This host, for the hint of a store that a move has closed. */
  readonly here?: Here
  /** Default: the system's. */
  readonly fileSystem?: (folder: string) => FileSystem
  /** Default: this machine's. */
  readonly platform?: NodeJS.Platform
  /** Default: what Windows tells. */
  readonly accessLists?: typeof accessLists
  /** The content of `/proc/self/mountinfo`, proc(5). Default: the process's. */
  readonly mounts?: string
}

/**
 * Examines a store and everything that it needs. Changes nothing, waits for no lock, and holds one only for the
 * instant of a read.
 */
export async function inspectStore(path: string, options: InspectOptions): Promise<StoreInspection> {
  let paths: StorePaths
  try {
    paths = storePaths(path)
  } catch (error) {
    return failed(fail('store', error))
  }
  const { checks, content, isThere } = await looked(paths, options)
  const around = place(paths, isThere, options)
  // Do not look inside if the folder is another user's, say, because nothing in it can be trusted.
  const inside = isThere ? withinLock(paths, content, options.env) : []
  return { checks: [...checks, ...around, ...inside], content }
}

/** Examines the folder of a file that is there or is to be made: its disk, and whether it can be written. */
export function inspectPlace(paths: StorePaths, options: InspectOptions): Finding[] {
  const isThere = lstatOf(paths.database) !== undefined
  return place(paths, isThere, options)
}

function place(paths: StorePaths, isThere: boolean, options: InspectOptions): Finding[] {
  const [fileSystem, ...space] = disk(paths, isThere, options)
  const access =
    fileSystem.status === 'fail'
      ? [skip('writable', 'needs a file system where files can be made')]
      : writable(paths, isThere, options.platform)
  return [
    fileSystem,
    ...space,
    ...access,
    ...rights(paths, options),
    ...lastCopyWarnings(options.platform, options.mounts),
  ]
}

/** Elsewhere than on Windows the modes tell, and a store whose modes are wrong is refused. */
function rights(
  paths: StorePaths,
  { platform = process.platform, accessLists: ask, env }: InspectOptions,
): Finding[] {
  const { folder } = paths
  if (platform !== 'win32' || lstatOf(folder) === undefined) return []
  return accessFindings({
    ...{ name: 'store access', folder, ask, profile: { env, homedir: thisSystem.homedir } },
    files: filesOf(paths).map((path) => ({ path })),
    ...{ problem: (message, details) => new StoreUnusable(message, details), isReadingMild: false },
  })
}

function withinLock(paths: StorePaths, content: StoreContent | undefined, env: NodeJS.ProcessEnv): Finding[] {
  const locked = lock(paths)
  const isHeld = locked.status === 'warn'
  return [locked, isHeld ? skip('unfinished', 'a refresh is under way') : unfinished(paths, content, env)]
}

interface Look extends StoreInspection {
  readonly isThere: boolean
}

async function looked(paths: StorePaths, options: InspectOptions): Promise<Look> {
  const { database } = paths
  for (const deadline = performance.now() + PATIENCE_MS; ;) {
    try {
      return look(paths, options)
    } catch (error) {
      const held = heldOpen([database, `${database}-journal`], error)
      if (held !== undefined) return failed(fail('store', held))
      if (needsRollback(error)) return { ...cutOff(database), isThere: true }
      if (!isBusy(error)) return failed(fail('store', asUnusable(paths, error)))
      if (performance.now() >= deadline) {
        const hint = `to see who holds it: ${hints.holders(database)}`
        const message = `${database} stayed busy for ${PATIENCE_MS / 1000} s`
        return failed(fail('store', new StoreBusy(message, { hint })))
      }
      await sleep(20)
    }
  }
}

function failed(check: Finding): Look {
  return { checks: [check, ...needStore('schema', 'integrity')], content: undefined, isThere: false }
}

function needStore(...names: readonly string[]): Finding[] {
  return names.map((name) => skip(name, 'needs a store that can be opened'))
}

/** A read-only connection cannot see past a transaction that was cut off, and this examination repairs nothing. */
function cutOff(database: string): StoreInspection {
  return {
    checks: [
      warn(
        'store',
        `${database}: a process died within a write; the next command that reads it rolls that back`,
        'hq-token status',
      ),
      ...needStore('schema', 'integrity'),
    ],
    content: undefined,
  }
}

function look(paths: StorePaths, { rule, here }: InspectOptions): Look {
  const { database } = paths
  assertLoadable()
  const shared = sharedByVolume(paths)
  if (shared.length > 0) {
    const message = `its group may use ${named(shared)}, as on a volume with fsGroup: the next command takes that away`
    const checks = [warn('store', message, 'hq-token status'), ...needStore('schema', 'integrity')]
    return { checks, content: undefined, isThere: false }
  }
  const db = openForReading(paths)
  if (db === undefined)
    return {
      checks: [ok('store', `${database} (${rule}): there is none yet`)],
      content: { set: undefined, discovered: undefined, login: undefined },
      isThere: false,
    }
  try {
    const note = selectNote(db)
    if (note !== undefined) {
      const store = { name: database, address: { path: database } }
      return failed(fail('store', closedByMove(store, note, selectSet(db) === undefined, here)))
    }
    const found = ok('store', `${database} (${rule})`)
    const version = schema(db, paths)
    const { check, content } = integrity(db, paths)
    return { checks: [found, version, check], content, isThere: true }
  } finally {
    db.close()
  }
}

function schema(db: Database.Database, paths: StorePaths): Finding {
  try {
    refuseNewer(db, paths)
  } catch (error) {
    return fail('schema', error)
  }
  const version = versionOf(db)
  return version === SCHEMA_VERSION
    ? ok('schema', String(version))
    : ok('schema', `${version}; the next refresh brings it to ${SCHEMA_VERSION}`)
}

function integrity(
  db: Database.Database,
  paths: StorePaths,
): { check: Finding; content: StoreContent | undefined } {
  try {
    const found = String(db.pragma('integrity_check(1)', { simple: true }))
    if (found !== 'ok') throw damaged(paths.database, found)
    const content = { set: selectSet(db), discovered: selectDiscovered(db), login: selectLogin(db) }
    return { check: ok('integrity', 'every page is whole'), content }
  } catch (error) {
    if (isBusy(error)) throw error
    return { check: fail('integrity', asUnusable(paths, error)), content: undefined }
  }
}

/**
 * Reads the lock file for an instant: a process that waits for the lock tries again, and the holder is not
 * disturbed.
 */
function lock({ lock: path, database }: StorePaths): Finding {
  const name = 'lock'
  let db: Database.Database | undefined
  try {
    const stats = lstatOf(path)
    if (stats === undefined) return ok(name, 'free')
    checkOwn(path, stats, 'file', database)
    db = new Database(path, { readonly: true, fileMustExist: true, timeout: 0 })
    db.prepare('SELECT count(*) FROM sqlite_schema').get()
    return ok(name, 'free')
  } catch (error) {
    if (isBusy(error))
      return warn(
        name,
        'held: another process is refreshing, or is stuck in a refresh',
        `to see who: ${hints.holders(path)}`,
      )
    return fail(name, unlockable(path, error))
  } finally {
    db?.close()
  }
}

/** Whether the next refresh uses an answer. A later one of the same grant heals a store that was put back. */
function isPending({ generation, grant }: Rescued, set: TokenSet): boolean {
  return generation === set.generation || (generation > set.generation && grant === set.grant)
}

function unfinished(paths: StorePaths, content: StoreContent | undefined, env: NodeJS.ProcessEnv): Finding {
  const name = 'unfinished'
  try {
    const kept = keptRecords(paths, env)
    const { set } = content ?? {}
    const pending = kept.filter((record) => set === undefined || isPending(record, set))
    if (pending.length > 0)
      return warn(
        name,
        `an answer of the server waits in ${paths.rescue}: the next refresh uses it`,
        set === undefined ? 'hq-token get' : 'hq-token refresh',
      )
    if (set?.intent)
      return warn(
        name,
        `a refresh was begun at ${rfc3339(set.intent.at)} and its outcome is unknown: the next \`get\` finishes it`,
        'hq-token get',
      )
    return content === undefined ? skip(name, 'needs a store that can be read') : ok(name, 'nothing')
  } catch (error) {
    return fail(name, error)
  }
}
