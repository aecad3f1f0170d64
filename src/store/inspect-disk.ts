// Says for `doctor` on what a store's folder lies, and whether it can be written. Changes nothing.
import { accessSync, closeSync, constants, openSync, realpathSync, statfsSync } from 'node:fs'
import { StoreUnusable } from '../core/errors.js'
import { fail, ok, skip, warn, type Finding } from '../core/finding.js'
import { FUSE, IN_MEMORY, NOT_FOR_FILES, REMOTE } from '../platform/file-systems.js'
import { nearest, ofForeignFolder } from '../platform/files.js'
import { hints } from '../platform/hints.js'
import { lstatOf, unusable, type StorePaths } from './files.js'
import { placeFinding } from './windows-store.js'

const MIB = 1024 * 1024
/** Bytes: with less, no store can be created and no grown token set saved. */
const LEAST_ROOM = MIB
const LITTLE_ROOM = 16 * MIB

/** The file system of a path. */
export interface FileSystem {
  /** The `f_type` of statfs(2) on Linux. */
  readonly type: number
  /**
   * Bytes that may be written; `null` if the file system does not count them, such as one in memory without a
   * limit.
   */
  readonly room: number | null
}

interface Asking {
  readonly env: NodeJS.ProcessEnv
  readonly fileSystem?: (folder: string) => FileSystem
  readonly platform?: NodeJS.Platform
}

/** Says of a store's folder, or of the one in which it is to be made, on what it lies and how much room is left. */
export function disk(
  paths: StorePaths,
  isThere: boolean,
  { fileSystem = fileSystemOf, platform = process.platform, env }: Asking,
): [Finding, ...Finding[]] {
  const folder = isThere ? paths.folder : nearest(paths.folder)
  let found
  try {
    found = fileSystem(folder)
  } catch (error) {
    return [fail('file system', unusable(paths.folder, 'cannot be looked at', error))]
  }
  const place =
    platform === 'win32'
      ? placeFinding(paths.folder, realPathOf(folder), env)
      : kind(paths, found.type >>> 0, platform)
  return [place, room(paths, found.room)]
}

/** Windows does not tell it for a RAM disk, say. */
function realPathOf(folder: string): string | undefined {
  try {
    return realpathSync.native(folder)
  } catch {
    return undefined
  }
}

function kind({ folder }: StorePaths, type: number, platform: NodeJS.Platform): Finding {
  const name = 'file system'
  const elsewhere = 'name a [store] path on a local disk'
  // On other systems the numbers mean something else.
  if (platform !== 'linux') return skip(name, 'this system does not tell its kind')
  const remote = REMOTE.get(type)
  if (remote !== undefined)
    return warn(name, `${remote} is a network file system: its locks cannot be relied on`, elsewhere)
  if (type === FUSE)
    return warn(name, 'FUSE: it may be a network file system, whose locks cannot be relied on', elsewhere)
  const kernels = NOT_FOR_FILES.get(type)
  if (kernels !== undefined)
    return fail(
      name,
      new StoreUnusable(`${folder} is on ${kernels}, where no file can be made`, { hint: elsewhere }),
    )
  const memory = IN_MEMORY.get(type)
  if (memory !== undefined)
    return warn(name, `${memory} is in memory: a restart of this machine costs the token set`, elsewhere)
  return ok(name, 'local')
}

function room({ folder }: StorePaths, bytes: number | null): Finding {
  const name = 'disk space'
  if (bytes === null) return skip(name, 'this file system does not tell its size')
  const left = `${bytes < 10 * MIB ? `${Math.floor(bytes / 1024)} KiB` : `${Math.floor(bytes / MIB)} MiB`} left`
  const hint = hints.room(folder)
  if (bytes < LEAST_ROOM)
    return fail(name, new StoreUnusable(`the disk of ${folder} is full: ${left}`, { hint }))
  return bytes < LITTLE_ROOM ? warn(name, left, hint) : ok(name, left)
}

/** The files of a store that are there. */
export function filesOf({ database, rescue, lock }: StorePaths): string[] {
  return [database, `${database}-journal`, rescue, lock].filter((path) => lstatOf(path) !== undefined)
}

export function writable(paths: StorePaths, isThere: boolean, platform = process.platform): Finding[] {
  try {
    return platform === 'win32' ? tried(paths, isThere) : [asked(paths, isThere)]
  } catch (error) {
    return [fail('writable', error)]
  }
}

/** Asks the system and does not try, because only SQLite may open its files. */
function asked(paths: StorePaths, isThere: boolean): Finding {
  const { folder } = paths
  const isAllowed = (path: string): void => {
    accessSync(path, constants.W_OK)
  }
  if (!isThere) {
    const place = nearest(folder)
    const refusal = place === folder ? undefined : ofForeignFolder(place, 'HQ_TOKEN_STORE=FILE')
    if (refusal !== undefined) throw new StoreUnusable(...refusal)
    assertWritable(place, isAllowed)
    return ok('writable', place === folder ? folder : `${folder} can be made`)
  }
  for (const path of [folder, ...filesOf(paths)]) assertWritable(path, isAllowed)
  return ok('writable', `${folder} and its files`)
}

/**
 * Windows tells it only by trying. A lock belongs to its handle there, so the files are opened; a folder is left, because nothing is
 * made in it here.
 */
function tried(paths: StorePaths, isThere: boolean): Finding[] {
  const place = isThere ? paths.folder : nearest(paths.folder)
  const left = skip(
    'writable',
    `${place} was not tried: Windows tells only by that who may make a file there`,
  )
  if (!isThere) return [left]
  for (const path of filesOf(paths))
    assertWritable(path, () => {
      closeSync(openSync(path, 'r+'))
    })
  return [ok('writable', `the files in ${place}`), left]
}

function assertWritable(path: string, attempt: (path: string) => void): void {
  try {
    attempt(path)
  } catch (error) {
    const isReadOnly = error instanceof Error && 'code' in error && error.code === 'EROFS'
    throw unusable(
      path,
      'cannot be written',
      error,
      isReadOnly
        ? 'the file system is read-only: mount it writable, or name another [store] path'
        : undefined,
    )
  }
}

function fileSystemOf(folder: string): FileSystem {
  const { type, blocks, bavail, bsize } = statfsSync(folder)
  return { type, room: blocks === 0 ? null : bavail * bsize }
}
