// What goes wrong in a simulated world, and when: each schedule has some kinds of fault, and they strike at steps.
import type { AuthorizationServer } from './authorization-server.js'
import type { Host, Mischief, Process } from './host.js'
import type { Database } from './registry.js'
import type { Scheduler } from './scheduler.js'
import type { Fate } from './token-requests.js'

const KINDS = [
  ...['kill', 'stop', 'suspend', 'power cut', 'disk lost', 'disk full', 'clock jump'],
  ...[
    'database cut off',
    'server cut off',
    'database restart',
    'fail-over',
    'restore',
    'database clock jump',
  ],
] as const satisfies readonly string[]

export type Kind = string

const FATES: readonly Exclude<Fate, 'answered'>[] = [
  ...(['refused', 'request lost', 'answer lost', 'answer cut', '500 before', '500 after', '503'] as const),
]

/** The steps at which a fault is worth more. */
const CRITICAL: readonly string[] = [
  ...['take', 'note', 'saveLogin', 'connect', 'send', 'answer', 'keep', 'read', 'land', 'remember', 'drop'],
]

/** A fault that strikes at a step, the n-th time that a process comes to it. */
interface Planned {
  readonly label: string
  readonly isDone: boolean
  readonly kind: Kind
  left: number
}

export interface Around {
  readonly scheduler: Scheduler
  readonly hosts: readonly Host[]
  readonly server: AuthorizationServer
  readonly database: Database
  readonly databaseClock: { jump(seconds: number): void }
  /** Ends the statements that are on their way. */
  cutStatements(of: Host | undefined): void
}

/** Limits the kinds for a test. */
export interface FaultOptions {
  readonly kinds?: readonly Kind[]
  readonly fates?: readonly Fate[]
  /** Faults at most. */
  readonly most?: number
}

export class Faults implements Mischief {
  readonly counts: Record<string, number> = {}
  around!: Around
  readonly #scheduler: Scheduler
  readonly #kinds: readonly Kind[]
  readonly #fates: readonly Fate[]
  readonly #likely: number
  readonly #planned: readonly Planned[]
  #left: number

  constructor(scheduler: Scheduler, options: FaultOptions) {
    const { kinds = KINDS, fates = FATES, most = 5 } = options
    this.#scheduler = scheduler
    this.#kinds = kinds.filter(() => scheduler.chance(0.4))
    this.#fates = fates.filter(() => scheduler.chance(0.4))
    this.#likely = scheduler.between(0.001, 0.03)
    this.#left = scheduler.below(most + 1)
    this.#planned = Array.from({ length: this.#kinds.length === 0 ? 0 : scheduler.below(3) }, () => ({
      label: scheduler.pick(CRITICAL),
      isDone: scheduler.chance(0.5),
      kind: scheduler.pick(this.#kinds),
      left: 1 + scheduler.below(3),
    }))
  }

  /** Nothing goes wrong any more. */
  end(): void {
    this.#left = 0
  }

  strike(process: Process, label: string, isDone: boolean, undo?: () => void): void {
    if (this.#left === 0 || this.#kinds.length === 0) return
    const planned = this.#planned.find((one) => one.label === label && one.isDone === isDone)
    const isNow = planned !== undefined && --planned.left === 0
    if (!isNow && !this.#scheduler.chance(this.#likely * (CRITICAL.includes(label) ? 4 : 1))) return
    const kind = isNow ? planned.kind : this.#scheduler.pick(this.#kinds)
    this.#left--
    this.counts[kind] = (this.counts[kind] ?? 0) + 1
    this.#scheduler.note(`FAULT ${kind} ${isDone ? 'after' : 'before'} ${label}`, process)
    this.#do(kind, process, undo)
  }

  fate(): Fate {
    if (this.#left === 0 || this.#fates.length === 0 || !this.#scheduler.chance(0.2)) return 'answered'
    const fate = this.#scheduler.pick(this.#fates)
    this.#left--
    this.counts[fate] = (this.counts[fate] ?? 0) + 1
    this.#scheduler.note(`FAULT the next request: ${fate}`)
    return fate
  }

  #do(kind: Kind, process: Process, undo?: () => void): void {
    const { scheduler, database } = this.around
    const { host } = process
    // Half of them are longer than a lease.
    const ms = scheduler.chance(0.5) ? scheduler.between(200, 20_000) : scheduler.between(20_000, 120_000)
    switch (kind) {
      case 'kill':
        process.isAlive = false
        break
      case 'stop':
        process.stop(ms)
        break
      case 'suspend':
        for (const one of host.processes) if (one.isAlive) one.stop(ms)
        break
      case 'power cut':
        for (const one of host.processes) one.isAlive = false
        host.clocks.reboot()
        if (scheduler.chance(0.5)) undo?.()
        break
      case 'disk lost':
        for (const one of host.processes) one.isAlive = false
        host.loseDisk()
        break
      case 'disk full':
        host.isFull = true
        scheduler.after(ms, `${host.name} has room again`, undefined, () => {
          host.isFull = false
        })
        break
      case 'lock removed':
        host.lock = { holder: undefined }
        break
      case 'clock jump':
        host.clocks.jump(this.#seconds())
        break
      case 'database clock jump':
        this.around.databaseClock.jump(this.#seconds())
        break
      case 'database cut off':
        host.cut.database = scheduler.now + ms
        host.isSilent = scheduler.chance(0.5)
        if (!host.isSilent) this.around.cutStatements(host)
        break
      case 'server cut off':
        host.cut.network = scheduler.now + ms
        break
      default:
        if (kind === 'fail-over') database.putBack(1 + scheduler.below(4), true)
        else if (kind === 'restore') database.putBack(1 + scheduler.below(20), false)
        else database.restart()
        database.downUntil = scheduler.now + (scheduler.chance(0.5) ? 0 : scheduler.between(100, 30_000))
        this.around.cutStatements(undefined)
    }
  }

  #seconds(): number {
    return Math.round(this.#scheduler.between(1, 100_000)) * (this.#scheduler.chance(0.5) ? 1 : -1)
  }
}
