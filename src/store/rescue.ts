import { createHash, randomBytes } from 'node:crypto'
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
  realpathSync,
  statfsSync,
  statSync,
  type Stats,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import type { Notice, RawAnswer, Rescued, RescueFile } from '../core/ports.js'
import {
  checkOwn,
  codeOf,
  createPrivate,
  createWhole,
  lstatOf,
  NO_FOLLOW,
  removeIfThere,
  syncFolder,
  unusable,
  writeFully,
  type StorePaths,
} from './files.js'

/** Allocated before anything is spent: most answers then fit without a new block. */
const PREALLOCATED = 64 * 1024
/** Answers that nobody could read pile up no further than this. */
const LIMIT = 8 * 1024 * 1024
const TRIES = 3

/**
 * The server's answers, on disk before anybody reads them: `token.rescue`, opened and sized before
 * the request leaves, then one write and one `fdatasync` for each answer.
 *
 * Records follow one another until they are scrubbed, each with its length and SHA-256, so that a
 * half-written one is recognised. Should the store's file system fail, the answer goes as a last
 * copy to another one.
 */
export class Rescue implements RescueFile {
  readonly #path: string
  readonly #notify: (notice: Notice) => void
  readonly #lastCopies: LastCopies
  readonly #fd: number
  #end: number
  /** Where the newest record begins. */
  #newest: number
  #used: boolean

  /** Under the store's lock only. @throws {StoreUnusable} */
  constructor(paths: StorePaths, env: NodeJS.ProcessEnv, notify: (notice: Notice) => void) {
    this.#path = paths.rescue
    this.#notify = notify
    const stats = lstatOf(this.#path)
    if (stats === undefined) createWhole(this.#path, new Uint8Array(PREALLOCATED))
    else checkOwn(this.#path, stats, 'file', paths.database)
    this.#lastCopies = new LastCopies(paths, env)
    try {
      this.#fd = openSync(this.#path, constants.O_RDWR | NO_FOLLOW)
    } catch (error) {
      throw unusable(this.#path, 'cannot be opened for writing', error)
    }
    try {
      const content = this.#content()
      // Behind what is there: it may be a record.
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
        return [...parse(this.#content()).records, ...this.#lastCopies.records()]
      } catch (error) {
        // What cannot be read may be the only copy of a pair: nothing may be spent before it is.
        throw unusable(this.#path, 'or a last copy of it cannot be read', error)
      }
    })
  }

  keep(record: Rescued): Promise<void> {
    const bytes = serialize(record)
    // The oldest are the likeliest to hold a pair: the newest gives way.
    const position = this.#end + bytes.byteLength > LIMIT ? this.#newest : this.#end
    this.#used = true
    try {
      insist(() => {
        writeFully(this.#fd, bytes, position)
        fdatasyncSync(this.#fd)
      })
      this.#newest = position
      this.#end = position + bytes.byteLength
      return Promise.resolve()
    } catch (error) {
      return this.#keepElsewhere(bytes, error)
    }
  }

  scrub(): Promise<void> {
    this.#lastCopies.remove()
    if (this.#used) {
      try {
        this.#overwrite(Math.max(fstatSync(this.#fd).size, PREALLOCATED))
        this.#end = this.#newest = 0
        this.#used = false
      } catch {
        // A record of an older generation is not looked at again.
      }
    }
    return Promise.resolve()
  }

  /**
   * As `scrub`, and nothing may be left: for when the grant is forgotten.
   *
   * @throws {StoreUnusable}
   */
  erase(): void {
    try {
      this.#lastCopies.remove()
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
      // What it kept was synced long before; the handle goes with the process.
    }
  }

  #keepElsewhere(bytes: Uint8Array, cause: unknown): Promise<void> {
    const copy = this.#lastCopies.write(bytes)
    if (copy === undefined) return Promise.reject(unusable(this.#path, 'cannot be written', cause))
    this.#notify({
      level: 'warning',
      message: `${this.#path} cannot be written; the server’s answer is kept in ${copy} instead`,
      hint: 'mend the disk and run `hq-token get` again before this machine restarts: it takes the answer up',
    })
    return Promise.resolve()
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

/** @see statfs(2), TMPFS_MAGIC */
const TMPFS = 0x01021994

/** Copies on other file systems than the store's, for when that one fails after the token was spent. */
class LastCopies {
  readonly #folders: readonly string[]
  readonly #prefix: string
  readonly #device: number

  constructor(paths: StorePaths, env: NodeJS.ProcessEnv) {
    // However the way to it is written.
    const place = join(realpathSync(paths.folder), basename(paths.database))
    const store = createHash('sha256').update(place).digest('hex').slice(0, 16)
    this.#prefix = `hq-token-${process.geteuid?.() ?? 0}-${store}-`
    this.#device = statSync(paths.folder).dev
    // The same for a login shell and for cron, which has no XDG_RUNTIME_DIR; that one goes at logout.
    const known = [
      '/var/tmp',
      '/dev/shm',
      tmpdir(),
      `/run/user/${process.geteuid?.() ?? 0}`,
      env['XDG_RUNTIME_DIR'],
    ]
    this.#folders = [...new Set(known)]
      .filter((folder) => folder !== undefined)
      .filter((folder) => existsSync(folder))
  }

  /** @returns Where it is, or `undefined` where no place took it. */
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
      try {
        syncFolder(folder)
      } catch {
        // The bytes are there; only a power cut at this moment could lose their name.
      }
      return path
    }
    return undefined
  }

  records(): Rescued[] {
    return this.#paths().flatMap((path) => {
      const stats = lstatOf(path)
      // Of another user: anybody may put a file there.
      if (stats === undefined || !isOurs(stats)) return []
      checkOwn(path, stats, 'file')
      return parse(readFileSync(path)).records
    })
  }

  remove(): void {
    for (const path of this.#paths()) removeIfThere(path)
  }

  /** One that could not be removed, if any. */
  left(): string | undefined {
    return this.#paths()[0]
  }

  #paths(): string[] {
    return this.#folders.flatMap((folder) => {
      try {
        return readdirSync(folder)
          .filter((name) => name.startsWith(this.#prefix))
          .map((name) => join(folder, name))
      } catch (error) {
        if (['ENOENT', 'ENOTDIR', 'EACCES'].includes(codeOf(error))) return []
        throw error
      }
    })
  }

  /** Another disk, another file system that goes with the power, the same that has just failed. */
  #rank(folder: string): number {
    try {
      if (statSync(folder).dev === this.#device) return 2
      return statfsSync(folder).type === TMPFS ? 1 : 0
    } catch {
      return 2
    }
  }
}

/**
 * What is kept and waits to be taken up. Makes and changes nothing, and needs no lock.
 *
 * @throws {StoreUnusable}
 */
export function keptRecords(paths: StorePaths, env: NodeJS.ProcessEnv): readonly Rescued[] {
  try {
    const stats = lstatOf(paths.rescue)
    if (stats !== undefined) checkOwn(paths.rescue, stats, 'file', paths.database)
    const own = stats === undefined ? [] : parse(readFileSync(paths.rescue)).records
    return [...own, ...new LastCopies(paths, env).records()]
  } catch (error) {
    throw unusable(paths.rescue, 'or a last copy of it cannot be read', error)
  }
}

function isOurs({ uid }: Stats): boolean {
  return uid === (process.geteuid?.() ?? uid)
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

/** One line of JSON, then the bytes of the body, then a line end. */
function serialize({ answer, ...about }: Rescued): Uint8Array {
  const { body, ...head } = answer
  const line = JSON.stringify({ ...about, answer: head, length: body.byteLength, sha256: sha256(body) })
  return Buffer.concat([Buffer.from(`${line}\n`), body, Buffer.from('\n')])
}

function parse(content: Buffer): { records: Rescued[]; end: number; newest: number } {
  const records: Rescued[] = []
  let end = 0
  let newest = 0
  for (;;) {
    const lineEnd = content.indexOf(0x0a, end)
    if (content[end] !== 0x7b || lineEnd === -1) return { records, end, newest }
    const record = parseRecord(content.subarray(end, lineEnd), content.subarray(lineEnd + 1))
    if (record === undefined) return { records, end, newest }
    records.push(record)
    newest = end
    end = lineEnd + 1 + record.answer.body.byteLength + 1
  }
}

function parseRecord(line: Buffer, rest: Buffer): Rescued | undefined {
  try {
    const {
      length,
      sha256: digest,
      answer,
      ...about
    } = JSON.parse(line.toString('utf8')) as Omit<Rescued, 'answer'> & {
      length: number
      sha256: string
      answer: Omit<RawAnswer, 'body'>
    }
    const body = Uint8Array.from(rest.subarray(0, length))
    return sha256(body) === digest ? { ...about, answer: { ...answer, body } } : undefined
  } catch {
    // A write that was cut off.
    return undefined
  }
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}
