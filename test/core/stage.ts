import type { ClockReading } from '../../src/core/clock.js'
import { TokenGuard } from '../../src/core/guard.js'
import type { TokenGuardOptions } from '../../src/core/guard-options.js'
import { Logins } from '../../src/core/logins.js'
import { expiryPolicy } from '../../src/core/policy.js'
import type { Notice } from '../../src/core/ports.js'
import type { TokenSet } from '../../src/core/token-set.js'
import { FakeServer } from '../support/fake-server.js'
import { MemoryStore } from '../support/memory-store.js'
import { ISSUED, moment, tokenSet } from '../support/token-sets.js'

/** A process that is killed at an event. */
export class Died extends Error {}

/** Everything around the core: one machine's clock and disk, one server, and a log of what happened. */
export class Stage {
  readonly log: string[] = []
  readonly notices: Notice[] = []
  /** The clock; `pass` moves it. */
  at: ClockReading = moment()
  /** Milliseconds slept, one after another. */
  readonly slept: number[] = []
  /** The process dies instead of doing what would be its n-th event, from 0 on. */
  diesAt = Infinity
  readonly store: MemoryStore
  readonly server: FakeServer

  /** @param set `null`: an empty store. */
  constructor(set: TokenSet | null = tokenSet()) {
    const event = (name: string): void => {
      if (this.log.length >= this.diesAt) throw new Died(name)
      this.log.push(name)
    }
    this.store = new MemoryStore(event).put(set ?? undefined)
    this.server = new FakeServer(this.clock, [], event)
  }

  readonly clock = (): ClockReading => this.at

  readonly notify = (notice: Notice): void => {
    this.notices.push(notice)
  }

  readonly sleep = (ms: number): Promise<void> => {
    this.slept.push(ms)
    return Promise.resolve()
  }

  /** Seconds go by, on both clocks. */
  pass(seconds: number): this {
    this.at = { ...this.at, now: this.at.now + seconds, uptime: this.at.uptime + seconds }
    return this
  }

  /** A process of its own: another guard on the same store and server. */
  guard(options: Partial<TokenGuardOptions> = {}): TokenGuard {
    const { store, server, clock, notify, sleep } = this
    return new TokenGuard({ store, server, clock, notify, sleep, policy: POLICY, ...options })
  }

  /** A process of its own that a person logs in with. */
  logins(options: Partial<TokenGuardOptions> = {}): Logins {
    const { store, server, clock, notify, sleep } = this
    return new Logins({ store, server, clock, notify, sleep, policy: POLICY, ...options })
  }

  async stored(): Promise<TokenSet> {
    const set = await this.store.read()
    if (set === undefined) throw new Error('the store is empty')
    return set
  }

  get warnings(): string[] {
    return this.notices.map(({ message }) => message)
  }
}

/** Due in the last tenth of the life, expired in the last minute. */
export const POLICY = expiryPolicy({ percent: 10 }, 60)

/** Ages of a token of 3600 s under `POLICY`. */
export const FRESH = 600
export const DUE = 3400
export const EXPIRED = 3600

export { ISSUED }
