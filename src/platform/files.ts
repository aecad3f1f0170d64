// The steps that all writers of files share on this machine. Throws the system's own errors: each adapter words them.
import {
  chmodSync,
  closeSync,
  constants,
  fchmodSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  renameSync,
  statSync,
  type Stats,
  unlinkSync,
  writeSync,
} from 'node:fs'
import { dirname } from 'node:path'
import type { ErrorDetails } from '../core/errors.js'
import type { Notice } from '../core/ports.js'
import { thisSystem } from './access-control.js'
import { assertClosed, makeClosed } from './closed-folder.js'
import { errnoOf } from './errno.js'
import { whileHeld } from './held-files.js'
import { hints } from './hints.js'

const posix = process.platform !== 'win32'

export const NO_FOLLOW = posix ? constants.O_NOFOLLOW : 0

/**
 * Makes a folder and those above it, 0700 whatever the umask, and their names durable. On Windows it is open to the user,
 * the administrators and the system only.
 *
 * @param tell Receives the warning that a folder could not be closed and is only as private as the user's profile.
 * @throws {NotClosed} on Windows, where it could not be closed outside the profile
 */
export function makeFolder(folder: string, tell?: (notice: Notice) => void, system = thisSystem): void {
  if (isThere(folder)) return
  if (system.platform === 'win32') {
    makeClosed(folder, tell, system)
    return
  }
  const parent = dirname(folder)
  if (parent !== folder) makeFolder(parent, tell, system)
  try {
    mkdirSync(folder, { mode: 0o700 })
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') return
    throw error
  }
  chmodSync(folder, 0o700)
  syncFolder(parent)
}

/**
 * Makes a folder that is to take a secret, if it is missing. One that is there is judged on Windows; elsewhere the modes of a file
 * are its own.
 *
 * @param isReadingMeant Others may read what the folder gets.
 * @throws {NotClosed}
 */
export function ensureOwnFolder(
  folder: string,
  tell: (notice: Notice) => void,
  { system = thisSystem, isReadingMeant = false } = {},
): void {
  if (system.platform !== 'win32' || !isThere(folder)) {
    makeFolder(folder, tell, system)
    return
  }
  const warning = assertClosed(folder, system, isReadingMeant)
  if (warning !== undefined) tell(warning)
}

function isThere(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined
}

/**
 * Whether what was told of a name is of an open file. On Windows the volume is left out: some versions of Node number it in
 * another way by name than by handle, and the number of a file has more digits than a number here.
 *
 * @see https://github.com/libuv/libuv/pull/4698
 */
export function isOfOpen(
  named: Stats | undefined,
  open: Stats,
  platform: NodeJS.Platform = process.platform,
): boolean {
  const second = platform === 'win32' ? 'birthtimeMs' : 'dev'
  return named?.ino === open.ino && named[second] === open[second]
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
 * Does the same for a new file that is in place already, where a name that cannot be made durable is no failure any
 * more.
 */
export function syncName(folder: string): void {
  try {
    syncFolder(folder)
  } catch {
    // The folder may not be read, or its file system cannot sync a folder.
  }
}

/** Makes a new file, 0600 whatever the umask; fails if there is one. The caller closes the handle. */
export function createPrivate(path: string): number {
  const flags = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL
  const fd = whileHeld(() => openSync(path, flags | NO_FOLLOW, 0o600), { creates: true })
  if (posix) fchmodSync(fd, 0o600)
  return fd
}

/**
 * Puts a new file in place whole or not at all, 0600 from its first instant, by way of `PATH.new`. Call it under a
 * lock: it is for one writer at a time.
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
    whileHeld(() => {
      renameSync(draft, path)
    })
    syncFolder(dirname(path))
  } catch (error) {
    removeIfThere(draft)
    throw error
  }
}

export function writeFully(fd: number, bytes: Uint8Array, position: number): void {
  for (let done = 0; done < bytes.byteLength;) {
    done += writeSync(fd, bytes, done, bytes.byteLength - done, position + done)
  }
}

export function removeIfThere(path: string): void {
  try {
    unlinkSync(path)
  } catch {
    // There was no such file.
  }
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

/** The commands that show who may write a path: a file with its folder, or the part of the way to it that exists. */
export function rightsHint(path: string): string {
  const place = nearest(path)
  const isFolder = lstatSync(place, { throwIfNoEntry: false })?.isDirectory() === true
  const places = isFolder || dirname(place) === place ? [place] : [dirname(place), place]
  return hints.inTurn(hints.rights(...places), hints.room(place))
}

/** Says why root makes nothing in a folder, or in the next existing one above it; see `notForRoot`. */
export function ofForeignFolder(folder: string, instead: string): ReturnType<typeof notForRoot> {
  const place = nearest(folder)
  return notForRoot(place, statSync(place, { throwIfNoEntry: false })?.uid ?? 0, instead)
}

/**
 * Says why root makes nothing in a folder of another user: `sudo -E` and an old `su` leave root with a user's HOME,
 * and what root makes there is closed to that user from then on.
 *
 * @param owner The owner of the folder.
 * @param instead How another place is named.
 * @param self The user that runs this program; `undefined` if there are no users (Windows).
 * @returns The message and the hint; `undefined` if nothing stands against it.
 */
export function notForRoot(
  folder: string,
  owner: number,
  instead: string,
  self: number | undefined = process.geteuid?.(),
): [message: string, details: ErrorDetails] | undefined {
  if (self !== 0 || owner === 0) return undefined
  return [
    `${folder} belongs to another user (uid ${owner}), and this process is root: hq-token creates nothing there`,
    {
      hint: `run as that user: sudo -u '#${owner}' hq-token …; with root’s own home: sudo -H hq-token …; or name another place: ${instead}`,
    },
  ]
}
