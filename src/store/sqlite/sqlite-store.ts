/**
 * The store of the token set: an SQLite file on a local disk.
 *
 * @module hq-token/sqlite
 */
import '../../core/node-version.js' // Before all else.
import { dirname } from 'node:path'
import type Database from 'better-sqlite3'
import type { AlertChange, AlertMemory } from '../../core/alerts.js'
import { Overtaken, StoreUnusable } from '../../core/errors.js'
import { closedByMove } from '../../core/move-notes.js'
import type { FileAddress, HeldMovable } from '../../core/move-ports.js'
import type { Discovered } from '../../core/ports.js'
import type {
  ExclusiveOptions,
  HeldStore,
  HistoryEntry,
  PendingLogin,
  TokenStore,
} from '../../core/store-ports.js'
import type { Holder, TokenSet } from '../../core/token-set.js'
import { isBusy, needsRollback } from './addon.js'
import { asUnusable, bringUpToDate, createDatabase, openForReading, openForWriting } from './database.js'
import { identityOf, lstatOf, storePaths, type StorePaths } from '../files.js'
import { LOOK_EVERY_MS, Seat, type OpenRescue, type SeatOptions, type Turn } from '../seat.js'
import { holderFor, isMe, isOtherAlive } from './holder.js'
import { sleep } from '../pauses.js'
import { notInTime } from './lock.js'
import { close, receive, reopen, selectNote } from './move.js'
import { patiently } from './patience.js'
import { toDiscoveredRow, toLoginRow } from '../row.js'
import {
  selectAlerts,
  selectCounters,
  selectDiscovered,
  selectHistory,
  selectLogin,
  selectSet,
} from './select.js'
import { checkIntegrity, finishForgetting, forget, land, note, replaceOne, saveAlert } from './write.js'

/** Tries of the last check before a request, 5 ms apart. */
const LAST_LOOKS = 20

export type { SeatOptions as SqliteStoreOptions } from '../seat.js'

/** The store of this file has more to write than any store. */
interface HeldFile extends HeldMovable {
  saveAlert(change: AlertChange): Promise<boolean>
}

/** One token set in one SQLite file, for one machine. */
export class SqliteStore implements TokenStore {
  readonly #seat: Seat
  readonly #path: string
  readonly #options: SeatOptions
  readonly name: string
  /** @hidden */
  readonly address: FileAddress
  readonly isShared = false
  readonly isBehind = false

  /**
   * Creates and opens nothing; the first call does.
   *
   * @param path The SQLite file; its folder is created if it is missing.
   * @throws {StoreUnusable} no file on Windows has this name.
   */
  constructor(path: string, options: SeatOptions = {}) {
    this.name = path
    this.#seat = new Seat(path, options)
    this.#path = this.#seat.path
    this.#options = options
    this.address = { path: this.#path }
  }

  read(): Promise<TokenSet | undefined> {
    return this.#reading(selectSet)
  }

  async history(): Promise<readonly HistoryEntry[]> {
    return (await this.#reading(selectHistory)) ?? []
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- so that it rejects and never throws
  async isUntouched(): Promise<boolean> {
    return this.#seat.isUntouched()
  }

  login(): Promise<PendingLogin | undefined> {
    return this.#reading(selectLogin)
  }

  discovered(): Promise<Discovered | undefined> {
    return this.#reading(selectDiscovered)
  }

  sharing(): Promise<null> {
    return Promise.resolve(null)
  }

  /** @hidden */
  async alerts(): Promise<AlertMemory> {
    return { records: (await this.#reading(selectAlerts)) ?? [], offset: 0 }
  }

  /** @hidden */
  saveAlert(change: AlertChange, waitMs: number): Promise<boolean> {
    return this.exclusive((held) => (held as HeldFile).saveAlert(change), { waitMs })
  }

  async exclusive<T>(critical: (held: HeldStore) => Promise<T>, options: ExclusiveOptions<T>): Promise<T> {
    await this.#seat.claim()
    const look = async (): Promise<T | undefined> => options.meanwhile?.(await this.read())
    const section = (turn: Turn): Promise<T> =>
      this.#hold(critical, turn, options, (db) => {
        this.#assertOpen(db)
      })
    return this.#seat.exclusive(section, options.waitMs, look)
  }

  /** @hidden */
  async exclusiveForMove<T>(critical: (held: HeldMovable) => Promise<T>, waitMs: number): Promise<T> {
    await this.#seat.claim()
    const section = (turn: Turn): Promise<T> => this.#hold(critical, turn, { waitMs }, () => undefined)
    return this.#seat.exclusive(section, waitMs, () => Promise.resolve(undefined))
  }

  /** @hidden */
  identity(): Promise<string> {
    return Promise.resolve(`sqlite:${storePaths(this.#path).place}`)
  }

  close(): Promise<void> {
    return Promise.resolve()
  }

  async #hold<T>(
    critical: (held: HeldMovable) => Promise<T>,
    turn: Turn,
    options: ExclusiveOptions<T>,
    assertOpen: (db: Database.Database) => void,
  ): Promise<T> {
    const { paths } = turn
    if (lstatOf(paths.database) === undefined) {
      createDatabase(paths)
      // Only now does the file show whether the file system ignores case, and with that the lock's name.
      if (storePaths(this.#path).lock !== paths.lock) throw new Overtaken()
    }
    const opened = identityOf(paths.database)
    const db = await this.#patiently(() => openForWriting(paths))
    const isInPlace = (): boolean => opened !== undefined && identityOf(paths.database) === opened
    try {
      await this.#patiently(() => {
        assertOpen(db)
      })
      const answered = await this.#afterOthers(db, turn, options)
      if (answered !== undefined) return answered
      await this.#patiently(() => {
        checkIntegrity(db, paths)
        bringUpToDate(db)
        finishForgetting(db)
      })
      const rescue = turn.openRescue()
      try {
        return await critical(this.#held(db, rescue, turn, isInPlace))
      } finally {
        rescue.close()
      }
    } finally {
      db.close()
    }
  }

  /** @param isInPlace Whether the name still leads to this database: if a backup has taken it, nobody finds a commit. */
  #held(db: Database.Database, rescue: OpenRescue, turn: Turn, isInPlace: () => boolean): HeldFile {
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
        if (!isInPlace()) throw wasReplaced(turn.paths)
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
      saveAlert: (change) => this.#patiently(() => saveAlert(db, change)),
      isAssured: (what) => isInPlace() && isStillOurs(db, turn, what),
      moveNote: () => this.#patiently(() => selectNote(db)),
      belongings: () =>
        this.#patiently(() => ({ discovered: selectDiscovered(db), history: selectHistory(db) })),
      close: (note, entry) =>
        this.#patiently(() => {
          close(db, note, entry)
        }),
      reopen: () =>
        this.#patiently(() => {
          reopen(db)
        }),
      receive: (next, history) =>
        this.#patiently(() => {
          receive(db, next, history)
        }),
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
    { paths, deadline, waitMs }: Turn,
    options: ExclusiveOptions<T>,
  ): Promise<T | undefined> {
    for (;;) {
      const [set, login] = await this.#patiently(() => [selectSet(db), selectLogin(db)] as const)
      const holders = [set?.intent?.holder, login?.holder]
      if (!holders.some((holder) => holder !== undefined && isOtherAlive(holder))) return undefined
      if (performance.now() >= deadline) throw notInTime(paths, waitMs)
      await sleep(LOOK_EVERY_MS)
      const answered = options.meanwhile?.(await this.#patiently(() => selectSet(db)))
      if (answered !== undefined) return answered
    }
  }

  /** Reads without creating or migrating anything, and without a lock if possible. */
  async #reading<T>(select: (db: Database.Database) => T): Promise<T | undefined> {
    await this.#seat.claim()
    const selectOpen = (db: Database.Database): T => {
      this.#assertOpen(db)
      return select(db)
    }
    return this.#patiently(() => {
      try {
        return readOnce(openForReading(this.#database), selectOpen)
      } catch (error) {
        if (!needsRollback(error)) throw error
        return readOnce(openForWriting(this.#database), selectOpen)
      }
    })
  }

  /** @throws {ConfigInvalid} a move has closed the store */
  #assertOpen(db: Database.Database): void {
    const note = selectNote(db)
    if (note !== undefined) throw closedByMove(this, note, selectSet(db) === undefined, this.#options.here)
  }

  get #database(): Pick<StorePaths, 'folder' | 'database'> {
    return { folder: dirname(this.#path), database: this.#path }
  }

  #patiently<T>(work: () => T): Promise<T> {
    return patiently(this.#database, work)
  }
}

function wasReplaced({ database }: StorePaths): StoreUnusable {
  return new StoreUnusable(`${database} was replaced while this process used it`, {
    hint: 'the next `hq-token get` saves the answer to the file that is there now',
  })
}

/**
 * Whether this process may still send its request. Waits by blocking the thread, because nothing may happen between
 * this check and the request.
 */
function isStillOurs(db: Database.Database, { paths, lock }: Turn, what: number | string): boolean {
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
