// A process's connection to the simulated database: one statement after the other, each with a limit, and anything may
// be lost on the way. Once something has failed, the next statement has a new connection.
import { StoreUnreachable } from '../../src/core/errors.js'
import type { Holding, KeptAnswer, Registry, Seen, SeenLease } from '../../src/store/postgres/registry.js'
import { attempt, type Process } from './host.js'
import type { Database, Statements } from './registry.js'

const ANSWER_MS = 5_000
const CONNECT_MS = 15_000

/** The way to the database. */
export interface Wire {
  readonly database: Database
  /** How likely one way takes long. */
  readonly slow: number
  /** Whether a statement of this process arrives at this moment: `refused` is told, `silent` is not. */
  reach(process: Process): 'open' | 'refused' | 'silent'
  /** Ends a statement that is on its way, and whose it is. */
  readonly flying: Map<(why: string) => void, Process>
  /** Sees each statement as the database executes it. */
  executed(process: Process, name: keyof Statements, result: unknown): void
  executes(process: Process, name: keyof Statements, values: readonly unknown[]): void
}

function notSimulated(): Promise<never> {
  return Promise.reject(new Error('no move is simulated'))
}

export class SimulatedRegistry implements Registry {
  readonly name = 'postgres://db.example/hq'
  readonly #process: Process
  readonly #wire: Wire
  #isOpen = false
  #isBusy = false
  readonly #waiting: (() => void)[] = []

  constructor(process: Process, wire: Wire) {
    this.#process = process
    this.#wire = wire
  }

  look(): Promise<Seen | undefined> {
    return this.#ask('look', [])
  }
  migrate(): Promise<void> {
    return Promise.resolve()
  }
  take(
    ...values: [Pick<SeenLease, 'term' | 'beat'>, Omit<Holding, 'term'>, number]
  ): Promise<Seen | undefined> {
    return this.#ask('take', values)
  }
  beat(holding: Holding): Promise<boolean> {
    return this.#ask('beat', [holding])
  }
  release(holding: Holding): Promise<void> {
    return this.#ask('release', [holding])
  }
  note(...values: Parameters<Registry['note']>): Promise<boolean> {
    return this.#ask('note', values)
  }
  closeForMove(): Promise<boolean> {
    return notSimulated()
  }
  reopen(): Promise<boolean> {
    return notSimulated()
  }
  receive(): Promise<boolean> {
    return notSimulated()
  }
  saveLogin(...values: Parameters<Registry['saveLogin']>): Promise<boolean> {
    return this.#ask('saveLogin', values)
  }
  pin(...values: Parameters<Registry['pin']>): Promise<boolean> {
    return this.#ask('pin', values)
  }
  land(...values: Parameters<Registry['land']>): Promise<boolean> {
    return this.#ask('land', values)
  }
  keep(answer: KeptAnswer, timeoutMs: number): Promise<void> {
    return this.#ask('keep', [answer, timeoutMs], timeoutMs)
  }
  answers(): Promise<readonly KeptAnswer[]> {
    return this.#ask('answers', [])
  }
  drop(...values: Parameters<Registry['drop']>): Promise<void> {
    return this.#ask('drop', values)
  }
  forget(...values: Parameters<Registry['forget']>): Promise<boolean> {
    return this.#ask('forget', values)
  }
  history(): ReturnType<Registry['history']> {
    return this.#ask('history', [])
  }
  close(): Promise<void> {
    return Promise.resolve()
  }

  #ask<Name extends keyof Statements>(
    name: Name,
    values: Parameters<Statements[Name]>,
    timeoutMs = ANSWER_MS,
  ): Promise<ReturnType<Statements[Name]>> {
    return new Promise((resolve, reject) => {
      const begin = (): void => {
        this.#isBusy = true
        this.#send(name, values, timeoutMs, (error, result) => {
          this.#isBusy = false
          if (error === undefined) resolve(result as ReturnType<Statements[Name]>)
          else reject(error)
          this.#waiting.shift()?.()
        })
      }
      if (this.#isBusy) this.#waiting.push(begin)
      else begin()
    })
  }

  #send<Name extends keyof Statements>(
    name: Name,
    values: Parameters<Statements[Name]>,
    timeoutMs: number,
    settle: (error: Error | undefined, result?: unknown) => void,
  ): void {
    const { scheduler } = this.#process
    const wire = this.#wire
    let isOver = false
    let isCut = false
    const end = (error: Error | undefined, result?: unknown): void => {
      if (isOver) return
      isOver = true
      wire.flying.delete(fail)
      if (error !== undefined) this.#process.host.troubledAt = scheduler.now
      this.#isOpen = error === undefined
      settle(error, result)
    }
    const fail = (why: string): void => {
      isCut = true
      const error = new StoreUnreachable(`${this.name}: ${why}`)
      scheduler.after(this.#takes(), `${name}: ${why}`, this.#process, () => {
        end(error)
      })
    }
    wire.flying.set(fail, this.#process)
    const limit = this.#isOpen ? timeoutMs : CONNECT_MS
    scheduler.after(limit, '', this.#process, () => {
      end(new StoreUnreachable(`${this.name} did not answer within ${limit / 1000} s`))
    })
    this.#process.strike(name, false)
    scheduler.after(this.#takes() * (this.#isOpen ? 1 : 3), '', undefined, () => {
      // The client has closed the connection: the database may have read the statement, or not.
      if (isCut || (isOver && scheduler.chance(0.5))) return
      const reach = wire.reach(this.#process)
      if (reach === 'refused') fail('connection refused')
      if (reach !== 'open') return
      this.#execute(name, values, (result) => {
        scheduler.after(this.#takes(), name, this.#process, () => {
          if (isCut) return
          if ('error' in result) end(result.error)
          else end(undefined, result.value)
        })
      })
    })
  }

  #execute<Name extends keyof Statements>(
    name: Name,
    values: Parameters<Statements[Name]>,
    answer: (result: ReturnType<typeof attempt<unknown>>) => void,
  ): void {
    const { database } = this.#wire
    const statement = database[name].bind(database) as (...values: unknown[]) => unknown
    this.#wire.executes(this.#process, name, values)
    const result = attempt(() => statement(...values))
    this.#process.scheduler.note(`the database does ${name}`, this.#process)
    this.#wire.executed(this.#process, name, 'value' in result ? result.value : undefined)
    answer(result)
    this.#process.strike(name, true)
  }

  #takes(): number {
    return this.#process.takes('database', this.#wire.slow)
  }
}
