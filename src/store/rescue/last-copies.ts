// Keeps last copies: the server's answers in other places than the store's folder, for the case that its file system
// fails after the token was spent. Another file system comes first. Interprets no answer.
import { createHash, randomBytes } from 'node:crypto'
import {
  closeSync,
  constants,
  existsSync,
  fdatasyncSync,
  fstatSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  type Stats,
} from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Rescued } from '../../core/store-ports.js'
import { errnoOf } from '../../platform/errno.js'
import { isTmpfs } from '../../platform/file-systems.js'
import { whileHeld } from '../../platform/held-files.js'
import { createPrivate, NO_FOLLOW, removeIfThere, syncFolder, writeFully } from '../../platform/files.js'
import { ownFolders } from '../../platform/profile.js'
import { lstatOf, type StorePaths } from '../files.js'
import { MAX_BYTES, recordsIn } from './records.js'

/** Windows has no O_NONBLOCK, although the types say so. */
const NO_WAIT = (constants.O_NONBLOCK as number | undefined) ?? 0

/** The last copies of one store. Write and remove them under the store's lock only. */
export class LastCopies {
  readonly #folders: readonly string[]
  readonly #prefix: string
  /** Includes the prefix of earlier versions, which depended on the case of the path as written. */
  readonly #prefixes: readonly string[]
  readonly #device: number | undefined
  #known: readonly string[] | undefined

  constructor(paths: StorePaths, env: NodeJS.ProcessEnv, folders = lastCopyFolders(env)) {
    this.#prefix = prefixFor(paths.place)
    this.#prefixes = [...new Set([this.#prefix, prefixFor(paths.oldPlace)])]
    this.#device = deviceOf(paths.folder)
    this.#folders = folders.filter((folder) => existsSync(folder))
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
    return this.#found().flatMap((path) => recordsIn(read(path)))
  }

  /** Removes the copies of which `isOver` holds for each record. */
  remove(isOver: (record: Rescued) => boolean = () => true): void {
    for (const path of this.#found()) if (recordsIn(read(path)).every(isOver)) removeIfThere(path)
    this.#known = undefined
  }

  /** A copy that cannot be removed, if there is one. */
  left(): string | undefined {
    // Remove once more, because a copy may have got a second name since they were listed.
    this.remove()
    return this.#found()[0]
  }

  /**
   * Remembers the copies until they are removed, because listing a flood of planted names takes time. Nobody else writes
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
      if (['ENOENT', 'ENOTDIR', 'EACCES', 'EPERM'].includes(errnoOf(error))) return []
      throw error
    }
  }

  /**
   * Whether a file can be one that `write` has made. Others are passed over, because anybody may put such a name
   * into a shared folder. A hard link, which others can make to a file of ours, does not disqualify it.
   */
  #isCopy(path: string): boolean {
    const stats = lstatOf(path)
    return stats?.isFile() === true && stats.size <= MAX_BYTES && isPrivate(stats)
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
  const fd = whileHeld(() => openSync(path, constants.O_RDONLY | NO_FOLLOW | NO_WAIT))
  try {
    const stats = fstatSync(fd)
    return stats.isFile() && isPrivate(stats) ? readFileSync(fd) : Buffer.alloc(0)
  } finally {
    closeSync(fd)
  }
}

/** @param place The store's real path, the same for all spellings. */
function prefixFor(place: string): string {
  const store = createHash('sha256').update(place).digest('hex').slice(0, 16)
  return `hq-token-${process.geteuid?.() ?? 0}-${store}-`
}

/**
 * The folders for last copies, of this system only: on Windows `/var/tmp` would be a folder of the current drive,
 * which anybody may create, and %TEMP% may be open to all, where no mode closes a file.
 */
export function lastCopyFolders(
  env: NodeJS.ProcessEnv,
  platform: NodeJS.Platform = process.platform,
  temporary = tmpdir(),
  home = homedir,
): readonly string[] {
  if (platform === 'win32') return ownFolders(temporary, { env, homedir: home })
  const uid = process.geteuid?.() ?? 0
  const known =
    platform === 'linux'
      ? // The fixed names come first, because a login shell and cron share them; cron has no XDG_RUNTIME_DIR, which
        // is removed at logout.
        ['/var/tmp', '/dev/shm', temporary, `/run/user/${uid}`, env['XDG_RUNTIME_DIR']]
      : ['/var/tmp', temporary, env['XDG_RUNTIME_DIR']]
  return [...new Set(known)].flatMap((folder) => (folder === undefined || folder === '' ? [] : [folder]))
}
