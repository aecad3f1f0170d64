// Checks who may have written a store's files, and words why they cannot be used. Reads no content.
import { accessSync, constants, lstatSync, statSync, type BigIntStats, type Stats } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { StoreUnfit, StoreUnusable, type TokenError } from '../core/errors.js'
import type { Notice } from '../core/ports.js'
import { shellWord } from '../core/shell-quoting.js'
import { hints } from '../platform/hints.js'
import { errnoOf } from '../platform/errno.js'
import { heldOpen } from '../platform/held-files.js'
import { createWhole as create, rightsHint, makeFolder, ofForeignFolder } from '../platform/files.js'
import { addonFault } from './sqlite/addon-fault.js'
import { isBusy, isStore } from './sqlite/addon.js'
import { throughLink } from './link.js'
import type { StorePaths } from './paths.js'

export { storePaths, type StorePaths } from './paths.js'

const posix = process.platform !== 'win32'

/** Creates the folder, 0700 whatever the umask, and makes its name durable. @throws {StoreUnusable} */
export function ensureFolder(folder: string, tell?: (notice: Notice) => void): void {
  if (lstatOf(folder) !== undefined) return
  const refusal = ofForeignFolder(dirname(folder), 'HQ_TOKEN_STORE=FILE')
  if (refusal !== undefined) throw new StoreUnusable(...refusal)
  try {
    makeFolder(folder, tell)
  } catch (error) {
    throw unusable(folder, 'cannot be made', error)
  }
}

/** Creates a file whole or not at all, 0600. Call it under the store's lock only. @throws {StoreUnusable} */
export function createWhole(path: string, content: Uint8Array): void {
  try {
    create(path, content)
  } catch (error) {
    throw unusable(path, 'cannot be made', error)
  }
}

/** `undefined` if there is no such file. Never opens it, because closing a handle would drop SQLite's locks. */
export function lstatOf(path: string): Stats | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: false })
  } catch (error) {
    if (errnoOf(error) === 'ENOTDIR') return undefined
    throw unusable(path, 'cannot be looked at', error)
  }
}

/**
 * Tells an open file from any other that takes its name: no other gets the inode of a file that is open. Without the birth
 * time, because some systems say the time of the last change for it. Never opens the file.
 *
 * @returns `undefined` if there is no such file.
 */
export function identityOf(path: string): string | undefined {
  const stats = identifying(path)
  return stats && `${stats.dev}:${stats.ino}`
}

/**
 * Tells a file from any other that has its name before or after it, also while neither is open. Never opens it.
 *
 * @returns `undefined` if there is no such file.
 */
export function birthOf(path: string): string | undefined {
  const stats = identifying(path)
  // The inode of a removed file is given to the next one. On Windows it is not, because it counts the files that had it.
  return stats && `${stats.dev}:${stats.ino}${posix ? `:${stats.birthtimeNs}` : ''}`
}

function identifying(path: string): BigIntStats | undefined {
  try {
    return lstatSync(path, { bigint: true, throwIfNoEntry: false })
  } catch (error) {
    throw unusable(path, 'cannot be looked at', error)
  }
}

/**
 * Stats of the folder, or of the target if the folder is a link of root's, or any link on Windows.
 *
 * @throws {StoreUnusable} it is any other link
 */
export function folderStats({ folder }: Pick<StorePaths, 'folder'>): Stats | undefined {
  const stats = lstatOf(folder)
  if (stats?.isSymbolicLink() !== true) return stats
  try {
    // On Windows a folder of the profile may be a junction, and the rights are asked of the system.
    return posix ? throughLink(folder, stats) : statSync(folder)
  } catch (error) {
    throw unusable(folder, 'is a link that leads nowhere', error)
  }
}

/**
 * Whether there is a database, of which nobody else can have written a byte. Opens no database whose permissions
 * are right.
 *
 * @throws {StoreUnusable}
 */
export function isThere(paths: Pick<StorePaths, 'folder' | 'database'>, kind?: FileKind): boolean {
  const { folder, database } = paths
  const around = folderStats(paths)
  if (around === undefined) return false
  checkOwn(folder, around, 'folder', database)
  const stats = lstatOf(database)
  if (stats === undefined) return false
  checkOwn(database, stats, 'file')
  const journal = lstatOf(`${database}-journal`)
  if (journal !== undefined) checkOwn(`${database}-journal`, journal, 'file', database)
  if (stats.size === 0) throw damaged(database, 'a file of no bytes', { kind })
  return true
}

/**
 * Refuses a file or folder that others could have written or could read, as `ssh` does for its keys, and one that
 * we may not read, because SQLite would only say that it cannot open it.
 *
 * @param database The database of the store, for the hint: it suggests no change to a file that is no store of
 *   ours.
 * @throws {StoreUnusable}
 */
export function checkOwn(
  path: string,
  stats: Stats,
  kind: 'file' | 'folder',
  database = path,
  platform = process.platform,
): void {
  checkKind(path, stats, kind)
  // Windows has neither an owner nor a mode in the stats.
  if (platform === 'win32') return
  const me = process.geteuid?.()
  if (stats.uid !== me && stats.uid !== 0)
    throw new StoreUnusable(`${path} belongs to another user (uid ${stats.uid})`, {
      hint:
        me === 0
          ? `run as that user: sudo -u '#${stats.uid}' hq-token …; or name another [store] path`
          : 'run as that user, or name another [store] path',
    })
  if (kind === 'file' ? (stats.mode & 0o077) !== 0 : (stats.mode & 0o022) !== 0)
    throw new StoreUnusable(
      `${path} can be ${kind === 'file' ? 'read or written' : 'written'} by others (mode ${(stats.mode & 0o7777).toString(8)})`,
      { hint: kind === 'file' ? closeFile(path, database) : closeFolder(path, stats, database) },
    )
  if (kind === 'file') checkAccess(path, stats, 'read')
}

/**
 * Refuses what is no file, or no folder, and a second name: it would have a lock of its own.
 *
 * @throws {StoreUnusable}
 */
function checkKind(path: string, stats: Stats, kind: 'file' | 'folder'): void {
  if (kind === 'file' ? !stats.isFile() : !stats.isDirectory())
    throw new StoreUnusable(...ofAnotherKind(path, stats, kind))
  if (kind === 'file' && stats.nlink > 1)
    throw new StoreUnusable(`${path} has a second name (a hard link)`, {
      hint: 'copy it to a name of its own, or name another [store] path',
    })
}

/** A folder is what people name most often in the place of a file in it. */
function ofAnotherKind(
  path: string,
  stats: Stats,
  kind: 'file' | 'folder',
): ConstructorParameters<typeof StoreUnusable> {
  if (kind === 'folder' || !stats.isDirectory())
    return [
      `${path} is not a ${kind} of its own`,
      { hint: `name another [store] path; what is there shows: ${hints.rights(path)}` },
    ]
  const inside = shellWord(join(path, 'hq-token', 'token.db'))
  return [
    `${path} is a folder, and the store is a file`,
    { hint: `name a file in it: [store] path, or HQ_TOKEN_STORE=${inside}` },
  ]
}

function closeFile(path: string, database: string): string {
  return isKnown(database)
    ? `chmod 600 ${shellWord(path)}`
    : 'name another [store] path: no store of hq-token is there'
}

/** The hint for an open folder. It does not move an existing store, because another path costs the grant. */
function closeFolder(folder: string, { uid, mode }: Stats, database: string): string {
  const isSticky = (mode & 0o1000) !== 0
  if (isKnown(database)) {
    if (uid === process.geteuid?.() && !isSticky) return `chmod 700 ${shellWord(folder)}`
    return `move the store, ${shellWord(database)} with the files beside it, to a folder of your own and name it: [store] path; an empty one would need a login`
  }
  const inside = join(folder, 'hq-token', basename(database))
  return isSticky || (mode & 0o002) !== 0
    ? 'name a [store] path in a folder of your own'
    : `name a [store] path in a folder of your own, such as one in it: HQ_TOKEN_STORE=${shellWord(inside)}`
}

function isKnown(database: string): boolean {
  try {
    return lstatOf(database)?.isFile() === true && isStore(database)
  } catch (error) {
    return isBusy(error)
  }
}

/**
 * Refuses a lock file that may only be read: SQLite would open it for reading, and every process would get the
 * lock.
 *
 * @throws {StoreUnusable}
 */
export function checkLockable({ lock, database }: StorePaths, stats: Stats): void {
  checkOwn(lock, stats, 'file', database)
  checkAccess(lock, stats, 'written')
}

function checkAccess(path: string, { uid, mode }: Stats, what: 'read' | 'written'): void {
  try {
    accessSync(path, what === 'read' ? constants.R_OK : constants.W_OK)
  } catch (error) {
    if (errnoOf(error) !== 'EACCES') {
      // Ignore a file that was removed meanwhile, because opening it finds that out.
      if (what === 'read' || errnoOf(error) === 'ENOENT') return
      throw unusable(path, 'cannot be written', error)
    }
    const me = process.geteuid?.() ?? uid
    const word = shellWord(path)
    throw new StoreUnusable(
      `${path} cannot be ${what}: it belongs to ${uid === me ? 'you' : 'root'}, mode ${(mode & 0o777).toString(8).padStart(3, '0')}`,
      {
        hint: `${hints.rights(path)}; ${uid === me ? `chmod 600 ${word}` : `as root: chown ${me} ${word}`}`,
        cause: error,
      },
    )
  }
}

/** Tells about a damaged file. */
export interface FileKind {
  /** Whether a database of other hosts has all that the file has. */
  readonly isCopy?: boolean
}

export function damaged(
  database: string,
  what: string,
  { kind, cause }: { readonly kind?: FileKind | undefined; readonly cause?: unknown } = {},
): StoreUnfit {
  if (kind?.isCopy === true)
    return new StoreUnfit(`${database} is damaged (${what})`, {
      hint: `remove it (${hints.remove(database)}): the database has the token set`,
      cause,
    })
  // Nothing shows that such a file was ever a store.
  const first = /NOTADB/.test(what) ? 'if it never was a store, name another [store] path; else ' : ''
  return new StoreUnfit(`${database} is damaged (${what})`, {
    hint: `the file was left as it is; ${first}move it away (${hints.move(database, `${database}.damaged`)}), then: hq-token login (or: hq-token seed FILE)`,
    cause,
  })
}

export function unusable(path: string, what: string, cause: unknown, hint?: string): TokenError {
  if (cause instanceof StoreUnusable) return cause
  // SQLite opens the journal too, and does not say which of the two it could not.
  const known = addonFault(cause) ?? heldOpen([path, `${path}-journal`], cause)
  if (known !== undefined) return known
  return new StoreUnusable(`${path} ${what} (${errnoOf(cause)})`, {
    hint: hint ?? `look at the disk and the permissions: ${rightsHint(path)}`,
    cause,
  })
}
