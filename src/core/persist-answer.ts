import type { Clock } from './clock.js'
import { outcomeOf, type Outcome } from './outcome.js'
import type { AuthorizationServer, Notice, RawAnswer } from './ports.js'
import type { HeldStore, HistoryEntry, Rescued } from './store-ports.js'
import type { TokenSet } from './token-set.js'
import type { Tokens } from './transitions.js'

/** Milliseconds to go on trying when a new pair is in memory only. */
const CLING_MS = 30_000
/** Milliseconds that an exchange lasts at most: what its requests take, and the save. */
export function longest(requestsMs: number): number {
  return requestsMs + CLING_MS + 5_000
}

/** Seconds between two clocks that are worth a warning; more than an exchange lasts. */
export const CLOCK_SKEW = 120

export interface PersistenceParts {
  readonly server: AuthorizationServer
  readonly clock: Clock
  readonly sleep: (ms: number) => Promise<void>
  readonly notify: (notice: Notice) => void
}

/**
 * How an answer of the token endpoint comes down: on disk before anybody looks at it, in the store
 * before anybody hears of it. Under the store's lock.
 */
export class AnswerPersistence {
  readonly #held: HeldStore
  readonly #parts: PersistenceParts
  readonly #said = new Set<string>()

  constructor(held: HeldStore, parts: PersistenceParts) {
    this.#held = held
    this.#parts = parts
  }

  /** Bytes first: nothing may look at an answer that is not on disk. Answers nothing where there are no bytes. */
  async keep(record: Rescued): Promise<boolean> {
    if (record.answer.body.byteLength === 0) return false
    try {
      await this.#held.rescue.keep(record)
      return true
    } catch {
      // The store itself is the last place left; `save` tells the caller if that fails too.
      this.warn(
        'the server’s answer could not be written to the rescue file nor to any other place',
        'look at the disk of the store',
      )
      return false
    }
  }

  async read(answer: RawAnswer): Promise<Outcome> {
    const { server, clock } = this.#parts
    // Whatever its reader stumbles on, the answer is on disk and the doubt is noted.
    const reading = await server.read(answer).catch(() => ({ kind: 'unreadable', salvaged: null }) as const)
    return outcomeOf(answer, reading, clock().now)
  }

  /**
   * Saves what an answer brought, and scrubs the rescue file.
   *
   * @param kept Whether the answer is on disk already: then a store that cannot be written costs
   *   nothing, since the next run finishes from the rescue file.
   * @param scrubs Whether nothing that was kept is worth more than what is saved now.
   * @returns Why the pair is in the rescue file only: until it is saved nothing may be spent.
   */
  async save(
    next: TokenSet,
    after: number,
    entry: HistoryEntry,
    record: Rescued,
    kept: boolean,
    scrubs = true,
  ): Promise<Error | undefined> {
    for (const giveUp = performance.now() + CLING_MS; ;) {
      try {
        await this.#held.save(next, after, entry)
        break
      } catch (error) {
        if (kept || (await this.keep(record))) {
          const why = error instanceof Error ? error.message : 'the store could not be written'
          this.warn(
            `the new token pair is in the rescue file only: ${why}`,
            'mend the store or its disk; the next `hq-token get` finishes the save',
          )
          return error instanceof Error ? error : new Error(why)
        }
        if (performance.now() >= giveUp) throw error
        await this.#parts.sleep(500)
      }
    }
    if (scrubs) await this.#held.rescue.scrub()
    this.#compareClocks(record.answer)
    return undefined
  }

  /** @param defaultLifetime Seconds that count where the server says nothing usable. */
  warnOf({ isRefreshTokenUnusable, isLifetimeUnusable }: Tokens, defaultLifetime: number): void {
    const { server } = this.#parts
    if (isRefreshTokenUnusable === true)
      this.warn(
        `${server.host} sent a new refresh token that cannot be used; the one before stays, and the answer is kept in the rescue file`,
        'a person must log in if the server has ended the one before: hq-token login',
      )
    if (isLifetimeUnusable === true)
      this.warn(
        `${server.host} says nothing usable on how long the access token lives; it counts as ${defaultLifetime} s`,
        'set default_lifetime in [refresh] to what the server issues',
      )
  }

  /** Once each; and whoever listens may fail without costing a token. */
  warn(message: string, hint: string): void {
    if (this.#said.has(message)) return
    this.#said.add(message)
    try {
      this.#parts.notify({ level: 'warning', message, hint })
    } catch {
      // A log that is closed is no reason to stop between the answer and the save.
    }
  }

  /** A machine whose clock is wrong takes good tokens for expired ones; nothing but a warning follows from it. */
  #compareClocks({ date, sentAt }: RawAnswer): void {
    const ahead = sentAt.now - Math.floor(Date.parse(date ?? '') / 1000)
    if (Math.abs(ahead) > CLOCK_SKEW)
      this.warn(
        `this machine’s clock is ${Math.abs(ahead)} s ${ahead > 0 ? 'ahead of' : 'behind'} the server’s`,
        'check the time synchronisation of this machine',
      )
  }
}
