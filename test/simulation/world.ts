// A world: hosts that share a token set, what they do, and what goes wrong, all drawn from one seed. In the end
// everything is healed, and each host asks for a token.
import type { TokenError } from '../../src/core/errors.js'
import type { TokenStore } from '../../src/core/store-ports.js'
import type { AuthorizationServer, Family, Issued, Repetition } from './authorization-server.js'
import { Commands, COMMANDS, type Command } from './commands.js'
import type { Faults } from './faults.js'
import type { Host, Process } from './host.js'
import { Violation, type Scheduler } from './scheduler.js'
import type { Fate, Sent } from './token-requests.js'

/** Milliseconds after which a command that has not ended is stuck. */
const STUCK_MS = 3_600_000
/** Rounds in which each host asks for a token in the end, five minutes apart: a pause after a refusal lasts an hour. */
const ROUNDS = 30
const BETWEEN_ROUNDS_MS = 300_000

/** The store of a world, and its rules. */
export interface Protocol {
  readonly hosts: readonly Host[]
  open(process: Process): TokenStore
  sent(process: Process, token: string): Sent
  /** Whether nothing could tell this process of the logout of a family. */
  isExcused(process: Process, family: Family): boolean
  /** A process has ended by itself. */
  ended(process: Process): void
  /** Whether a pair came to a place that still exists. */
  has(refresh: string): boolean
  /** The refresh token that stands in the store. */
  stored(): string | undefined
  /** The family of the pair that was saved last, be it put back since. */
  newest(): Family | undefined
  /** Seconds by which its own clocks have jumped. */
  skew(): number
  /** True time at which it was last put back; 0 if never. */
  restoredAt(): number
}

export class World {
  readonly #scheduler: Scheduler
  readonly #server: AuthorizationServer
  readonly #faults: Faults
  readonly #protocol: Protocol
  readonly #commands: Commands

  constructor(
    scheduler: Scheduler,
    server: AuthorizationServer,
    faults: Faults,
    protocol: Protocol,
    slow: number,
  ) {
    this.#scheduler = scheduler
    this.#server = server
    this.#faults = faults
    this.#protocol = protocol
    const fate = (process: Process): Fate => {
      const { cut } = process.host
      if (cut.network > scheduler.now) return scheduler.chance(0.5) ? 'refused' : 'request lost'
      return faults.fate()
    }
    this.#commands = new Commands({
      ...{ scheduler, server, mischief: faults },
      uplink: { server, slow, fate, sent: (process, token) => protocol.sent(process, token) },
      open: (process) => protocol.open(process),
      skew: () => protocol.skew(),
      isExcused: (process, family) => protocol.isExcused(process, family),
      ended: (process) => {
        protocol.ended(process)
      },
    })
  }

  /** @returns What was violated. */
  async run(): Promise<string | undefined> {
    try {
      await this.#work()
      this.#faults.end()
      this.#heal()
      await this.#askInTheEnd()
      return undefined
    } catch (error) {
      return error instanceof Violation ? error.message : (error as Error).stack
    }
  }

  /** Waves of commands, each when the token of the one before is about to end. */
  async #work(): Promise<void> {
    const scheduler = this.#scheduler
    const waves = 1 + scheduler.below(3)
    for (let wave = 0; wave < waves; wave++) {
      const spread = scheduler.pick([50, 2_000, 40_000])
      const count = 1 + scheduler.below(5)
      for (let left = count; left > 0; left--) {
        const host = scheduler.pick(this.#protocol.hosts)
        const command = this.#drawCommand()
        scheduler.after(scheduler.draw() * spread, '', undefined, () => {
          this.#commands.start(host, command)
        })
      }
      await this.#until(spread)
      const { lifetime } = this.#server
      await this.#pass(scheduler.pick([0, lifetime * 0.9, lifetime, lifetime]) * 1000)
    }
  }

  #drawCommand(): Command {
    const scheduler = this.#scheduler
    return scheduler.chance(0.6) ? 'get' : scheduler.pick(COMMANDS)
  }

  #heal(): void {
    for (const host of this.#protocol.hosts) {
      host.cut.database = host.cut.network = 0
      host.isFull = false
    }
  }

  async #askInTheEnd(): Promise<void> {
    const scheduler = this.#scheduler
    await this.#pass(this.#server.lifetime * 1000 + 60_000)
    let results: Result[] = []
    for (let round = 0; round < ROUNDS; round++) {
      results = []
      for (const host of this.#protocol.hosts) {
        const told = (result: Family | TokenError): void => {
          results.push({ host, result })
        }
        scheduler.after(scheduler.draw() * 2_000, '', undefined, () => {
          this.#commands.start(host, 'get', told)
        })
      }
      await this.#until(2_000)
      if (this.#areServed(results) || this.#commands.logouts > 0) return
      if (this.#expected() === undefined) return
      await this.#pass(BETWEEN_ROUNDS_MS)
    }
    const leaf = this.#expected()
    const why = results.map(({ host, result }) => `${host.name}: ${describe(result)}`).join('; ')
    throw new Violation(`${leaf?.refresh} lives and was kept, and not every host is served: ${why}`)
  }

  #areServed(results: readonly Result[]): boolean {
    for (const { host, result } of results) {
      if (!('number' in result) || result.isOver) return false
      const later = this.#commands.logins.find(({ family }) => family === result)
      const own = later?.ended ?? result.all[0]?.at ?? 0
      const newer = this.#commands.logins.find(({ begun, family }) => begun > own && family !== result)
      if (newer !== undefined && newer.begun > this.#protocol.restoredAt())
        throw new Violation(
          `${host.name} is served of family ${result.number}, and a person has begun ${newer.family.number} since`,
        )
    }
    return results.length === this.#protocol.hosts.length
  }

  /** A refresh token that the server would take, and that a host could know. */
  #expected(): Issued | undefined {
    const stored = this.#protocol.stored()
    const family = stored === undefined ? undefined : this.#server.find(stored)?.family
    // The database has forgotten a login: nobody but a person can tell which of the two lives is meant.
    if (family === undefined || family.isOver || family !== this.#protocol.newest()) return undefined
    return family.all.find(
      (one) => one.usedAt === undefined && !one.isReplaced && this.#protocol.has(one.refresh),
    )
  }

  async #pass(ms: number): Promise<void> {
    let isOver = false
    this.#scheduler.after(ms, '', undefined, () => {
      isOver = true
    })
    await this.#scheduler.run(() => isOver)
  }

  /** Until every command has ended. @param startMs When the last one begins. */
  async #until(startMs: number): Promise<void> {
    await this.#pass(startMs)
    const limit = this.#scheduler.now + STUCK_MS + 2000 * this.#server.lifetime
    const commands = this.#commands
    await this.#scheduler.run(() => commands.areOver || this.#scheduler.now > limit)
    if (!commands.areOver) throw new Violation(`${commands.left.join(', ')} never ended`)
  }
}

interface Result {
  readonly host: Host
  readonly result: Family | TokenError
}

function describe(result: Family | TokenError): string {
  return 'number' in result ? `served of family ${result.number}` : `${result.code}: ${result.message}`
}

export const REPETITIONS: readonly Repetition[] = ['same', 'another', 'replaced']
