import { closeSync } from 'node:fs'
import Database from 'better-sqlite3'
import { LockTimeout, StoreUnusable } from '../core/errors.js'
import type { Turn } from '../core/ports.js'
import { shellWord } from '../core/shell.js'
import { isBusy } from './addon.js'
import { checkLockable, codeOf, createPrivate, lstatOf, unusable, type StorePaths } from './files.js'
import { LOCK, pauses } from './turn.js'

/**
 * The store's lock: an exclusive transaction on an SQLite file of its own that never holds anything.
 * The kernel lets go of it when the process dies, so there is nothing to break, steal or time out.
 *
 * @param look Called before every try but the first; an answer ends the wait.
 * @param turn What was done about it before.
 * @returns The way to let go, or what `look` answered.
 * @throws {LockTimeout | StoreUnusable}
 */
export async function acquire<T>(
  paths: StorePaths,
  waitMs: number,
  look: () => Promise<T | undefined>,
  turn?: Turn,
): Promise<{ release: () => void } | { answered: T }> {
  if (turn?.lock.isHeld === true) return turn.lock
  const db = openLock(paths)
  const deadline = performance.now() + waitMs - (turn?.waitedMs ?? 0)
  const pause = pauses()
  try {
    for (;;) {
      if (tryLock(db, paths)) return { release: () => db.close() }
      if (performance.now() >= deadline)
        throw new LockTimeout(
          `another process has been refreshing for more than ${Math.round(waitMs / 1000)} s`,
          {
            hint: `run the same command again later; to see who: fuser ${paths.lock}`,
          },
        )
      await sleep(pause.next().value)
      const answered = await look()
      if (answered !== undefined) {
        db.close()
        return { answered }
      }
    }
  } catch (error) {
    db.close()
    throw error
  }
}

function openLock(paths: StorePaths): Database.Database {
  try {
    closeSync(createPrivate(paths.lock))
  } catch (error) {
    // Where there is one it must not be opened by anything but SQLite: closing a handle would drop the lock.
    if (codeOf(error) !== 'EEXIST') throw unusable(paths.lock, 'cannot be made', error)
  }
  const stats = lstatOf(paths.lock)
  if (stats !== undefined) checkLockable(paths, stats)
  try {
    return new Database(paths.lock, { fileMustExist: true, timeout: 0 })
  } catch (error) {
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

/** What another program may hold must stay where it is, or two refreshes could run at once. */
export function unlockable(path: string, error: unknown): StoreUnusable {
  if (codeOf(error) !== 'SQLITE_NOTADB') return unusable(path, 'cannot be locked', error)
  return new StoreUnusable(`${path} holds something that is not its own`, {
    hint: `mv ${shellWord(path)} ${shellWord(`${path}.away`)}`,
    cause: error,
  })
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
