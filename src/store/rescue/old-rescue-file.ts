/** Reads and removes answers that earlier versions kept under a name that two stores shared. Creates nothing. */
import { closeSync, constants, fdatasyncSync, openSync, readFileSync, unlinkSync, type Stats } from 'node:fs'
import type { Rescued } from '../../core/store-ports.js'
import { NO_FOLLOW, writeFully } from '../../platform/files.js'
import { lstatOf, type StorePaths } from '../files.js'
import { recordsIn } from './records.js'

/**
 * The earlier versions' rescue file of a store without `.db` in its name. The store `NAME.db` still uses that file.
 */
export class OldRescue {
  readonly #path: string | null
  readonly #isShared: boolean

  constructor({ oldRescue, isOldShared }: StorePaths) {
    this.#path = oldRescue
    this.#isShared = isOldShared
  }

  /** @throws If the file cannot be read, because it may hold the only copy of a pair. */
  records(): readonly Rescued[] {
    const stats = this.#path === null ? undefined : lstatOf(this.#path)
    // Trust only a regular file of ours that nobody else can have written.
    if (this.#path === null || stats?.isFile() !== true || !isOurs(stats)) return []
    return recordsIn(readFileSync(this.#path))
  }

  /** Removes the file, unless it is another store's. @throws If a token may be left in it. */
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
