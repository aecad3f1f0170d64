// The seat of a simulated host: its lock, its rescue file, and what it remembers of a shared row. The same steps as
// src/store/seat.ts, rescue-file.ts and seat-memory.ts take, on a disk in memory.
import { LockTimeout, Overtaken, StoreUnusable } from '../../src/core/errors.js'
import type { Rescued } from '../../src/core/store-ports.js'
import { nothing, type Remembered } from '../../src/store/postgres/remembered.js'
import type { Memory } from '../../src/store/postgres/seat-memory.js'
import type { OpenRescue, Seat, Turn } from '../../src/store/seat.js'
import { pauses } from '../../src/store/sqlite/early-lock.js'
import type { Disk, LockFile, Process } from './host.js'

const LOOK_EVERY_MS = 50

export class SimulatedSeat implements Pick<Seat, 'exclusive' | 'claim'> {
  readonly #process: Process
  /** Hears when a section begins and ends. */
  readonly #entered: (isInside: boolean) => void

  constructor(process: Process, entered: (isInside: boolean) => void) {
    this.#process = process
    this.#entered = entered
  }

  claim(): Promise<void> {
    return Promise.resolve()
  }

  async exclusive<T>(
    section: (turn: Turn) => Promise<T>,
    waitMs: number,
    look: () => Promise<T | undefined>,
  ): Promise<T> {
    const deadline = performance.now() + waitMs
    for (;;) {
      const locked = await this.#acquire(deadline, look)
      if ('answered' in locked) return locked.answered
      const { file } = locked
      const lock = {
        isInPlace: () => this.#process.host.lock === file,
        release: () => {
          if (file.holder === this.#process) file.holder = undefined
          this.#entered(false)
        },
      }
      const openRescue = (): OpenRescue => new SimulatedRescue(this.#process)
      this.#entered(true)
      try {
        // No section of a simulated store asks for a path.
        return await section({ paths: {} as Turn['paths'], lock, deadline, waitMs, openRescue })
      } catch (error) {
        if (!(error instanceof Overtaken)) throw error
        if (performance.now() >= deadline) throw notInTime()
      } finally {
        lock.release()
      }
      await this.#process.sleep(LOOK_EVERY_MS)
    }
  }

  async #acquire<T>(
    deadline: number,
    look: () => Promise<T | undefined>,
  ): Promise<{ file: LockFile } | { answered: T }> {
    const { host, sleep } = this.#process
    for (const pause of pauses(20, 250)) {
      const file = await this.#process.step('lock', () => {
        const { lock } = host
        if (lock.holder?.isAlive === true) return undefined
        lock.holder = this.#process
        return lock
      })
      if (file !== undefined && file === host.lock) return { file }
      if (file?.holder === this.#process) file.holder = undefined
      if (performance.now() >= deadline) throw notInTime()
      await sleep(pause)
      const answered = await look()
      if (answered !== undefined) return { answered }
    }
    throw new Error('unreachable')
  }
}

function notInTime(): LockTimeout {
  return new LockTimeout('another process has been refreshing for too long')
}

export class SimulatedRescue implements OpenRescue {
  readonly #process: Process

  constructor(process: Process) {
    this.#process = process
  }

  records(): Promise<readonly Rescued[]> {
    return this.#process.step('read the rescue file', () => this.#process.host.disk.rescue)
  }

  keep(record: Rescued): Promise<void> {
    return this.#process.step('keep', () => {
      if (this.#process.host.isFull) throw new StoreUnusable('the disk is full')
      this.#change((rescue) => [...rescue, record])
      keptOn(this.#process, [record])
    })
  }

  drop(isSettled: (record: Rescued) => boolean): Promise<void> {
    return this.#process.step('drop', () => {
      this.#change((rescue) => rescue.slice(0, rescue.findLastIndex((record) => !isSettled(record)) + 1))
    })
  }

  erase(): void {
    this.#change(() => [])
  }

  close(): void {
    // The records were synced long before.
  }

  #change(change: (rescue: Disk['rescue']) => Disk['rescue']): void {
    const { host } = this.#process
    host.disk = { ...host.disk, rescue: change(host.disk.rescue) }
  }
}

export class SimulatedMemory implements Memory {
  readonly #process: Process
  /** The name of a seat that has no row yet. */
  readonly #name: string

  constructor(process: Process) {
    this.#process = process
    this.#name = `seat of ${process.name}`
  }

  load(): Promise<Remembered> {
    return this.#process.step('', () => this.#known)
  }

  create(): Promise<void> {
    return this.#process.step('', () => {
      const { host } = this.#process
      host.disk = { ...host.disk, memory: host.disk.memory ?? null }
    })
  }

  change(change: (known: Remembered) => Remembered): Promise<Remembered | undefined> {
    return this.#process.step('remember', () => {
      const { host } = this.#process
      if (host.disk.memory === undefined) return undefined
      if (host.isFull) throw new StoreUnusable('the disk is full')
      const memory = change(this.#known)
      host.disk = { ...host.disk, memory }
      keptOn(this.#process, memory.answers)
      seenOn(this.#process, memory)
      return memory
    })
  }

  get #known(): Remembered {
    return this.#process.host.disk.memory ?? nothing(this.#name)
  }
}

/** Notes how far the seat has seen the row. */
function seenOn({ host, scheduler }: Process, { set }: Remembered): void {
  const { seen } = host.disk
  if (set === undefined || (set.grant === seen?.grant && set.generation <= seen.generation)) return
  const { grant, generation } = set
  host.disk = { ...host.disk, seen: { grant, generation, at: scheduler.now } }
}

/** Notes the pairs in whole answers. */
function keptOn(process: Process, records: readonly Rescued[]): void {
  const { host, scheduler } = process
  const ever = records.flatMap(refreshTokenIn)
  const news = ever.filter((refresh) => !host.disk.ever.some((kept) => kept.refresh === refresh))
  if (news.length === 0) return
  const kept = news.map((refresh) => ({ refresh, at: scheduler.now, by: process }))
  host.disk = { ...host.disk, ever: [...host.disk.ever, ...kept] }
}

/** The refresh token of an answer that came whole. */
export function refreshTokenIn({ answer: { body, complete, status } }: Rescued): string[] {
  const [, token] = /"refresh_token":"([^"]+)"/.exec(Buffer.from(body).toString()) ?? []
  return complete && status === 200 && token !== undefined ? [token] : []
}
