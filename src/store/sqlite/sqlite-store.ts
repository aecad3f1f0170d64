/**
 * Where the token set is kept: an SQLite file on a local disk.
 *
 * @module hq-token/sqlite
 */
import '../../core/node-version.js' // Before all else.
import { dirname, resolve } from 'node:path'
import type Database from 'better-sqlite3'
import { Overtaken, StoreBusy } from '../../core/errors.js'
import type { Discovered, Notice } from '../../core/ports.js'
import type {
  ExclusiveOptions,
  HeldStore,
  HistoryEntry,
  PendingLogin,
  TokenStore,
  Handover,
} from '../../core/store-ports.js'
import type { Holder, TokenSet } from '../../core/token-set.js'
import { assertLoadable } from './addon-fault.js'
import { isBusy, needsRollback } from './addon.js'
import { asUnusable, bringUpToDate, createDatabase, openForReading, openForWriting } from './database.js'
import { checkOwn, ensureFolder, folderStats, lstatOf, storePaths, type StorePaths } from '../files.js'
import { takeFromGroup } from '../group.js'
import { holderFor, isMe, isOtherAlive } from './holder.js'
import { acquire, notInTime, sleep, type Lock } from './lock.js'
import { Rescue } from '../rescue/rescue-file.js'
import { toDiscoveredRow, toLoginRow } from './row.js'
import { selectCounters, selectDiscovered, selectHistory, selectLogin, selectSet } from './select.js'
import { checkIntegrity, forget, replaceOne, save } from './write.js'

/** Milliseconds that a read or a commit of others may keep ours waiting. Theirs take a few. */
const BUSY_WAIT_MS = 10_000
/** Milliseconds between two looks at what another process is at. */
const LOOK_EVERY_MS = 50
/** Tries of the last look, some milliseconds apart. */
const LAST_LOOKS = 20

/** What a store is told beside its path; the command line gives what it has itself. */
export interface SqliteStoreOptions {
  /** Names the folder for a last copy where the store's own disk fails. Default: the process's. */
  readonly env?: NodeJS.ProcessEnv
  /** Hears warnings. Default: nobody. */
  readonly notify?: (notice: Notice) => void
  /** @hidden What was done about the lock before: for the first critical section. */
  readonly handover?: Handover | undefined
  /** @hidden Runs all that happens while the lock is held, its release included. Default: plainly. */
  readonly whileHeld?: <T>(section: () => Promise<T>) => Promise<T>
}

/**
 * One token set in one SQLite file, for one machine.
 *
 * Beside `token.db` lie `token.rescue` (see `Rescue`) and `token.lock` (see `acquire`). No file of
 * SQLite's is ever opened in another way: closing such a handle would drop the process's locks.
 */
export class SqliteStore implements TokenStore {
  readonly #path: string
  readonly #options: SqliteStoreOptions
  #handover: Handover | undefined
  readonly name: string

  /**
   * Makes and opens nothing yet: the first call does.
   *
   * @param path Of the SQLite file; its folder is made where there is none.
   */
  constructor(path: string, options: SqliteStoreOptions = {}) {
    this.name = path
    this.#path = resolve(path)
    this.#options = options
    this.#handover = options.handover?.store === path ? options.handover : undefined
  }

  read(): Promise<TokenSet | undefined> {
    return this.#reading(selectSet)
  }

  async history(): Promise<readonly HistoryEntry[]> {
    return (await this.#reading(selectHistory)) ?? []
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- so that it rejects and never throws
  async isUntouched(): Promise<boolean> {
    const { database, rescue, oldRescue } = storePaths(this.#path)
    return [database, rescue, oldRescue].every((path) => path === null || lstatOf(path) === undefined)
  }

  login(): Promise<PendingLogin | undefined> {
    return this.#reading(selectLogin)
  }

  discovered(): Promise<Discovered | undefined> {
    return this.#reading(selectDiscovered)
  }

  async exclusive<T>(critical: (held: HeldStore) => Promise<T>, options: ExclusiveOptions<T>): Promise<T> {
    const { waitMs } = options
    // For the lock, and for others that are at an exchange, be it begun anew.
    const deadline = performance.now() + waitMs - (this.#handover?.waitedMs ?? 0)
    const { notify, whileHeld = plainly } = this.#options
    const notices: Notice[] = []
    await this.#claim()
    try {
      for (;;) {
        const handover = this.#handover
        this.#handover = undefined
        const paths = this.#prepared()
        const look = async (): Promise<T | undefined> => options.meanwhile?.(await this.read())
        const lock = await acquire(paths, { deadline, waitMs }, look, handover)
        if ('answered' in lock) return lock.answered
        try {
          const section = { paths, lock, deadline, options }
          return await whileHeld(async () => {
            try {
              return await this.#hold(critical, section, notices)
            } finally {
              lock.release()
            }
          })
        } catch (error) {
          if (!(error instanceof Overtaken)) throw error
          if (performance.now() >= deadline) throw notInTime(paths, waitMs)
          await sleep(LOOK_EVERY_MS)
        }
      }
    } finally {
      // Whoever hears them may take his time: by now the lock is free.
      for (const notice of notices) notify?.(notice)
    }
  }

  close(): Promise<void> {
    return Promise.resolve()
  }

  async #hold<T>(
    critical: (held: HeldStore) => Promise<T>,
    section: Section<T>,
    notices: Notice[],
  ): Promise<T> {
    const { paths } = section
    if (lstatOf(paths.database) === undefined) {
      createDatabase(paths)
      // With a file there it is known whether the file system ignores case, and so what the lock is called.
      if (storePaths(this.#path).lock !== paths.lock) throw new Overtaken()
    }
    const db = await this.#patiently(() => openForWriting(paths))
    try {
      const answered = await this.#afterOthers(db, section)
      if (answered !== undefined) return answered
      await this.#patiently(() => {
        checkIntegrity(db, paths)
        bringUpToDate(db)
      })
      const { env = process.env } = this.#options
      const rescue = new Rescue(paths, env, (notice) => notices.push(notice))
      try {
        return await critical(this.#held(db, rescue, section))
      } finally {
        rescue.close()
      }
    } finally {
      db.close()
    }
  }

  #held<T>(db: Database.Database, rescue: Rescue, section: Section<T>): HeldStore {
    /** The sequence that this section knows of. */
    let known: number | undefined
    return {
      read: async () => {
        const set = await this.#patiently(() => selectSet(db))
        known = set?.sequence
        return set
      },
      save: async (next, after, entry) => {
        await this.#patiently(() => {
          save(db, next, after, entry, known)
        })
        known = next.sequence
      },
      counters: () => this.#patiently(() => selectCounters(db)),
      login: () => this.#patiently(() => selectLogin(db)),
      saveLogin: (login) =>
        this.#patiently(() => {
          if (login === null) db.exec('DELETE FROM login')
          else replaceOne(db, 'login', toLoginRow(login))
        }),
      pin: (discovered) =>
        this.#patiently(() => {
          replaceOne(db, 'discovered', toDiscoveredRow(discovered))
        }),
      forget: async (entry) => {
        // First: an answer that stays behind could be taken for the next login's.
        rescue.erase()
        await this.#patiently(() => {
          forget(db, entry)
        })
      },
      rescue,
      holder: holderFor,
      isStillOurs: (what) => isStillOurs(db, section, what),
    }
  }

  /**
   * Waits until no other process is at an exchange: one may be though this one has the lock.
   *
   * @returns What `meanwhile` answers, if it does.
   * @throws {LockTimeout}
   */
  async #afterOthers<T>(
    db: Database.Database,
    { paths, deadline, options }: Section<T>,
  ): Promise<T | undefined> {
    for (;;) {
      const [set, login] = await this.#patiently(() => [selectSet(db), selectLogin(db)] as const)
      const holders = [set?.intent?.holder, login?.holder]
      if (!holders.some((holder) => holder !== undefined && isOtherAlive(holder))) return undefined
      if (performance.now() >= deadline) throw notInTime(paths, options.waitMs)
      await sleep(LOOK_EVERY_MS)
      const answered = options.meanwhile?.(await this.#patiently(() => selectSet(db)))
      if (answered !== undefined) return answered
    }
  }

  /** The names of the files, once their folder is there. */
  #prepared(): StorePaths {
    const paths = storePaths(this.#path)
    ensureFolder(paths.folder)
    const stats = folderStats(paths)
    if (stats !== undefined) checkOwn(paths.folder, stats, 'folder', paths.database)
    return paths
  }

  /** Before the lock is taken: a notice may have to wait for who reads it. */
  #claim(): Promise<void> {
    return this.#patiently(() => {
      assertLoadable()
      takeFromGroup(storePaths(this.#path), this.#options.notify ?? (() => undefined))
    })
  }

  /** Reads as a guest: nothing is made, migrated or locked where that can be helped. */
  async #reading<T>(select: (db: Database.Database) => T): Promise<T | undefined> {
    await this.#claim()
    return this.#patiently(() => {
      try {
        return readOnce(openForReading(this.#database), select)
      } catch (error) {
        if (!needsRollback(error)) throw error
        return readOnce(openForWriting(this.#database), select)
      }
    })
  }

  get #database(): Pick<StorePaths, 'folder' | 'database'> {
    return { folder: dirname(this.#path), database: this.#path }
  }

  /** SQLite's own waiting would block the event loop: here a signal ends the wait. */
  async #patiently<T>(work: () => T): Promise<T> {
    for (const deadline = performance.now() + BUSY_WAIT_MS; ;) {
      try {
        return work()
      } catch (error) {
        if (!isBusy(error)) throw asUnusable(this.#database, error)
        if (performance.now() >= deadline)
          throw new StoreBusy(`${this.#path} stayed busy for ${BUSY_WAIT_MS / 1000} s`, {
            hint: `run the same command again later; to see who holds it: fuser ${this.#path}`,
            cause: error,
          })
        await sleep(5 + Math.random() * 20)
      }
    }
  }
}

function plainly<T>(section: () => Promise<T>): Promise<T> {
  return section()
}

/** What a critical section was begun with. */
interface Section<T> {
  readonly paths: StorePaths
  readonly lock: Lock
  readonly deadline: number
  readonly options: ExclusiveOptions<T>
}

/** Waits without letting go of the thread: between it and the request nothing may happen. */
function isStillOurs(
  db: Database.Database,
  { paths, lock }: Pick<Section<unknown>, 'paths' | 'lock'>,
  what: number | string,
): boolean {
  for (let tries = 1; ; tries++) {
    try {
      if (!lock.isInPlace()) return false
      if (typeof what === 'string') {
        const login = selectLogin(db)
        return login?.spent === what && isMine(login.holder)
      }
      const set = selectSet(db)
      return set?.sequence === what && set.intent?.attempt === what && isMine(set.intent.holder)
    } catch (error) {
      if (!isBusy(error)) throw asUnusable(paths, error)
      if (tries === LAST_LOOKS) return false
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5)
    }
  }
}

/** Where the system has no names for processes, nobody is another. */
function isMine(holder: Holder | undefined): boolean {
  return holder === undefined || isMe(holder)
}

function readOnce<T>(db: Database.Database | undefined, select: (db: Database.Database) => T): T | undefined {
  try {
    return db === undefined ? undefined : select(db)
  } finally {
    db?.close()
  }
}
