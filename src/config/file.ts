// Reads small files, and says in our words why one cannot be read. Writes none.
import {
  closeSync,
  constants,
  fstatSync,
  openSync,
  readFileSync,
  readlinkSync,
  statSync,
  type Stats,
} from 'node:fs'
import { devNull } from 'node:os'
import { dirname, resolve } from 'node:path'
import { noMoreFiles } from '../platform/errno.js'
import { heldOpen, whileHeld } from '../platform/held-files.js'
import type { ErrorDetails } from '../core/errors.js'
import { shellWord } from '../core/shell-quoting.js'
import { hints } from '../platform/hints.js'
import type { Notice } from '../core/ports.js'

/** Settings, seeds and secrets are small: a larger file is something else. */
export const MOST_BYTES = 1_048_576
export const TOO_LARGE = 'is larger than 1 MiB'

/** Says what is wrong with a file. Its readers turn it into their own error. */
export class FileProblem extends Error {
  /** Counted from 1; `null` if the message is about the file as a whole and follows its name. */
  readonly line: number | null
  readonly details: ErrorDetails

  constructor(message: string, line: number | null = null, hint?: string) {
    super(message)
    this.line = line
    this.details = hint === undefined ? {} : { hint }
  }

  /** `FILE does not exist`, or `FILE, line 3: access_token is empty`. */
  told(file: string): string {
    return this.line === null ? `${file} ${this.message}` : `${file}, line ${this.line}: ${this.message}`
  }
}

/** A file that exists but cannot be looked at counts as there, so that an error names it. */
export function isThere(path: string): boolean {
  try {
    statSync(path)
    return true
  } catch (error) {
    return asProblem(error).message !== ABSENT
  }
}

export interface OpenFile {
  readonly fd: number
  readonly stats: Stats
}

/**
 * Opens for reading without waiting, because `open` would wait for good on a named pipe without a writer.
 *
 * @throws {FileProblem | HeldOpen}
 */
export function openFile(path: string): OpenFile {
  try {
    // Windows has no O_NONBLOCK, whatever the types say.
    const flags = constants.O_RDONLY | ((constants.O_NONBLOCK as number | undefined) ?? 0)
    const fd = whileHeld(() => openSync(path, flags))
    return { fd, stats: fstatSync(fd) }
  } catch (error) {
    const held = heldOpen([path], error)
    if (held !== undefined) throw held
    const problem = asProblem(error)
    throw (problem.message === DENIED && denied(path)) || problem
  }
}

/**
 * Reads a regular file (or the null device, which is an empty one).
 *
 * @throws {FileProblem} if it is missing, unreadable, something else or larger than 1 MiB.
 */
export function readRegular(
  path: string,
  { fd, stats }: OpenFile = openFile(path),
): { bytes: Uint8Array; stats: Stats } {
  try {
    if (!stats.isFile()) {
      if (path === devNull) return { bytes: new Uint8Array(), stats }
      throw new FileProblem(stats.isDirectory() ? 'is a directory' : 'is not a regular file')
    }
    if (stats.size > MOST_BYTES) throw new FileProblem(TOO_LARGE)
    return { bytes: readFileSync(fd), stats }
  } catch (error) {
    throw asProblem(error)
  } finally {
    closeSync(fd)
  }
}

/**
 * Words an error of the file system, whose own message is not for people.
 *
 * @throws {StoreUnusable} if this process or machine may open no more files, because that is no fault of the file.
 */
export function asProblem(error: unknown): FileProblem {
  if (error instanceof FileProblem) return error
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown error'
  const full = noMoreFiles(error)
  if (full !== undefined) throw full
  return new FileProblem(REASONS[code] ?? `cannot be read (${code})`)
}

export const ABSENT = 'does not exist'
const DENIED = 'cannot be read: permission denied'
const REASONS: Readonly<Record<string, string>> = {
  ENOENT: ABSENT,
  ENOTDIR: ABSENT,
  EACCES: DENIED,
  EPERM: DENIED,
  EISDIR: 'is a directory',
  ENXIO: 'is not a regular file',
}

/** Says who owns the file, and how we come to read it; `undefined` if the system does not tell (Windows). */
function denied(path: string): FileProblem | undefined {
  const me = process.getuid?.()
  const barrier = barrierOn(path)
  if (me === undefined || barrier === undefined) return undefined
  const { place, stats } = barrier
  const { mode, uid } = stats
  const what = stats.isDirectory() ? `the folder ${place}` : 'it'
  const owner = uid === me ? 'you' : uid === 0 ? 'root' : `another user (uid ${uid})`
  const bits = (mode & 0o7777).toString(8).padStart(3, '0')
  return new FileProblem(
    `${DENIED}; ${what} belongs to ${owner}, mode ${bits}`,
    null,
    `${hints.rights(place)}; ${wayThrough(place, stats, me)}`,
  )
}

function wayThrough(place: string, stats: Stats, me: number): string {
  const word = shellWord(place)
  if (stats.uid === me) return `chmod ${stats.isDirectory() ? 700 : 600} ${word}`
  if (stats.isDirectory()) return 'run as that user, or keep the file in a folder of your own'
  // Who may read a disk may read all that is on it.
  if (!stats.isFile()) return 'name a regular file'
  if (stats.uid === 0) return makePrivate(place, stats)
  // Root that may not read it lacks that power (in a container). A user's file must not become root's.
  if (me === 0) return `run as that user: sudo -u '#${stats.uid}' hq-token …`
  return `run as that user, or make it yours, as root: chown ${me} ${word}`
}

/** The file itself, or the last folder on the way to it that can be looked at. */
function barrierOn(path: string): { readonly place: string; readonly stats: Stats } | undefined {
  const target = linkedFrom(path)
  if (target !== undefined) return barrierOn(target)
  try {
    return { place: path, stats: statSync(path) }
  } catch {
    const folder = dirname(path)
    return folder === path ? undefined : barrierOn(folder)
  }
}

function linkedFrom(path: string): string | undefined {
  try {
    return resolve(dirname(path), readlinkSync(path))
  } catch {
    return undefined
  }
}

export interface Exposure {
  readonly read: boolean
  readonly write: boolean
}

/**
 * The rights of people other than the owner to a file, by its permission bits. The group counts only for a file of
 * our own, because a file of root's that is shared with our group is a normal deployment.
 *
 * @param self The user that runs this program; `undefined` if there are no permission bits (Windows).
 */
export function exposure(
  { mode, uid }: Pick<Stats, 'mode' | 'uid'>,
  self: number | undefined = process.getuid?.(),
): Exposure {
  const isDevice = (mode & constants.S_IFMT) === constants.S_IFCHR
  if (self === undefined || isDevice) return { read: false, write: false }
  const readers = uid === self ? mode & 0o044 : mode & 0o004
  return { read: readers !== 0, write: (mode & 0o022) !== 0 }
}

/** The warning about a file that should be private and is not. */
export function exposureNotices(
  path: string,
  { read, write }: Exposure,
  owner: Pick<Stats, 'uid'>,
): Notice[] {
  if (!read && !write) return []
  const verbs = [...(read ? ['read'] : []), ...(write ? ['changed'] : [])].join(' and ')
  return [{ level: 'warning', message: `${path} can be ${verbs} by others`, hint: makePrivate(path, owner) }]
}

/**
 * The command that makes a file private, to be pasted into a shell. A file of another user (root, for example)
 * stays theirs, because we could not read it with 600.
 *
 * @param self The user that runs this program; `undefined` if there are no permission bits (Windows).
 */
export function makePrivate(
  path: string,
  { uid }: Pick<Stats, 'uid'>,
  self: number | undefined = process.getuid?.(),
  group: number | undefined = process.getgid?.(),
): string {
  const file = shellWord(path)
  if (self === uid || self === 0 || self === undefined || group === undefined) return `chmod 600 ${file}`
  return `as root: chgrp ${group} ${file} && chmod 640 ${file}`
}
