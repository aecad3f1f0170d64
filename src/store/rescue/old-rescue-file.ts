/** Reads, and takes away, what earlier versions kept under a name that two stores shared. */
import { closeSync, constants, fdatasyncSync, openSync, readFileSync, unlinkSync, type Stats } from 'node:fs'
import type { Rescued } from '../../core/store-ports.js'
import { NO_FOLLOW, writeFully } from '../../platform/files.js'
import { lstatOf, type StorePaths } from '../files.js'
import { parse } from './records.js'

/** The file that a store without `.db` in its name had for answers in earlier versions, as `NAME.db` has it still. */
export class OldRescue {
  readonly #path: string | null
  readonly #isShared: boolean

  constructor({ oldRescue, isOldShared }: StorePaths) {
    this.#path = oldRescue
    this.#isShared = isOldShared
  }

  /** @throws Where it cannot be read: it may hold the only copy of a pair. */
  records(): readonly Rescued[] {
    const stats = this.#path === null ? undefined : lstatOf(this.#path)
    // Another user's is none of ours, nor is anything but a file, nor what others can have written.
    if (this.#path === null || stats?.isFile() !== true || !isOurs(stats)) return []
    return parse(readFileSync(this.#path)).records
  }

  /** Leaves the file of another store as it is. @throws Where a token may be left in it. */
  remove(): void {
    const stats = this.#path === null || this.#isShared ? undefined : lstatOf(this.#path)
    if (this.#path === null || stats?.isFile() !== true || !isOurs(stats)) return
    const fd = openSync(this.#path, constants.O_RDWR | NO_FOLLOW)
    try {
      writeFully(fd, new Uint8Array(stats.size), 0)
      fdatasyncSync(fd)
    } finally {
      closeSync(fd)
    }
    unlinkSync(this.#path)
  }
}

function isOurs({ uid, mode }: Stats): boolean {
  const me = process.geteuid?.()
  return me === undefined || (uid === me && (mode & 0o022) === 0)
}
