/**
 * The store of the token set: an SQLite file on a local disk.
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
import { checkIntegrity, forget, land, note, replaceOne } from './write.js'

/** Milliseconds to wait for other processes' reads and commits, which take a few. */
const BUSY_WAIT_MS = 10_000
/** Milliseconds between two looks at another process's exchange. */
const LOOK_EVERY_MS = 50
/** Tries of the last check before a request, 5 ms apart. */
const LAST_LOOKS = 20

/** Options of a store beside its path. The command line passes its own values. */
export interface SqliteStoreOptions {
  /** Names the folders for a last copy if the store's own disk fails. Default: the process's environment. */
  readonly env?: NodeJS.ProcessEnv
  /** Receives warnings. Default: nobody does. */
  readonly notify?: (notice: Notice) => void
  /** @hidden The state of the lock from the warm path, for the first critical section. */
  readonly handover?: Handover | undefined
  /** @hidden Runs everything that happens while the lock is held, its release included. Default: runs it directly. */
  readonly whileHeld?: <T>(section: () => Promise<T>) => Promise<T>
}

/**
 * One token set in one SQLite file, for one machine.
 *
 * Beside `token.db` lie `token.rescue` (see `Rescue`) and `token.lock` (see `acquire`). Only SQLite may open its
 * files: closing another handle would drop the process's locks.
 */
export class SqliteStore implements TokenStore {
  readonly #path: string
  readonly #options: SqliteStoreOptions
  #handover: Handover | undefined
  readonly name: string
  readonly isShared = false

  /**
   * Creates and opens nothing; the first call does.
   *
   * @param path The SQLite file; its folder is created if it is missing.
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
      // The lock is free now, so a slow listener holds up nobody.
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
      // Only now does the file show whether the file system ignores case, and with that the lock's name.
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
    /** The sequence that this section has seen. */
    let known: number | undefined
    return {
      read: async () => {
        const set = await this.#patiently(() => selectSet(db))
        known = set?.sequence
        return set
      },
      note: async (next, after, entry) => {
        await this.#patiently(() => {
          note(db, next, after, entry, known)
        })
        known = next.sequence
      },
      land: async (next, after, entry) => {
        const landed = await this.#patiently(() => land(db, next, after, entry))
        if (landed === 'saved') known = next.sequence
        return landed
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
        // Erase answers first: one that stayed could be taken for the next login's.
        rescue.erase()
        await this.#patiently(() => {
          forget(db, entry)
        })
      },
      rescue,
      holder: holderFor,
      isAssured: (what) => isStillOurs(db, section, what),
    }
  }

  /**
   * Waits until no other process works on an exchange: one may although this process has the lock.
   *
   * @returns The result of `meanwhile`, if there is one.
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

  /** The names of the files, once their folder exists. */
  #prepared(): StorePaths {
    const paths = storePaths(this.#path)
    ensureFolder(paths.folder)
    const stats = folderStats(paths)
    if (stats !== undefined) checkOwn(paths.folder, stats, 'folder', paths.database)
    return paths
  }

  /**
   * Takes the store's files back from a group. Runs before the lock is taken, because a listener for notices may be
   * slow.
   */
  #claim(): Promise<void> {
    return this.#patiently(() => {
      assertLoadable()
      takeFromGroup(storePaths(this.#path), this.#options.notify ?? (() => undefined))
    })
  }

  /** Reads without creating or migrating anything, and without a lock if possible. */
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

  /** Waits for a busy file here: SQLite's own waiting would block the event loop, and no signal could end it. */
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

/** The circumstances of one critical section. */
interface Section<T> {
  readonly paths: StorePaths
  readonly lock: Lock
  readonly deadline: number
  readonly options: ExclusiveOptions<T>
}

/**
 * Whether this process may still send its request. Waits by blocking the thread, because nothing may happen between
 * this check and the request.
 */
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

/**
 * Whether a holder is this thread. A missing one counts as this thread, because the system has no names for
 * processes then.
 */
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
