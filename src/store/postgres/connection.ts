// The connection to the database of a shared store: opened by the first query, and anew by the next one after a
// failure. Repeats neither a query nor a try to connect.
import { setTimeout as sleep } from 'node:timers/promises'
import { StoreUnreachable, TokenError, type ErrorDetails } from '../../core/errors.js'
import { loadPg, type Pg } from './pg-package.js'
import type { Queries, QueryOptions, QueryResult } from './queries.js'
import { Session } from './session.js'
import type { DatabaseHost, SharedStoreSettings } from './settings.js'

export interface ConnectionOptions {
  /**
   * Milliseconds to connect to one host. Default: 15 s, because a server starts its backends one after the other: if
   * many clients connect at once and each gives up early, none is served.
   */
  readonly connectMs?: number
  /** Milliseconds for an answer, unless a query says otherwise. Default: 5 s. */
  readonly answerMs?: number
  /** Milliseconds after which a session without a query ends. Default: 10 s. */
  readonly idleMs?: number
}

/** Milliseconds after which the next host is tried too, while the one before has said nothing. */
const NEXT_HOST_MS = 2_000

const IDLE_MS = 10_000

export class Connection implements Queries {
  readonly #settings: SharedStoreSettings
  readonly #options: ConnectionOptions
  #closing = new AbortController()
  #idle: NodeJS.Timeout | undefined
  #session: Session | undefined
  #last: Promise<unknown> = Promise.resolve()

  /** Connects to nothing. */
  constructor(settings: SharedStoreSettings, options: ConnectionOptions = {}) {
    this.#settings = settings
    this.#options = options
  }

  /**
   * Queries run one after the other. Each must be a transaction of its own, because after a failure the next one has
   * another session.
   */
  query(text: string, values?: readonly unknown[], options: QueryOptions = {}): Promise<QueryResult> {
    const { timeoutMs = this.#options.answerMs ?? 5_000 } = options
    clearTimeout(this.#idle)
    const result = this.#last.then(async () => (await this.#usable()).query(text, values, timeoutMs))
    this.#last = result.catch(none).then(() => {
      this.#endLater()
    })
    return result
  }

  /** Gives up connecting, waits for a query that runs, and ends the session. A later query opens another. */
  async close(): Promise<void> {
    clearTimeout(this.#idle)
    this.#closing.abort()
    await this.#last
    this.#closing = new AbortController()
    await this.#end()
  }

  /** A program that lives for months must not keep a backend of the server for a look now and then. */
  #endLater(): void {
    clearTimeout(this.#idle)
    this.#idle = setTimeout(() => {
      this.#last = this.#last.then(() => this.#end())
    }, this.#options.idleMs ?? IDLE_MS).unref()
  }

  async #end(): Promise<void> {
    const session = this.#session
    this.#session = undefined
    await session?.end().catch(() => undefined)
  }

  async #usable(): Promise<Session> {
    if (this.#closing.signal.aborted)
      throw new StoreUnreachable(`the connection to ${this.#settings.display} is closed`)
    return this.#session?.isOver === false
      ? this.#session
      : (this.#session = await this.#firstThatWrites(await loadPg()))
  }

  /** The first host that answers and can write. Each is tried if the one before has failed, or says nothing for a while. */
  async #firstThatWrites(pg: Pg): Promise<Session> {
    const over = new AbortController()
    const giveUp = (): void => {
      over.abort()
    }
    this.#closing.signal.addEventListener('abort', giveUp)
    const tries: Promise<Session>[] = []
    try {
      for (const host of this.#settings.hosts) {
        const latest = this.#try(pg, host, over)
        tries.push(latest)
        const pause = sleep(NEXT_HOST_MS, undefined, { ref: false })
        const first = await Promise.race([Promise.any(tries).catch(none), latest.catch(none), pause])
        if (first !== undefined) return first
      }
      return await Promise.any(tries)
    } catch (error) {
      throw error instanceof AggregateError ? this.#failure(error.errors) : error
    } finally {
      this.#closing.signal.removeEventListener('abort', giveUp)
    }
  }

  /** @param over Aborted by the first that is open: the others give up. */
  async #try(pg: Pg, host: DatabaseHost, over: AbortController): Promise<Session> {
    const { display, hosts } = this.#settings
    const where = hosts.length === 1 ? display : `${host.name}:${host.port}`
    const session = new Session(pg, this.#settings, host, where)
    await session.open(this.#options.connectMs ?? 15_000, over.signal)
    if (over.signal.aborted) {
      session.drop()
      throw new StoreUnreachable(`${where} is needed no more`)
    }
    over.abort()
    return session
  }

  /** One for all hosts: what a person must put right comes first. */
  #failure(errors: readonly unknown[]): unknown {
    const wrong = errors.find((error) => !(error instanceof StoreUnreachable))
    const first = wrong ?? errors[0]
    if (errors.length === 1 || !(first instanceof TokenError)) return first
    const told = wrong === undefined ? errors : [first]
    const Class = first.constructor as new (message: string, details: ErrorDetails) => TokenError
    const messages = told.map((error) => (error as Error).message)
    return new Class(`${this.#settings.display}: ${messages.join('; ')}`, {
      ...(first.hint !== undefined && { hint: first.hint }),
    })
  }
}

function none(): undefined {
  return undefined
}
