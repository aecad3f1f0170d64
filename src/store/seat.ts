// The place of a store on this machine: its folder, its lock and its rescue file. Knows no token set.
import { dirname } from 'node:path'
import { Overtaken } from '../core/errors.js'
import type { Notice } from '../core/ports.js'
import type { Here } from '../core/move-notes.js'
import type { Handover, RescueFile } from '../core/store-ports.js'
import { checkOwn, ensureFolder, folderStats, lstatOf, storePaths, type StorePaths } from './files.js'
import { takeFromGroup } from './group.js'
import { databasePath } from './paths.js'
import { Rescue } from './rescue/rescue-file.js'
import { assertLoadable } from './sqlite/addon-fault.js'
import { sleep } from './pauses.js'
import { assertNewPlace } from './windows-store.js'
import { acquire, notInTime, type Lock } from './sqlite/lock.js'
import { patiently } from './sqlite/patience.js'

/** Milliseconds between two looks at another process's exchange. */
export const LOOK_EVERY_MS = 50

/** Options of a store beside its path. The command line passes its own values. */
export interface SeatOptions {
  /** Names the folders for a last copy if the store's own disk fails. Default: the process's environment. */
  readonly env?: NodeJS.ProcessEnv
  /** Receives warnings. Default: nobody does. */
  readonly notify?: (notice: Notice) => void
  /** @hidden The state of the lock from the warm path, for the first critical section. */
  readonly handover?: Handover | undefined
  /** @hidden This host, for the hint of a store that a move has closed. */
  readonly here?: Here
  /** @hidden Runs everything that happens while the lock is held, its release included. Default: runs it directly. */
  readonly whileHeld?: <T>(section: () => Promise<T>) => Promise<T>
}

/** The rescue file while it is open; it must be closed. */
export type OpenRescue = RescueFile & Pick<Rescue, 'erase' | 'close'>

/** The circumstances of one section under the lock. */
export interface Turn {
  readonly paths: StorePaths
  readonly lock: Lock
  /** Until when the section may wait for others, on the clock of `performance`. */
  readonly deadline: number
  /** Milliseconds that it may wait in all, for messages. */
  readonly waitMs: number
  readonly openRescue: () => OpenRescue
}

/**
 * Beside `NAME.db` lie `NAME.rescue` (see `Rescue`) and `NAME.lock` (see `acquire`). Only SQLite may open its files:
 * closing another handle would drop the process's locks.
 */
export class Seat {
  /** Absolute. */
  readonly path: string
  readonly #options: SeatOptions
  #handover: Handover | undefined

  /** Creates and opens nothing. @throws {StoreUnusable} no file on Windows has this name */
  constructor(path: string, options: SeatOptions) {
    this.path = databasePath(path)
    this.#options = options
    this.#handover = options.handover?.store === path ? options.handover : undefined
  }

  /** True if none of its files was ever made. */
  isUntouched(): boolean {
    const { database, rescue, oldRescue } = storePaths(this.path)
    return [database, rescue, oldRescue].every((path) => path === null || lstatOf(path) === undefined)
  }

  /**
   * Takes the files back from a group. Runs before the lock is taken, because a listener for notices may be slow.
   *
   * @throws {StoreBusy | StoreUnusable}
   */
  claim(): Promise<void> {
    return patiently({ folder: dirname(this.path), database: this.path }, () => {
      assertLoadable()
      takeFromGroup(storePaths(this.path), this.#options.notify ?? (() => undefined))
    })
  }

  /**
   * Runs a section while no other process of this machine can run theirs. Begins it anew where it was overtaken.
   *
   * @param look Called before each new try for the lock; a result other than `undefined` ends the wait.
   * @throws {LockTimeout} the lock was not free within `waitMs`
   * @throws {StoreUnusable}
   */
  async exclusive<T>(
    section: (turn: Turn) => Promise<T>,
    waitMs: number,
    look: () => Promise<T | undefined>,
  ): Promise<T> {
    // For the lock, and for others that are at an exchange, be it begun anew.
    const deadline = performance.now() + waitMs - (this.#handover?.waitedMs ?? 0)
    const { notify, whileHeld = plainly, env = process.env } = this.#options
    const notices: Notice[] = []
    try {
      for (;;) {
        const handover = this.#handover
        this.#handover = undefined
        const paths = this.#prepared((notice) => notices.push(notice))
        const lock = await acquire(paths, { deadline, waitMs }, look, handover)
        if ('answered' in lock) return lock.answered
        const openRescue = (): Rescue => new Rescue(paths, env, (notice) => notices.push(notice))
        try {
          return await whileHeld(async () => {
            try {
              return await section({ paths, lock, deadline, waitMs, openRescue })
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

  /** The names of the files, once their folder exists. */
  #prepared(tell: (notice: Notice) => void): StorePaths {
    const paths = storePaths(this.path)
    if (process.platform === 'win32' && lstatOf(paths.database) === undefined)
      assertNewPlace(paths, this.#options.env ?? process.env, tell)
    ensureFolder(paths.folder, tell)
    const stats = folderStats(paths)
    if (stats !== undefined) checkOwn(paths.folder, stats, 'folder', paths.database)
    return paths
  }
}

/** The seat of two shared stores of this host, between which a token set is moved: its lock is taken once for both. */
export class CommonSeat extends Seat {
  #turn: Turn | undefined

  override exclusive<T>(
    section: (turn: Turn) => Promise<T>,
    waitMs: number,
    look: () => Promise<T | undefined>,
  ): Promise<T> {
    if (this.#turn !== undefined) return section({ ...this.#turn, deadline: performance.now() + waitMs })
    const holding = async (turn: Turn): Promise<T> => {
      this.#turn = turn
      try {
        return await section(turn)
      } finally {
        this.#turn = undefined
      }
    }
    return super.exclusive(holding, waitMs, look)
  }
}

function plainly<T>(section: () => Promise<T>): Promise<T> {
  return section()
}
