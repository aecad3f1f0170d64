// The store's lock: one process at a time may refresh. Reads and writes no token.
import { closeSync } from 'node:fs'
import Database from 'better-sqlite3'
import { LockTimeout, StoreUnusable, type TokenError } from '../../core/errors.js'
import type { Handover } from '../../core/store-ports.js'
import { hints } from '../../platform/hints.js'
import { isBusy } from './addon.js'
import { errnoOf } from '../../platform/errno.js'
import { createPrivate } from '../../platform/files.js'
import { birthOf, checkLockable, identityOf, lstatOf, unusable, type StorePaths } from '../files.js'
import { takeMutex } from './mutex.js'
import { pauses, sleep } from '../pauses.js'
import { LOCK } from './early-lock.js'
import { HeldWait } from './patience.js'

/** The lock while this process holds it. */
export interface Lock {
  /** Whether the locked file is still in place: if it was removed, others no longer meet the lock. */
  readonly isInPlace: () => boolean
  readonly release: () => void
}

/**
 * Takes the store's lock: an exclusive transaction on an SQLite file of its own that stays empty. The kernel
 * releases it when the process dies, so there is nothing to break, steal or time out. Within a process a mutex
 * comes first, because the kernel's lock does not tell one copy of SQLite from another.
 *
 * @param wait Until when, on the clock of `performance`; and for how long in all, for messages.
 * @param look Called before every try but the first; an answer ends the wait.
 * @param handover What was done about it before.
 * @returns The lock, or what `look` answered.
 * @throws {LockTimeout | StoreUnusable}
 */
export async function acquire<T>(
  paths: StorePaths,
  { deadline, waitMs }: { readonly deadline: number; readonly waitMs: number },
  look: () => Promise<T | undefined>,
  handover?: Handover,
): Promise<Lock | { answered: T }> {
  // Each look here is a try as well, and two tries at one instant can both fail.
  const pause = pauses(20, 250)
  const contender = new Contender(paths)
  const held = new HeldWait()
  try {
    for (;;) {
      const lock = unlessHeld(() => contender.take(handover?.lock), held)
      if (lock !== undefined) return lock
      if (performance.now() >= deadline) throw notInTime(paths, waitMs)
      await sleep(pause.next().value)
      const answered = await look()
      if (answered !== undefined) {
        contender.giveUp()
        return { answered }
      }
    }
  } catch (error) {
    contender.giveUp()
    throw error
  }
}

/** Passes over another program that holds the file, for a moment. */
function unlessHeld<T>(take: () => T | undefined, held: HeldWait): T | undefined {
  try {
    const taken = take()
    held.isOver()
    return taken
  } catch (error) {
    if (held.mayPass(error)) return undefined
    throw error
  }
}

export function notInTime({ lock }: StorePaths, waitMs: number): LockTimeout {
  return new LockTimeout(`another process has been refreshing for more than ${Math.round(waitMs / 1000)} s`, {
    hint: `run the same command again later; to see who: ${hints.holders(lock)} (the file is never stale: do not remove it)`,
  })
}

/** One attempt to get the lock. Opens the lock file only while it holds this process's mutex. */
class Contender {
  readonly #paths: StorePaths
  #leaveMutex: (() => void) | undefined
  #file: LockFile | undefined

  constructor(paths: StorePaths) {
    this.#paths = paths
  }

  /** @throws {StoreUnusable} */
  take(early: Handover['lock'] | undefined): Lock | undefined {
    this.#leaveMutex ??= takeMutex(this.#paths.place)
    if (this.#leaveMutex === undefined) return undefined
    if (early?.isHeld === true) return this.#held(early)
    this.#file ??= openLock(this.#paths)
    if (this.#file === undefined) return undefined
    if (!this.#isLocked(this.#file)) return undefined
    if (isSame(this.#file)) return this.#held(this.#file)
    // Another file has taken the name, and others lock that one.
    this.#close()
    return undefined
  }

  /** A file that could not be locked is opened anew: SQLite may have opened it for reading only. */
  #isLocked({ db }: LockFile): boolean {
    try {
      return tryLock(db, this.#paths)
    } catch (error) {
      this.#close()
      throw error
    }
  }

  giveUp(): void {
    this.#close()
    this.#leaveMutex?.()
    this.#leaveMutex = undefined
  }

  #held(holder: Lock | LockFile): Lock {
    const isInPlace = (): boolean => ('db' in holder ? isSame(holder) : holder.isInPlace())
    return {
      isInPlace,
      release: () => {
        if (!('db' in holder)) holder.release()
        this.giveUp()
      },
    }
  }

  #close(): void {
    this.#file?.db.close()
    this.#file = undefined
  }
}

/** An open lock file, with its identity. */
interface LockFile {
  readonly db: Database.Database
  readonly path: string
  readonly identity: string | undefined
}

function isSame({ path, identity }: LockFile): boolean {
  return identity !== undefined && identityOf(path) === identity
}

/** @returns `undefined` if somebody has removed the file meanwhile. */
function openLock(paths: StorePaths): LockFile | undefined {
  try {
    closeSync(createPrivate(paths.lock))
  } catch (error) {
    // The file exists: only SQLite may open it, because closing another handle would drop the lock.
    if (errnoOf(error) !== 'EEXIST') throw unusable(paths.lock, 'cannot be made', error)
  }
  const stats = lstatOf(paths.lock)
  if (stats !== undefined) checkLockable(paths, stats)
  const before = birthOf(paths.lock)
  try {
    const db = new Database(paths.lock, { fileMustExist: true, timeout: 0 })
    // If the file was replaced in between, nothing tells which of the two is open.
    return {
      db,
      path: paths.lock,
      identity: birthOf(paths.lock) === before ? identityOf(paths.lock) : undefined,
    }
  } catch (error) {
    if (lstatOf(paths.lock) === undefined) return undefined
    throw unusable(paths.lock, 'cannot be opened', error)
  }
}

function tryLock(db: Database.Database, paths: StorePaths): boolean {
  try {
    db.exec(LOCK)
    return true
  } catch (error) {
    if (isBusy(error)) return false
    throw unlockable(paths.lock, error)
  }
}

/**
 * The error for a lock file that cannot be locked. The hint moves a foreign file away and never deletes it: if
 * another program still held it, two refreshes could run at once.
 */
export function unlockable(path: string, error: unknown): TokenError {
  if (errnoOf(error) !== 'SQLITE_NOTADB') return unusable(path, 'cannot be locked', error)
  return new StoreUnusable(`${path} is not a lock file of hq-token`, {
    hint: hints.move(path, `${path}.away`),
    cause: error,
  })
}
