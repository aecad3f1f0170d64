// The seat of a store with the steps of `src/store/seat.ts`, on a simulated disk: the kernel's lock, and sections that are
// begun anew where they were overtaken.
import { LockTimeout, Overtaken } from '../../src/core/errors.js'
import type { Rescued } from '../../src/core/store-ports.js'
import { LOOK_EVERY_MS, type Turn } from '../../src/store/seat.js'
import { pauses } from '../../src/store/pauses.js'
import type { Disk, LockFile } from './disk.js'
import { SimulatedRescue } from './rescue.js'

/** The process that works with a disk: waits for its turn at each step, and says what it has done. */
export interface Actor {
  /** Something that takes effect at one instant. */
  step<T>(name: string, work: () => T): Promise<T>
  sleep(ms: number): Promise<void>
  /** Has a lock end with the process. @returns Frees the lock. */
  holds(free: () => void): () => void
  /** The lock is its own: a section begins. @returns Ends it. */
  begins(lock: LockFile): () => void
  /** An answer has reached a disk. */
  keeps(record: Rescued): void
  /** Answers have given way to others. */
  replaces(before: readonly Rescued[], after: readonly Rescued[]): void
}

/** What a section gets; the type of the rescue file is a class with private parts, which no other can have. */
export type SimulatedTurn = Omit<Turn, 'openRescue' | 'paths'> & {
  readonly openRescue: () => SimulatedRescue
}

interface Taken {
  readonly file: LockFile
  readonly release: () => void
}

export class SimulatedSeat {
  readonly #disk: Disk
  readonly #actor: Actor

  constructor(disk: Disk, actor: Actor) {
    this.#disk = disk
    this.#actor = actor
  }

  claim(): Promise<void> {
    return Promise.resolve()
  }

  async exclusive<T>(
    section: (turn: SimulatedTurn) => Promise<T>,
    waitMs: number,
    look: () => Promise<T | undefined>,
  ): Promise<T> {
    const deadline = performance.now() + waitMs
    for (;;) {
      const taken = await this.#acquire(deadline, look)
      if ('answered' in taken) return taken.answered
      try {
        return await this.#within(taken, section, deadline, waitMs)
      } catch (error) {
        if (!(error instanceof Overtaken)) throw error
        if (performance.now() >= deadline) throw notInTime()
        await this.#actor.sleep(LOOK_EVERY_MS)
      }
    }
  }

  async #within<T>(
    { file, release }: Taken,
    section: (turn: SimulatedTurn) => Promise<T>,
    deadline: number,
    waitMs: number,
  ): Promise<T> {
    const ends = this.#actor.begins(file)
    const isInPlace = (): boolean => this.#disk.lock === file
    const openRescue = (): SimulatedRescue => new SimulatedRescue(this.#disk, this.#actor)
    try {
      return await section({ lock: { isInPlace, release }, deadline, waitMs, openRescue })
    } finally {
      ends()
      release()
    }
  }

  async #acquire<T>(deadline: number, look: () => Promise<T | undefined>): Promise<Taken | { answered: T }> {
    const pause = pauses(20, 250)
    for (;;) {
      const file = await this.#actor.step(
        'open the lock file',
        () => (this.#disk.lock ??= { owner: undefined }),
      )
      const release = await this.#actor.step('take the lock', () => {
        if (file.owner !== undefined || this.#disk.lock !== file) return undefined
        file.owner = this.#actor
        return this.#actor.holds(() => {
          file.owner = undefined
        })
      })
      if (release !== undefined) return { file, release }
      if (performance.now() >= deadline) throw notInTime()
      await this.#actor.sleep(pause.next().value)
      const answered = await look()
      if (answered !== undefined) return { answered }
    }
  }
}

export function notInTime(): LockTimeout {
  return new LockTimeout('another process has been refreshing for too long')
}
