// Keeps the server's answers on disk before anything reads them. Interprets no answer.
import {
  closeSync,
  constants,
  fdatasyncSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readFileSync,
  readSync,
} from 'node:fs'
import type { Notice } from '../../core/ports.js'
import type { Rescued, RescueFile } from '../../core/store-ports.js'
import { whileHeld } from '../../platform/held-files.js'
import { isOfOpen, NO_FOLLOW, writeFully } from '../../platform/files.js'
import { checkOwn, createWhole, lstatOf, unusable, type StorePaths } from '../files.js'
import { LastCopies } from './last-copies.js'
import { OldRescue } from './old-rescue-file.js'
import { MAX_BYTES, parse, recordsIn, serialize, type Placed } from './records.js'

/** Bytes allocated before anything is spent, so that most answers fit without a new block. */
const PREALLOCATED = 64 * 1024
const TRIES = 3

/**
 * Keeps the server's answers on disk before anybody reads them. `token.rescue` is opened and sized before the
 * request leaves; each answer is one write and one `fdatasync`.
 *
 * Records are appended until they are dropped. Each has its length and SHA-256, so that a half-written one is
 * recognised. If the store's file system fails, the answer goes to another place as a last copy.
 */
export class Rescue implements RescueFile {
  readonly #path: string
  readonly #notify: (notice: Notice) => void
  readonly #lastCopies: LastCopies
  readonly #old: OldRescue
  readonly #fd: number
  #placed: Placed[]
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
      this.#fd = whileHeld(() => openSync(this.#path, constants.O_RDWR | NO_FOLLOW))
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
      this.#placed = parse(content)
      this.#used = content.some((byte) => byte !== 0)
    } catch (error) {
      closeSync(this.#fd)
      throw unusable(this.#path, 'cannot be used', error)
    }
  }

  records(): Promise<readonly Rescued[]> {
    return Promise.resolve().then(() => {
      try {
        return [...recordsIn(this.#content()), ...this.#old.records(), ...this.#lastCopies.records()]
      } catch (error) {
        // Nothing may be spent while a record cannot be read, because it may be the only copy of a pair.
        throw unusable(this.#path, 'or a last copy of it cannot be read', error)
      }
    })
  }

  keep(record: Rescued): Promise<void> {
    const bytes = serialize(record)
    // Overwrite the newest record if the file is full, because the oldest are the likeliest to hold a pair.
    const isFull = this.#end + bytes.byteLength > MAX_BYTES
    const placed = isFull ? this.#placed.slice(0, -1) : this.#placed
    const start = placed.at(-1)?.end ?? 0
    this.#used = true
    try {
      retried(() => {
        writeFully(this.#fd, bytes, start)
        fdatasyncSync(this.#fd)
      })
      if (!this.#isInPlace()) throw new Removed()
      this.#placed = [...placed, { record, start, end: start + bytes.byteLength }]
      return Promise.resolve()
    } catch (error) {
      return this.#keepElsewhere(bytes, error)
    }
  }

  /** Leaves a settled record that stands before one that is not: it is recognised as old. */
  drop(isSettled: (record: Rescued) => boolean): Promise<void> {
    const drops = [
      (): void => {
        this.#lastCopies.remove(isSettled)
      },
      (): void => {
        if (this.#old.records().every(isSettled)) this.#old.remove()
      },
      (): void => {
        const last = this.#placed.findLastIndex(({ record }) => !isSettled(record))
        if (this.#used) this.#cutBehind(last + 1)
      },
    ]
    for (const drop of drops) {
      try {
        drop()
      } catch {
        // Ignore it: a record of an older generation is not used again.
      }
    }
    return Promise.resolve()
  }

  /**
   * Drops every answer, and nothing may be left, because the grant is forgotten.
   *
   * @throws {StoreUnusable}
   */
  erase(): void {
    try {
      this.#lastCopies.remove()
      this.#old.remove()
      this.#cutBehind(0)
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
    return isOfOpen(lstatOf(this.#path), fstatSync(this.#fd))
  }

  #content(): Buffer {
    const content = Buffer.alloc(fstatSync(this.#fd).size)
    const length = readSync(this.#fd, content, 0, content.byteLength, 0)
    return content.subarray(0, length)
  }

  /** Where the next record begins. */
  get #end(): number {
    return this.#placed.at(-1)?.end ?? 0
  }

  /** Overwrites all but the first records. */
  #cutBehind(count: number): void {
    const kept = this.#placed.slice(0, count)
    const end = kept.at(-1)?.end ?? 0
    const size = Math.max(fstatSync(this.#fd).size, PREALLOCATED)
    writeFully(this.#fd, new Uint8Array(size - end), end)
    ftruncateSync(this.#fd, Math.max(end, PREALLOCATED))
    fdatasyncSync(this.#fd)
    this.#placed = kept
    this.#used = count > 0
  }
}

/** The name leads to another file, or to none. */
class Removed extends Error {}

/**
 * The records that wait to be taken up. Creates and changes nothing, and needs no lock.
 *
 * @throws {StoreUnusable}
 */
export function keptRecords(paths: StorePaths, env: NodeJS.ProcessEnv): readonly Rescued[] {
  try {
    const stats = lstatOf(paths.rescue)
    if (stats !== undefined) checkOwn(paths.rescue, stats, 'file', paths.database)
    const own = stats === undefined ? [] : recordsIn(whileHeld(() => readFileSync(paths.rescue)))
    return [...own, ...new OldRescue(paths).records(), ...new LastCopies(paths, env).records()]
  } catch (error) {
    throw unusable(paths.rescue, 'or a last copy of it cannot be read', error)
  }
}

function retried(write: () => void): void {
  for (let tries = 1; ; tries++) {
    try {
      write()
      return
    } catch (error) {
      if (tries === TRIES) throw error
    }
  }
}
