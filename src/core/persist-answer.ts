// Brings an answer of the token endpoint to disk before it is read, and into the store before anybody hears of it.
// Does no I/O except through its ports.
import type { Clock } from './clock.js'
import { StoreUnreachable } from './errors.js'
import { outcomeOf, type Outcome } from './outcome.js'
import type { AuthorizationServer, Notice, RawAnswer } from './ports.js'
import type { HeldStore, HistoryEntry, Landed, Rescued } from './store-ports.js'
import type { TokenSet } from './token-set.js'
import type { Tokens } from './transitions.js'

/** Milliseconds to keep trying to save a new pair that is in memory only. */
const CLING_MS = 30_000
/** Milliseconds that an exchange lasts at most: its requests, and the save. */
export function longest(requestsMs: number): number {
  return requestsMs + CLING_MS + 5_000
}

/** Seconds between two clocks that are worth a warning; longer than an exchange lasts. */
export const CLOCK_SKEW = 120

export interface PersistenceParts {
  readonly server: AuthorizationServer
  readonly clock: Clock
  readonly sleep: (ms: number) => Promise<void>
  readonly notify: (notice: Notice) => void
}

/**
 * Persists one answer of the token endpoint: the bytes to disk first, then the tokens to the store. Runs under the
 * store's lock.
 */
export class AnswerPersistence {
  readonly #held: HeldStore
  readonly #parts: PersistenceParts
  readonly #said = new Set<string>()

  constructor(held: HeldStore, parts: PersistenceParts) {
    this.#held = held
    this.#parts = parts
  }

  /**
   * Writes the bytes to disk; nothing may read them before. Returns whether they are kept: false if there are none.
   */
  async keep(record: Rescued): Promise<boolean> {
    if (record.answer.body.byteLength === 0) return false
    try {
      await this.#held.rescue.keep(record)
      return true
    } catch {
      // Only the store itself is left now; if that fails too, `save` tells the caller.
      this.warn(
        'the server’s answer could be written neither to the rescue file nor to any other place',
        'look at the disk of the store',
      )
      return false
    }
  }

  async read(answer: RawAnswer): Promise<Outcome> {
    const { server, clock } = this.#parts
    // Treat a failing reader as an unreadable answer: the bytes are on disk, and the doubt is recorded.
    const reading = await server.read(answer).catch(() => ({ kind: 'unreadable', salvaged: null }) as const)
    return outcomeOf(answer, reading, clock().now)
  }

  /**
   * Lands the new set, and drops the answers that it makes worthless.
   *
   * @param kept Whether the answer is on disk: a store that cannot be written then costs nothing, because the next
   *   run finishes from the rescue file.
   * @param drops Whether no kept answer is worth more than this set.
   * @returns `unsaved`: why the pair is in the rescue file only; nothing may be spent until it is saved.
   */
  async land(
    next: TokenSet,
    after: number,
    entry: HistoryEntry,
    record: Rescued,
    kept: boolean,
    drops = true,
  ): Promise<Landed | { readonly unsaved: Error }> {
    let landed: Landed
    for (const giveUp = performance.now() + CLING_MS; ;) {
      try {
        landed = await this.#held.land(next, after, entry)
        break
      } catch (error) {
        if (kept || (await this.keep(record))) {
          const why = error instanceof Error ? error.message : 'the store could not be written'
          this.warn(
            `the new token pair is in the rescue file only: ${why}`,
            error instanceof StoreUnreachable
              ? 'the next `hq-token get` on this machine finishes the save'
              : 'repair the store or its disk; the next `hq-token get` finishes the save',
          )
          return { unsaved: error instanceof Error ? error : new Error(why) }
        }
        if (performance.now() >= giveUp) throw error
        await this.#parts.sleep(500)
      }
    }
    // An answer whose pair came second is the only copy of it.
    if (drops && typeof landed === 'string')
      await this.#held.rescue.drop(({ generation }) => generation < next.generation)
    this.#compareClocks(record.answer)
    return landed
  }

  /** @param defaultLifetime Seconds that count where the server says nothing usable. */
  warnOf({ isRefreshTokenUnusable, isLifetimeUnusable }: Tokens, defaultLifetime: number): void {
    const { server } = this.#parts
    if (isRefreshTokenUnusable === true)
      this.warn(
        `${server.host} sent a new refresh token that cannot be used; hq-token keeps the old refresh token, and the answer in the rescue file`,
        'if the server has ended the old refresh token, a person must log in: hq-token login',
      )
    if (isLifetimeUnusable === true)
      this.warn(
        `${server.host} does not say in a usable form how long the access token lives; hq-token assumes ${defaultLifetime} s`,
        'set default_lifetime in [refresh] to what the server issues',
      )
  }

  /** Warns once for each message. A listener that throws must not cost a token. */
  warn(message: string, hint: string): void {
    if (this.#said.has(message)) return
    this.#said.add(message)
    try {
      this.#parts.notify({ level: 'warning', message, hint })
    } catch {
      // A closed log is no reason to stop between the answer and the save.
    }
  }

  /** Warns about a wrong clock, because the machine would take good tokens for expired ones. Does nothing else. */
  #compareClocks({ date, sentAt }: RawAnswer): void {
    const ahead = sentAt.now - Math.floor(Date.parse(date ?? '') / 1000)
    if (Math.abs(ahead) > CLOCK_SKEW)
      this.warn(
        `this machine’s clock is ${Math.abs(ahead)} s ${ahead > 0 ? 'ahead of' : 'behind'} the server’s`,
        'check the time synchronisation of this machine',
      )
  }
}
