// The database, as one process reaches it over a network: statements that are lost, late or done without a word.
import { StoreUnreachable } from '../../src/core/errors.js'
import type { Discovered } from '../../src/core/ports.js'
import type { HistoryEntry, PendingLogin } from '../../src/core/store-ports.js'
import type { TokenSet } from '../../src/core/token-set.js'
import type { Holding, KeptAnswer, Registry, Seen, SeenLease } from '../../src/store/postgres/registry.js'
import type { Database } from './database.js'
import type { Host, HostProcess, World } from './world.js'

/** No schedule moves a set to another store. */
export const unmoved = (): Promise<never> => Promise.reject(new Error('no schedule moves a set'))

/** No schedule tells people of trouble. */
export const untold = (): Promise<never> => Promise.reject(new Error('no schedule tells people'))

/** Milliseconds after which a client no longer waits for an answer. */
const STATEMENT_MS = 5_000
/** Milliseconds after which it no longer waits for a connection. */
const CONNECT_MS = 15_000

/** A statement on its way to the database or back. */
export interface Flight {
  readonly host: Host
  /** The connection is reset: the client hears that at once. @param isDone Whether the database has got it. */
  readonly cut: (isDone: boolean) => void
}

export class SimulatedRegistry implements Registry {
  readonly name = 'postgres://db.example/hq'
  readonly #world: World
  readonly #database: Database
  readonly #process: HostProcess
  readonly #host: Host

  constructor(world: World, process: HostProcess) {
    this.#world = world
    this.#database = world.database
    this.#process = process
    this.#host = process.host
  }

  look(): Promise<Seen> {
    return this.#run('look', () => this.#database.look())
  }

  migrate(): Promise<void> {
    return Promise.resolve()
  }

  take(
    seen: Pick<SeenLease, 'term' | 'beat'>,
    holder: Omit<Holding, 'term'>,
    leaseMs: number,
  ): Promise<Seen | undefined> {
    return this.#run('take', () => {
      const before = this.#database.row.lease
      const taken = this.#database.take(seen, holder, leaseMs)
      if (taken !== undefined) this.#world.rules.tookLease(this.#process, before, taken.lease)
      return taken
    })
  }

  beat(holding: Holding): Promise<boolean> {
    return this.#signing('beat', () => this.#database.beat(holding))
  }

  async release(holding: Holding): Promise<void> {
    await this.#run('release', () => {
      if (this.#database.release(holding)) this.#world.rules.gaveBackLease(this.#process)
    })
  }

  note(holding: Holding, generation: number, next: TokenSet, entry: HistoryEntry): Promise<boolean> {
    return this.#signing(`note (${entry.outcome})`, () =>
      this.#saving(() => this.#database.note(holding, generation, next, entry)),
    )
  }

  saveLogin(holding: Holding, login: PendingLogin | null): Promise<boolean> {
    return this.#signing('save the login', () => this.#database.saveLogin(holding, login))
  }

  pin(holding: Holding, discovered: Discovered): Promise<boolean> {
    return this.#signing('save the endpoints', () => this.#database.pin(holding, discovered))
  }

  land(
    by: Omit<Holding, 'term'>,
    seen: { readonly generation: number; readonly grant: string | null | undefined },
    next: TokenSet,
    entry: HistoryEntry,
  ): Promise<boolean> {
    return this.#run('land', () => this.#saving(() => this.#database.land(by, seen, next, entry)))
  }

  keep(answer: KeptAnswer, timeoutMs: number): Promise<void> {
    return this.#run(
      'keep',
      () => {
        this.#database.keep(answer)
        this.#world.rules.keptInDatabase()
      },
      timeoutMs,
    )
  }

  answers(): Promise<readonly KeptAnswer[]> {
    return this.#run('read the answers', () => this.#database.row.answers)
  }

  drop(answers: readonly Pick<KeptAnswer, 'bytes'>[], generation: number): Promise<void> {
    return this.#run('drop answers in the database', () => {
      this.#saving(() => {
        this.#database.drop(answers, generation)
      })
    })
  }

  forget(holding: Holding, generation: number, entry: HistoryEntry | null): Promise<boolean> {
    return this.#signing('forget', () => this.#database.forget(holding, generation, entry))
  }

  history(): Promise<readonly HistoryEntry[]> {
    return this.#run('read the history', () => this.#database.history())
  }

  close(): Promise<void> {
    return Promise.resolve()
  }

  readonly closeForMove = unmoved
  readonly reopen = unmoved
  readonly receive = unmoved
  readonly alerts = untold
  readonly saveAlert = untold

  #saving<T>(work: () => T): T {
    const before = this.#database.row
    const result = work()
    this.#world.rules.saved(this.#process, before, this.#database.row)
    return result
  }

  #signing(name: string, work: () => boolean): Promise<boolean> {
    return this.#run(name, () => {
      const isHeld = work()
      if (isHeld) this.#world.rules.gaveSign()
      return isHeld
    })
  }

  /** @throws {StoreUnreachable} nothing happened, or its outcome is unknown */
  #run<T>(name: string, work: () => T, timeoutMs = STATEMENT_MS): Promise<T> {
    const { scheduler, latency, network } = this.#world
    const process = this.#process
    const host = this.#host
    return new Promise((resolve, reject) => {
      const fate = network.fateOf(host)
      let isSettled = false
      let isCut = false
      const settle = (what: string, finish: () => void): void => {
        process.deliver(() => {
          if (isSettled) return
          isSettled = true
          network.flights.delete(flight)
          if (scheduler.trace !== undefined) process.say(`${name}: ${what}`)
          finish()
        })
      }
      const fail = (why: string): void => {
        settle(why, () => {
          reject(new StoreUnreachable(`the database ${why}`))
        })
      }
      const failsAfter = (why: string, ms: number): void => {
        scheduler.after(ms, () => {
          fail(why)
        })
      }
      const arrive = (answer: (result: T) => void): void => {
        if (isCut || !network.isUp) return
        if (scheduler.trace !== undefined) scheduler.say('database', `${name} of ${process.name}`)
        answer(work())
      }
      const flight: Flight = {
        host,
        cut: (isDone) => {
          if (!isDone) isCut = true
          fail('has closed the connection')
        },
      }
      network.flights.add(flight)
      const back = (result: T): void => {
        const ms = latency('database')
        if (scheduler.now < host.silentUntil) {
          failsAfter('does not answer', timeoutMs)
          return
        }
        scheduler.after(ms, () => {
          settle('done', () => {
            resolve(result)
          })
        })
      }
      switch (fate) {
        case 'refused':
          failsAfter('refuses connections', latency('database'))
          return
        case 'silent':
          failsAfter('does not answer', this.#world.random.chance(0.5) ? timeoutMs : CONNECT_MS)
          // What was sent may still arrive once the network is back.
          if (this.#world.random.chance(0.5))
            scheduler.after(host.silentUntil - scheduler.now + latency('database'), () => {
              arrive(() => undefined)
            })
          return
        case 'is lost':
          failsAfter('has closed the connection', latency('database') * 2)
          return
        case 'is done without a word':
          scheduler.after(latency('database'), () => {
            arrive(() => {
              failsAfter('has closed the connection', latency('database'))
            })
          })
          return
        case 'comes late': {
          const ms = this.#world.random.scaled(500, 60_000)
          if (ms > timeoutMs) failsAfter('does not answer in time', timeoutMs)
          scheduler.after(ms, () => {
            arrive(back)
          })
          return
        }
        case undefined:
          scheduler.after(latency('database'), () => {
            arrive(back)
          })
      }
    })
  }
}
