// Computes how a token set and its answers stand in the store that they were moved to. Pure.
import type { Counters, HistoryEntry, Rescued } from './store-ports.js'
import type { TokenSet } from './token-set.js'
import { left } from './transitions.js'

/**
 * How a set is numbered and called in the new store. Its counters go on from those of both stores, and its grant has
 * a new id, so that no late answer to the old store can be taken for one to the new.
 */
export class MovedSet {
  readonly #before: TokenSet
  readonly #generations: number
  readonly #events: number
  readonly #grant: string

  /**
   * @param before The set in the old store.
   * @param counters Of the new store.
   * @param grant The id of the grant in the new store.
   */
  constructor(before: TokenSet, counters: Counters, grant: string) {
    this.#before = before
    this.#generations = Math.max(before.generation, counters.generation) + 1 - before.generation
    this.#events = counters.sequence
    this.#grant = grant
  }

  /** @param replaced The set that it replaces; kept as the previous one. */
  set(replaced: TokenSet | undefined): TokenSet {
    const set = this.#before
    const intent = set.intent && left(set.intent)
    return {
      ...set,
      generation: set.generation + this.#generations,
      sequence: set.sequence + this.#events,
      grant: this.#grant,
      intent: intent && { ...intent, attempt: intent.attempt + this.#events },
      previous: replaced?.pair ?? set.previous,
      previousClient: replaced === undefined ? set.previousClient : replaced.client,
      // The machine that uses it next is the right one.
      ...{ host: null, cameFrom: null },
    }
  }

  entry(entry: HistoryEntry): HistoryEntry {
    const { generation, sequence } = entry
    return {
      ...entry,
      generation: generation + this.#generations,
      sequence: sequence + this.#events,
    }
  }

  /** An answer to a refresh; that to a login keeps the id which its grant will have. */
  answer(record: Rescued): Rescued {
    const { generation, attempt, login } = record
    return {
      ...record,
      generation: generation + this.#generations,
      attempt: attempt + this.#events,
      ...(login !== true && { grant: this.#grant }),
    }
  }
}
