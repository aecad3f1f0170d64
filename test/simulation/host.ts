// Simulated hosts and their processes: clocks that err, a disk, and processes that are killed and stopped.
import type { ClockReading } from '../../src/core/clock.js'
import type { Rescued } from '../../src/core/store-ports.js'
import type { Time } from '../../src/store/postgres/lease.js'
import type { Remembered } from '../../src/store/postgres/remembered.js'
import type { Owner, Scheduler } from './scheduler.js'

/** Epoch seconds of true time when a world begins. */
export const EPOCH = 1_800_000_000

/** Where a step is done, which says how long it takes. */
export type Place = 'disk' | 'database' | 'network'

/** Milliseconds that a step takes: least, most, and the slowest one. */
const TAKES: Record<Place, readonly [least: number, most: number, slowest: number]> = {
  disk: [0.05, 5, 3_000],
  database: [0.5, 10, 20_000],
  network: [5, 100, 40_000],
}

/** The clocks of one machine. */
export class Clocks {
  /** Seconds that the wall clock is ahead of true time. */
  ahead: number
  /** Seconds by which it has jumped in all. */
  error = 0
  boot: string | null
  readonly #scheduler: Scheduler
  #bootedAt = -1_000_000

  /** @param boot `null`: the system does not tell one boot from another. */
  constructor(scheduler: Scheduler, boot: string | null, ahead: number) {
    this.#scheduler = scheduler
    this.boot = boot
    this.ahead = ahead
  }

  /** Epoch seconds, with fractions. */
  readonly wall = (): number => EPOCH + this.#scheduler.now / 1000 + this.ahead

  /** Milliseconds since the machine was started. */
  get elapsed(): number {
    return this.#scheduler.now - this.#bootedAt
  }

  jump(seconds: number): void {
    this.ahead += seconds
    this.error += Math.abs(seconds)
  }

  reboot(): void {
    this.#bootedAt = this.#scheduler.now
    if (this.boot !== null) this.boot += '+'
  }

  readonly read = (): ClockReading => ({
    now: Math.floor(this.wall()),
    boot: this.boot,
    uptime: Math.floor(this.elapsed / 1000),
  })
}

/** All that a machine has on its disk. States never change, so that a power cut can bring back an earlier one. */
export interface Disk {
  /** What the seat remembers; `null` in a file without a row, `undefined` if the file was never made. */
  readonly memory: Remembered | null | undefined
  readonly rescue: readonly Rescued[]
  /** The pairs that were ever kept on it. */
  readonly ever: readonly Kept[]
  /** The highest generation of the latest grant that was remembered on it, and since when. */
  readonly seen:
    { readonly grant: string | null; readonly generation: number; readonly at: number } | undefined
}

/** A pair that came to a disk or into the registry. */
export interface Kept {
  readonly refresh: string
  /** True time in milliseconds. */
  readonly at: number
  readonly by: Process
}

const EMPTY: Disk = { memory: undefined, rescue: [], ever: [], seen: undefined }

/** A file that the kernel locks for one process. */
export interface LockFile {
  holder: Process | undefined
}

/** A machine. */
export class Host {
  readonly name: string
  readonly clocks: Clocks
  disk: Disk = EMPTY
  lock: LockFile = { holder: undefined }
  readonly processes: Process[] = []
  /** True time in milliseconds until which the database, or the authorization server, is out of its reach. */
  readonly cut = { database: 0, network: 0 }
  /** Whether what is out of reach says nothing at all. */
  isSilent = false
  /** True time at which the database was last out of its reach. */
  troubledAt = -Infinity
  /** Whether its disk takes no more. */
  isFull = false

  constructor(name: string, clocks: Clocks) {
    this.name = name
    this.clocks = clocks
  }

  /** All of it is gone, as that of a container which is started elsewhere. */
  loseDisk(): void {
    this.disk = EMPTY
    this.lock = { holder: undefined }
  }
}

/** Decides what goes wrong: see faults.ts. */
export interface Mischief {
  /**
   * @param isDone Whether the step has taken effect, and its process has not learned of it.
   * @param undo Takes back what a power cut may take back.
   */
  strike(process: Process, label: string, isDone: boolean, undo?: () => void): void
}

/** A process of a host. */
export class Process implements Owner {
  readonly name: string
  readonly host: Host
  readonly scheduler: Scheduler
  isAlive = true
  /** What it was begun for. */
  command = ''
  stoppedUntil = 0
  /** Milliseconds for which it stood still in all. */
  stood = 0
  /** Whether it has received a pair, and nothing else has happened since. */
  owes = false
  readonly #mischief: Mischief

  constructor(name: string, host: Host, scheduler: Scheduler, mischief: Mischief) {
    this.name = name
    this.host = host
    this.scheduler = scheduler
    this.#mischief = mischief
    host.processes.push(this)
  }

  elapsed(): number {
    return this.host.clocks.elapsed
  }

  /** It stands still, and its host's clocks go on. */
  stop(ms: number): void {
    const from = Math.max(this.stoppedUntil, this.scheduler.now)
    const until = Math.max(from, this.scheduler.now + ms)
    this.stood += until - from
    this.stoppedUntil = until
  }

  /** Milliseconds for one way of a step. @param slow How likely it takes long. */
  takes(place: Place, slow: number): number {
    const [least, most, slowest] = TAKES[place]
    const { scheduler } = this
    return scheduler.chance(slow) ? scheduler.between(most, slowest) : scheduler.between(least, most)
  }

  /**
   * A step that this process does on its machine: it takes effect at one instant, and the process learns of it at a
   * later one.
   */
  step<T>(label: string, work: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      const { scheduler, host } = this
      this.strike(label, false)
      scheduler.after(this.takes('disk', 0), label, this, () => {
        const { disk } = host
        const result = attempt(work)
        this.#mischief.strike(this, label, true, () => {
          host.disk = disk
        })
        scheduler.after(this.takes('disk', 0), '', this, () => {
          if ('value' in result) resolve(result.value)
          else reject(result.error)
        })
      })
    })
  }

  strike(label: string, isDone: boolean): void {
    if (!isDone) this.#begins(label)
    this.#mischief.strike(this, label, isDone)
  }

  /** Whoever has received a pair brings it to a disk before anything else. */
  #begins(label: string): void {
    if (!this.owes || label === 'beat') return
    this.owes = false
    if (label !== 'keep') this.scheduler.fail(`${this.name} has received a pair, and begins to ${label}`)
  }

  readonly sleep = (ms: number): Promise<void> =>
    new Promise((resolve) => {
      this.strike('sleep', false)
      this.scheduler.after(ms, '', this, resolve)
    })

  /** For the lease. */
  readonly time: Time = {
    clock: () => this.host.clocks.read(),
    elapsed: () => this.elapsed(),
    sleep: this.sleep,
    every: (ms, work) => {
      let isOver = false
      const tick = (): void => {
        this.scheduler.after(ms, '', this, () => {
          if (isOver) return
          work()
          tick()
        })
      }
      tick()
      return () => {
        isOver = true
      }
    },
  }
}

/** What some work came to. */
export type Attempt<T> = { readonly value: T } | { readonly error: Error }

export function attempt<T>(work: () => T): Attempt<T> {
  try {
    return { value: work() }
  } catch (error) {
    return { error: error instanceof Error ? error : new Error(String(error)) }
  }
}
