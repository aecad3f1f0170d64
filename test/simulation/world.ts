// One schedule's machines, network, database and authorization server. Decides nothing: `faults.ts` does, and `rules.ts`
// judges.
import type { ClockReading } from '../../src/core/clock.js'
import type { Rescued, TokenStore } from '../../src/core/store-ports.js'
import type { Holder } from '../../src/core/token-set.js'
import { PostgresStore } from '../../src/store/postgres/postgres-store.js'
import { nothing, type Remembered } from '../../src/store/postgres/remembered.js'
import type { Memory } from '../../src/store/postgres/seat-memory.js'
import type { Seat } from '../../src/store/seat.js'
import { Database } from './database.js'
import { Disk } from './disk.js'
import { Faults } from './faults.js'
import { Grants } from './grants.js'
import { LocalStore, type LocalActor, type Names } from './local-store.js'
import { Network } from './network.js'
import type { Plan } from './plan.js'
import type { Random } from './random.js'
import { SimulatedRegistry } from './registry.js'
import { Rules } from './rules.js'
import { Process, Scheduler } from './scheduler.js'
import { SimulatedSeat } from './seat.js'

/** Epoch seconds at which every schedule begins. */
const BEGINNING = 1_800_000_000

/** A machine. */
export class Host {
  readonly name: string
  readonly disk = new Disk()
  readonly processes = new Set<HostProcess>()
  readonly #scheduler: Scheduler
  /** Seconds that its wall clock is ahead. */
  ahead: number
  boots = 1
  #bootedAt = 0
  /** Milliseconds that it has slept for since it was started. */
  slept = 0
  /** Instants until which its network refuses, or swallows. */
  refusedUntil = 0
  silentUntil = 0
  /** When a machine without power has it back. */
  downUntil = 0

  constructor(name: string, scheduler: Scheduler, ahead: number) {
    this.name = name
    this.#scheduler = scheduler
    this.ahead = ahead
  }

  readonly clock = (): ClockReading => ({
    now: Math.floor(BEGINNING + this.ahead + this.#scheduler.now / 1000),
    boot: this.boot,
    uptime: Math.floor(this.uptime),
  })

  /** Names this boot. */
  get boot(): string {
    return `${this.name} boot ${this.boots}`
  }

  /** Seconds. */
  get uptime(): number {
    return 100 + (this.#scheduler.now - this.#bootedAt) / 1000
  }

  /** All that ran on it is dead. */
  cutPower(downUntil: number): void {
    for (const process of this.processes) process.kill()
    this.disk.cutPower()
    this.downUntil = downUntil
    this.boots++
    this.#bootedAt = downUntil
    this.slept = 0
  }
}

/** A process on a machine. */
export class HostProcess extends Process {
  readonly host: Host
  readonly pid: number
  /** Where its seat has no file yet, it has a name of its own. */
  readonly seatName: string
  readonly began: number
  /** Whether it renews the token although the token is fresh. */
  insists = false
  /** Aborted by SIGTERM, while something may not be interrupted. */
  signal: AbortController | undefined

  constructor(name: string, scheduler: Scheduler, host: Host, pid: number) {
    super(name, scheduler)
    this.host = host
    this.pid = pid
    this.seatName = `seat of ${name}`
    this.began = scheduler.now
    host.processes.add(this)
    this.atDeath.add(() => host.processes.delete(this))
  }

  /** SIGTERM: ends it, or is told to what must not be cut short. */
  terminate(): void {
    if (this.signal === undefined) this.kill()
    else this.signal.abort('SIGTERM')
  }

  readonly uninterrupted = async <T>(section: (stop?: AbortSignal) => Promise<T>): Promise<T> => {
    const signal = (this.signal = new AbortController())
    try {
      return await section(signal.signal)
    } finally {
      this.signal = undefined
      if (signal.signal.aborted) this.kill()
    }
  }
}

export class World {
  readonly plan: Plan
  readonly scheduler: Scheduler
  readonly random: Random
  readonly grants: Grants
  readonly hosts: readonly Host[]
  readonly network = new Network(this)
  /** Seconds that the database's clock is ahead. */
  databaseAhead: number
  readonly database: Database
  readonly faults: Faults
  readonly rules: Rules
  /** Requests that have left for the authorization server. */
  requests = 0
  #processes = 0

  constructor(plan: Plan, random: Random, trace?: (line: string) => void) {
    this.plan = plan
    this.random = random
    this.scheduler = new Scheduler(random, trace)
    this.grants = new Grants(plan.grants)
    const apart = (): number =>
      plan.clocksApart === 0 ? 0 : Math.round(random.between(-1, 1) * plan.clocksApart)
    this.hosts = Array.from(
      { length: plan.hosts },
      (_, index) => new Host(`host-${index + 1}`, this.scheduler, apart()),
    )
    this.databaseAhead = apart()
    this.database = new Database(() => BEGINNING + this.databaseAhead + this.scheduler.now / 1000, plan)
    this.rules = new Rules(this)
    this.faults = new Faults(this)
  }

  readonly latency = (kind: keyof Plan['latency']): number => {
    const most = this.plan.latency[kind]
    return this.random.next() * (this.faults.isOver ? Math.min(most, 200) : most)
  }

  /** `performance.now()`: stands still while a machine sleeps. */
  readonly elapsed = (): number => {
    const { current, now } = this.scheduler
    return now - (current instanceof HostProcess ? current.host.slept : 0)
  }

  /** A new process on a machine. */
  process(host: Host, what: string): HostProcess {
    const pid = ++this.#processes
    return new HostProcess(`${host.name.replace('host-', 'h')}/${what}-${pid}`, this.scheduler, host, pid)
  }

  /** The store, as a process of its own opens it. */
  storeOf(process: HostProcess): TokenStore {
    const { disk } = process.host
    const actor = this.#actorOf(process)
    if (!this.plan.isShared) return new LocalStore(disk, actor, this.#namesOf(process))
    const seat = new SimulatedSeat(disk, actor) as unknown as Pick<Seat, 'exclusive' | 'claim'>
    const registry = new SimulatedRegistry(this, process)
    return new PostgresStore(seat, this.#memoryOf(process, actor), registry, {
      ...{ host: process.host.name, leaseMs: this.plan.leaseMs, recheck: 60, notify: () => undefined },
      address: { url: registry.name, name: 'default' },
      time: {
        clock: process.host.clock,
        elapsed: this.elapsed,
        sleep: (ms) => process.sleep(ms),
        every: (ms, work) => process.every(ms, work),
      },
    })
  }

  #actorOf(process: HostProcess): LocalActor {
    const { rules } = this
    return {
      step: (name, work) => process.step(name, this.latency('disk'), work),
      sleep: (ms) => process.sleep(ms),
      holds: (free) => {
        process.atDeath.add(free)
        return () => {
          process.atDeath.delete(free)
          free()
        }
      },
      begins: (lock) => rules.begins(process, lock),
      keeps: (record) => {
        rules.keptOnDisk(process, record)
      },
      replaces: (before, after) => {
        rules.replaced(process, before, after)
      },
      saves: (before, after) => {
        rules.saved(process, before, after)
      },
    }
  }

  #namesOf(process: HostProcess): Names {
    const { host, pid } = process
    const isMe = (holder: Holder): boolean => holder.pid === pid
    return {
      holder: (lastsMs) => {
        this.rules.lasts(process, lastsMs)
        if (!this.plan.hasNames) return undefined
        const until = Math.ceil(host.uptime + lastsMs / 1000)
        return { boot: host.boot, pidNamespace: 'pid:[1]', pid, started: pid, until }
      },
      isMe,
      isOtherAlive: (holder) =>
        holder.boot === host.boot &&
        !isMe(holder) &&
        host.uptime <= holder.until &&
        [...host.processes].some((one) => one.pid === holder.pid),
    }
  }

  #memoryOf(process: HostProcess, actor: LocalActor): Memory {
    const { disk, boot } = process.host
    const known = (): Remembered => {
      const memory = disk.memory ?? nothing(process.seatName)
      // As `SeatMemory` does with the file of another machine, or of another boot.
      const isOwn = disk.memory == null || disk.memoryOf === boot
      return isOwn
        ? memory
        : { ...memory, seat: process.seatName, set: undefined, checkedAt: null, observed: null }
    }
    return {
      load: () => actor.step('read the seat', known),
      create: () =>
        actor.step('make the seat', () => {
          if (disk.memory !== undefined) return
          disk.assertWritable()
          disk.memory = null
        }),
      change: (change) =>
        actor.step('write the seat', () => {
          if (disk.memory === undefined) return undefined
          disk.assertWritable()
          const before: readonly Rescued[] = disk.memory?.answers ?? []
          disk.memory = change(known())
          disk.memoryOf = boot
          for (const record of disk.memory.answers) this.rules.keptOnDisk(process, record)
          actor.replaces(before, disk.memory.answers)
          return disk.memory
        }),
    }
  }
}
