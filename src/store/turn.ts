import type { EarlyLock } from '../core/ports.js'
import { isBusy, openByAddon, type Connection } from './addon.js'
import { checkLockable, identityOf, lstatOf, type StorePaths } from './files.js'

/** The store's lock as `acquire` takes it, for those who have not loaded the program yet. */
export class AddonLock implements EarlyLock {
  readonly #path: string
  #db: Connection
  #identity: string | undefined
  isHeld = false

  /** @throws Where there is anything about it but that another process may hold it: `acquire` knows what. */
  constructor({ lock }: StorePaths) {
    this.#path = lock
    this.#db = this.#open()
  }

  /** Whether it is ours now. @throws As the constructor. */
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
    return this.#identity !== undefined && identityOf(this.#path) === this.#identity
  }

  release(): void {
    this.isHeld = false
    this.#db.close()
  }

  #open(): Connection {
    const stats = lstatOf(this.#path)
    if (stats === undefined) throw new Error('no lock yet')
    checkLockable(this.#path, stats)
    const before = identityOf(this.#path)
    const db = openByAddon(this.#path, { readonly: false })
    this.#identity = identityOf(this.#path) === before ? before : undefined
    return db
  }
}

/** Nothing is ever written to the file: a journal would only need room, on a disk that may be full. */
export const LOCK = 'PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE'

/** Milliseconds until each next look at what the holder has done: of many, not all at one instant. */
export function* pauses(): Generator<number, never> {
  for (let pause = 20; ; pause = Math.min(pause * 1.5, 250)) yield pause * (0.5 + Math.random())
}
