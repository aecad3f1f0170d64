// Takes the store's lock for the warm path. Loads nothing of the program, and writes nothing.
import type { EarlyLock } from '../../core/store-ports.js'
import { isBusy, openByAddon, type Connection } from './addon.js'
import { birthOf, checkLockable, identityOf, lstatOf, type StorePaths } from '../files.js'

/** The same lock as `acquire` takes, for a process that has not loaded the program yet. */
export class AddonLock implements EarlyLock {
  readonly #paths: StorePaths
  #db: Connection
  #identity: string | undefined
  isHeld = false

  /** @throws For any problem but a lock that another process holds: `acquire` words it then. */
  constructor(paths: StorePaths) {
    this.#paths = paths
    this.#db = this.#open()
  }

  /** Whether this process has the lock now. @throws As the constructor. */
  take(): boolean {
    try {
      this.#db.exec(LOCK)
    } catch (error) {
      if (isBusy(error)) return false
      throw error
    }
    if (this.isInPlace()) return (this.isHeld = true)
    this.#db.close()
    this.#db = this.#open()
    return false
  }

  isInPlace(): boolean {
    return this.#identity !== undefined && identityOf(this.#paths.lock) === this.#identity
  }

  release(): void {
    this.isHeld = false
    this.#db.close()
  }

  #open(): Connection {
    const stats = lstatOf(this.#paths.lock)
    if (stats === undefined) throw new Error('no lock yet')
    checkLockable(this.#paths, stats)
    const before = birthOf(this.#paths.lock)
    const db = openByAddon(this.#paths.lock, { readonly: false })
    this.#identity = birthOf(this.#paths.lock) === before ? identityOf(this.#paths.lock) : undefined
    return db
  }
}

/**
 * Takes the lock. The journal is in memory, because nothing is ever written to the file and the disk may be full.
 *
 * On Windows SQLite opens a file for reading only while another program holds it, and says nothing: a lock of it would keep
 * nobody out. So a change is tried, and taken back before anything is written.
 */
export function lockingOn(platform: NodeJS.Platform): string {
  const take = 'PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE'
  return platform === 'win32'
    ? `${take}; SAVEPOINT tried; PRAGMA user_version = 1; ROLLBACK TO tried; RELEASE tried`
    : take
}

export const LOCK = lockingOn(process.platform)
