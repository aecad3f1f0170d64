// Keeps the server's answers on disk before anything reads them. Interprets no answer.
import { randomBytes } from 'node:crypto'
import {
  closeSync,
  constants,
  existsSync,
  fdatasyncSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  statSync,
  type Stats,
} from 'node:fs'
import { join } from 'node:path'
import type { Notice } from '../../core/ports.js'
import type { Rescued, RescueFile } from '../../core/store-ports.js'
import { isTmpfs } from '../../platform/file-systems.js'
import { errnoOf } from '../../platform/errno.js'
import { createPrivate, NO_FOLLOW, removeIfThere, syncFolder, writeFully } from '../../platform/files.js'
import { checkOwn, createWhole, lstatOf, unusable, type StorePaths } from '../files.js'
import { lastCopyFolders, prefixFor } from './last-copies.js'
import { OldRescue } from './old-rescue-file.js'
import { parse, serialize } from './records.js'

/** Bytes allocated before anything is spent, so that most answers fit without a new block. */
const PREALLOCATED = 64 * 1024
/** Bytes that unreadable answers may take up. */
const LIMIT = 8 * 1024 * 1024
const TRIES = 3
/** Windows has no O_NONBLOCK, although the types say so. */
const NO_WAIT = (constants.O_NONBLOCK as number | undefined) ?? 0

/**
 * Keeps the server's answers on disk before anybody reads them. `token.rescue` is opened and sized before the
 * request leaves; each answer is one write and one `fdatasync`.
 *
 * Records are appended until they are scrubbed. Each has its length and SHA-256, so that a half-written one is
 * recognised. If the store's file system fails, the answer goes to another one as a last copy.
 */
export class Rescue implements RescueFile {
  readonly #path: string
  readonly #notify: (notice: Notice) => void
  readonly #lastCopies: LastCopies
  readonly #old: OldRescue
  readonly #fd: number
  #end: number
  /** Where the newest record begins. */
  #newest: number
  #used: boolean

  /** Call it under the store's lock only. @throws {StoreUnusable} */
  constructor(paths: StorePaths, env: NodeJS.ProcessEnv, notify: (notice: Notice) => void) {
    this.#path = paths.rescue
    this.#notify = notify
    const stats = lstatOf(this.#path)
    if (stats === undefined) createWhole(this.#path, new Uint8Array(PREALLOCATED))
    else checkOwn(this.#path, stats, 'file', paths.database)
    this.#lastCopies = new LastCopies(paths, env)
    this.#old = new OldRescue(paths)
    try {
      this.#fd = openSync(this.#path, constants.O_RDWR | NO_FOLLOW)
    } catch (error) {
      throw unusable(this.#path, 'cannot be opened for writing', error)
    }
    try {
      const content = this.#content()
      // Append the padding, because the content may be a record.
      const missing = PREALLOCATED - content.byteLength
      if (missing > 0) {
        writeFully(this.#fd, new Uint8Array(missing), content.byteLength)
        fsyncSync(this.#fd)
      }
      const { end, newest } = parse(content)
      this.#end = end
      this.#newest = newest
      this.#used = content.some((byte) => byte !== 0)
    } catch (error) {
      closeSync(this.#fd)
      throw unusable(this.#path, 'cannot be used', error)
    }
  }

  records(): Promise<readonly Rescued[]> {
    return Promise.resolve().then(() => {
      try {
        return [...parse(this.#content()).records, ...this.#old.records(), ...this.#lastCopies.records()]
      } catch (error) {
        // Nothing may be spent while a record cannot be read, because it may be the only copy of a pair.
        throw unusable(this.#path, 'or a last copy of it cannot be read', error)
      }
    })
  }

  keep(record: Rescued): Promise<void> {
    const bytes = serialize(record)
    // Overwrite the newest record if the file is full, because the oldest are the likeliest to hold a pair.
    const position = this.#end + bytes.byteLength > LIMIT ? this.#newest : this.#end
    this.#used = true
    try {
      insist(() => {
        writeFully(this.#fd, bytes, position)
        fdatasyncSync(this.#fd)
      })
      if (!this.#isInPlace()) throw new Removed()
      this.#newest = position
      this.#end = position + bytes.byteLength
      return Promise.resolve()
    } catch (error) {
      return this.#keepElsewhere(bytes, error)
    }
  }

  scrub(): Promise<void> {
    this.#lastCopies.remove()
    try {
      this.#old.remove()
    } catch {
      // Ignore it, as below.
    }
    if (this.#used) {
      try {
        this.#overwrite(Math.max(fstatSync(this.#fd).size, PREALLOCATED))
        this.#end = this.#newest = 0
        this.#used = false
      } catch {
        // Ignore it: a record of an older generation is not used again.
      }
    }
    return Promise.resolve()
  }

  /**
   * Like `scrub`, but nothing may be left, because the grant is forgotten.
   *
   * @throws {StoreUnusable}
   */
  erase(): void {
    try {
      this.#lastCopies.remove()
      this.#old.remove()
      this.#overwrite(Math.max(fstatSync(this.#fd).size, PREALLOCATED))
      this.#end = this.#newest = 0
      this.#used = false
    } catch (error) {
      throw unusable(this.#path, 'cannot be overwritten, and may hold a token', error)
    }
    const left = this.#lastCopies.left()
    if (left !== undefined) throw unusable(left, 'cannot be removed, and may hold a token', undefined)
  }

  close(): void {
    try {
      closeSync(this.#fd)
    } catch {
      // Ignore it: the records were synced long before, and the handle ends with the process.
    }
  }

  #keepElsewhere(bytes: Uint8Array, cause: unknown): Promise<void> {
    const copy = this.#lastCopies.write(bytes)
    if (copy === undefined) return Promise.reject(unusable(this.#path, 'cannot be written', cause))
    const isGone = cause instanceof Removed
    this.#notify({
      level: 'warning',
      message: `${this.#path} ${isGone ? 'was removed or replaced' : 'cannot be written'}; the server’s answer is kept in ${copy} instead`,
      hint: `${isGone ? '' : 'repair the disk and '}run \`hq-token get\` again before this machine restarts: it uses the answer`,
    })
    return Promise.resolve()
  }

  /**
   * Whether the name still leads to this file: if a restored backup has taken the name, nobody would find the
   * answer.
   */
  #isInPlace(): boolean {
    const [now, mine] = [lstatOf(this.#path), fstatSync(this.#fd)]
    return now?.dev === mine.dev && now.ino === mine.ino
  }

  #content(): Buffer {
    const content = Buffer.alloc(fstatSync(this.#fd).size)
    const length = readSync(this.#fd, content, 0, content.byteLength, 0)
    return content.subarray(0, length)
  }

  #overwrite(length: number): void {
    writeFully(this.#fd, new Uint8Array(length), 0)
    ftruncateSync(this.#fd, PREALLOCATED)
    fdatasyncSync(this.#fd)
  }
}

/** The name leads to another file, or to none. */
class Removed extends Error {}

/** Copies on other file systems than the store's, for the case that its own fails after the token was spent. */
class LastCopies {
  readonly #folders: readonly string[]
  readonly #prefix: string
  /** Includes the prefix of earlier versions, which depended on the case of the path as written. */
  readonly #prefixes: readonly string[]
  readonly #device: number | undefined
  #known: readonly string[] | undefined

  constructor(paths: StorePaths, env: NodeJS.ProcessEnv) {
    this.#prefix = prefixFor(paths.place)
    this.#prefixes = [...new Set([this.#prefix, prefixFor(paths.oldPlace)])]
    this.#device = deviceOf(paths.folder)
    this.#folders = lastCopyFolders(env).filter((folder) => existsSync(folder))
  }

  /** @returns The path, or `undefined` if no place took the copy. */
  write(bytes: Uint8Array): string | undefined {
    const ranked = [...this.#folders].sort((a, b) => this.#rank(a) - this.#rank(b))
    for (const folder of ranked) {
      const path = join(folder, `${this.#prefix}${randomBytes(6).toString('hex')}.rescue`)
      try {
        const fd = createPrivate(path)
        try {
          writeFully(fd, bytes, 0)
          fdatasyncSync(fd)
        } finally {
          closeSync(fd)
        }
      } catch {
        removeIfThere(path)
        continue
      }
      this.#known = this.#known && [...this.#known, path]
      try {
        syncFolder(folder)
      } catch {
        // Ignore it: the bytes are written, and only a power cut at this moment could lose their name.
      }
      return path
    }
    return undefined
  }

  records(): Rescued[] {
    return this.#found().flatMap((path) => parse(read(path)).records)
  }

  remove(): void {
    for (const path of this.#found()) removeIfThere(path)
    this.#known = undefined
  }

  /** A copy that cannot be removed, if there is one. */
  left(): string | undefined {
    // Remove once more, because a copy may have got a second name since they were listed.
    this.remove()
    return this.#found()[0]
  }

  /**
   * Lists the copies once in a critical section, because a flood of planted names takes time. Nobody else writes
   * last copies of this store under the lock.
   */
  #found(): readonly string[] {
    this.#known ??= this.#folders.flatMap((folder) => this.#copiesIn(folder))
    return this.#known
  }

  #copiesIn(folder: string): string[] {
    try {
      return readdirSync(folder)
        .filter((name) => this.#prefixes.some((prefix) => name.startsWith(prefix)))
        .map((name) => join(folder, name))
        .filter((path) => this.#isCopy(path))
    } catch (error) {
      if (['ENOENT', 'ENOTDIR', 'EACCES'].includes(errnoOf(error))) return []
      throw error
    }
  }

  /**
   * Whether a file can be one that `write` has made. Others are passed over, because anybody may put such a name
   * into a shared folder. A hard link, which others can make to a file of ours, does not disqualify it.
   */
  #isCopy(path: string): boolean {
    const stats = lstatOf(path)
    return stats?.isFile() === true && stats.size <= LIMIT && isPrivate(stats)
  }

  /** Prefers another disk, then a file system in memory, and last the one that has just failed. */
  #rank(folder: string): number {
    try {
      if (statSync(folder).dev === this.#device) return 2
      return isTmpfs(folder) ? 1 : 0
    } catch {
      return 2
    }
  }
}

function deviceOf(folder: string): number | undefined {
  try {
    return statSync(folder).dev
  } catch {
    // Ignore the error: any other place is as good.
    return undefined
  }
}

/**
 * The records that wait to be taken up. Creates and changes nothing, and needs no lock.
 *
 * @throws {StoreUnusable}
 */
export function keptRecords(paths: StorePaths, env: NodeJS.ProcessEnv): readonly Rescued[] {
  try {
    const stats = lstatOf(paths.rescue)
    if (stats !== undefined) checkOwn(paths.rescue, stats, 'file', paths.database)
    const own = stats === undefined ? [] : parse(readFileSync(paths.rescue)).records
    return [...own, ...new OldRescue(paths).records(), ...new LastCopies(paths, env).records()]
  } catch (error) {
    throw unusable(paths.rescue, 'or a last copy of it cannot be read', error)
  }
}

/** Whether nobody else can have read or written the file. Windows has no owners or modes to tell. */
function isPrivate({ uid, mode }: Stats): boolean {
  const me = process.geteuid?.()
  return me === undefined || (uid === me && (mode & 0o077) === 0)
}

/**
 * Reads a copy, but never through a link and without waiting, because another file may have taken its name
 * meanwhile.
 */
function read(path: string): Buffer {
  const fd = openSync(path, constants.O_RDONLY | NO_FOLLOW | NO_WAIT)
  try {
    const stats = fstatSync(fd)
    return stats.isFile() && isPrivate(stats) ? readFileSync(fd) : Buffer.alloc(0)
  } finally {
    closeSync(fd)
  }
}

function insist(write: () => void): void {
  for (let tries = 1; ; tries++) {
    try {
      write()
      return
    } catch (error) {
      if (tries === TRIES) throw error
    }
  }
}
