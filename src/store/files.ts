import {
  accessSync,
  chmodSync,
  closeSync,
  constants,
  fchmodSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  renameSync,
  unlinkSync,
  writeSync,
  type Stats,
} from 'node:fs'
import { dirname } from 'node:path'
import { StoreUnusable } from '../core/errors.js'
import { shellWord } from '../core/shell.js'
import type { StorePaths } from './paths.js'

export { storePaths, type StorePaths } from './paths.js'

const posix = process.platform !== 'win32'

/** Makes the folder, 0700 whatever the umask, and its name durable. */
export function ensureFolder(folder: string): void {
  const parent = dirname(folder)
  if (parent !== folder && lstatOf(parent) === undefined) ensureFolder(parent)
  try {
    mkdirSync(folder, { mode: 0o700 })
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return
    throw unusable(folder, 'cannot be made', error)
  }
  try {
    chmodSync(folder, 0o700)
    syncFolder(parent)
  } catch (error) {
    throw unusable(folder, 'cannot be made durable', error)
  }
}

/** Makes the names in a folder survive a power cut. */
export function syncFolder(folder: string): void {
  if (!posix) return
  const fd = openSync(folder, constants.O_RDONLY)
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}

/**
 * Puts a new file in place whole or not at all, 0600 from its first instant. Under the store's lock
 * only, once it is known that there is none.
 *
 * @throws {StoreUnusable}
 */
export function createWhole(path: string, content: Uint8Array): void {
  const draft = `${path}.new`
  try {
    removeIfThere(draft)
    const fd = createPrivate(draft)
    try {
      writeFully(fd, content, 0)
      fsyncSync(fd)
    } finally {
      closeSync(fd)
    }
    renameSync(draft, path)
    syncFolder(dirname(path))
  } catch (error) {
    removeIfThere(draft)
    throw unusable(path, 'cannot be made', error)
  }
}

/** A new file, 0600 whatever the umask; fails where there is one. The caller closes the handle. */
export function createPrivate(path: string): number {
  const fd = openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | NO_FOLLOW, 0o600)
  if (posix) fchmodSync(fd, 0o600)
  return fd
}

export const NO_FOLLOW = posix ? constants.O_NOFOLLOW : 0

export function writeFully(fd: number, bytes: Uint8Array, position: number): void {
  for (let done = 0; done < bytes.byteLength;) {
    done += writeSync(fd, bytes, done, bytes.byteLength - done, position + done)
  }
}

export function removeIfThere(path: string): void {
  try {
    unlinkSync(path)
  } catch {
    // It was not there.
  }
}

/** `undefined` where there is no such file. Never opens it: closing a handle would drop SQLite's locks. */
export function lstatOf(path: string): Stats | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: false })
  } catch (error) {
    if (codeOf(error) === 'ENOTDIR') return undefined
    throw unusable(path, 'cannot be looked at', error)
  }
}

/**
 * Tells a file from any other that has its name before or after it. Never opens it.
 *
 * @returns `undefined` where there is none.
 */
export function identityOf(path: string): string | undefined {
  try {
    const stats = lstatSync(path, { bigint: true, throwIfNoEntry: false })
    // A number of a file that was removed is given to the next one.
    return stats && `${stats.dev}:${stats.ino}:${stats.birthtimeNs}`
  } catch (error) {
    throw unusable(path, 'cannot be looked at', error)
  }
}

/** Whether there is a database, of which nobody else can have written a byte. Opens nothing. @throws {StoreUnusable} */
export function isThere({ folder, database }: Pick<StorePaths, 'folder' | 'database'>): boolean {
  const folderStats = lstatOf(folder)
  if (folderStats === undefined) return false
  checkOwn(folder, folderStats, 'folder')
  const stats = lstatOf(database)
  if (stats === undefined) return false
  checkOwn(database, stats, 'file')
  const journal = lstatOf(`${database}-journal`)
  if (journal !== undefined) checkOwn(`${database}-journal`, journal, 'file')
  if (stats.size === 0) throw damaged(database, 'a file of no bytes')
  return true
}

/**
 * Refuses what others could have put or could read there, as `ssh` does for its keys, and what we may not read:
 * SQLite would only say that it cannot open it.
 *
 * @throws {StoreUnusable}
 */
export function checkOwn(path: string, stats: Stats, kind: 'file' | 'folder'): void {
  if (!posix) return
  if (kind === 'file' ? !stats.isFile() : !stats.isDirectory())
    throw new StoreUnusable(`${path} is not a ${kind} of its own`, {
      hint: `ls -ld ${shellWord(path)}`,
    })
  if (kind === 'file' && stats.nlink > 1)
    throw new StoreUnusable(`${path} has a second name (a hard link)`, {
      hint: 'copy it to a name of its own, or name another [store] path',
    })
  const me = process.geteuid?.()
  if (stats.uid !== me && stats.uid !== 0)
    throw new StoreUnusable(`${path} belongs to another user (uid ${stats.uid})`, {
      hint: 'run as that user, or name another [store] path',
    })
  if (kind === 'file' ? (stats.mode & 0o077) !== 0 : (stats.mode & 0o022) !== 0)
    throw new StoreUnusable(
      `${path} can be ${kind === 'file' ? 'read or written' : 'written'} by others (mode ${(stats.mode & 0o7777).toString(8)})`,
      {
        hint:
          kind === 'file' ? `chmod 600 ${shellWord(path)}` : 'name a [store] path in a folder of your own',
      },
    )
  if (kind === 'file') checkAccess(path, stats, 'read')
}

/**
 * A lock that may only be read is none: SQLite would open it for reading, and everybody would get it.
 *
 * @throws {StoreUnusable}
 */
export function checkLockable(path: string, stats: Stats): void {
  checkOwn(path, stats, 'file')
  checkAccess(path, stats, 'written')
}

function checkAccess(path: string, { uid, mode }: Stats, what: 'read' | 'written'): void {
  try {
    accessSync(path, what === 'read' ? constants.R_OK : constants.W_OK)
  } catch (error) {
    if (codeOf(error) !== 'EACCES') {
      if (what === 'read') return
      throw unusable(path, 'cannot be written', error)
    }
    const me = process.geteuid?.() ?? uid
    const word = shellWord(path)
    throw new StoreUnusable(
      `${path} cannot be ${what}: it belongs to ${uid === me ? 'you' : 'root'}, mode ${(mode & 0o777).toString(8).padStart(3, '0')}`,
      {
        hint: `ls -l ${word}; ${uid === me ? `chmod 600 ${word}` : `as root: chown ${me} ${word}`}`,
        cause: error,
      },
    )
  }
}

export function damaged(database: string, what: string, cause?: unknown): StoreUnusable {
  return new StoreUnusable(`${database} is damaged (${what})`, {
    hint: `the file was left as it is; move it away (mv ${shellWord(database)} ${shellWord(`${database}.damaged`)}), then: hq-token login (or: hq-token seed FILE)`,
    cause,
  })
}

export function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'unknown'
}

export function unusable(path: string, what: string, cause: unknown, hint?: string): StoreUnusable {
  if (cause instanceof StoreUnusable) return cause
  if (cause instanceof Error && /bindings file|ERR_DLOPEN/.test(`${cause.message} ${codeOf(cause)}`))
    return new StoreUnusable('better-sqlite3 was installed without its native part', {
      hint: 'npm install -g --allow-scripts=better-sqlite3 hq-token',
      cause,
    })
  return new StoreUnusable(`${path} ${what} (${codeOf(cause)})`, {
    hint: hint ?? `look at the disk and the permissions: ${lookAt(path)}`,
    cause,
  })
}

/** The commands that show who may write a path, and where: a file with its folder, or what of the way to it is there. */
export function lookAt(path: string): string {
  const place = nearest(path)
  const isFolder = lstatSync(place, { throwIfNoEntry: false })?.isDirectory() === true
  const places = isFolder ? [place] : [dirname(place), place]
  return `ls -ld ${places.map(shellWord).join(' ')}; df ${shellWord(place)}`
}

/** The path itself, or the last folder on the way to it that can be looked at. */
export function nearest(path: string): string {
  try {
    lstatSync(path)
    return path
  } catch {
    const parent = dirname(path)
    return parent === path ? path : nearest(parent)
  }
}
