// Imports a first token set, once, and decides when a stored set gives way to a seed. No I/O except through its
// ports.
import { isSameClient, wholeClient, type NamedClient } from './client.js'
import { rfc3339, type Clock } from './clock.js'
import { LOGIN_HINT, LoginRequired } from './errors.js'
import type { TokenGuardOptions } from './guard-options.js'
import type { OwnershipCheck } from './ownership-check.js'
import { isLikelyDead } from './policy.js'
import type { HeldStore, HistoryEntry } from './store-ports.js'
import { recover } from './recovery.js'
import type { ExchangeParts } from './refresh-exchange.js'
import { assertUnspent, withMark } from './seeding.js'
import type { Seed, TokenSet } from './token-set.js'
import { entry, newGrantId, seeded, seedFingerprint } from './transitions.js'

/** The set in the store after an import, and whether it is the seed. */
export interface Adopted {
  readonly set: TokenSet
  readonly imported: boolean
}

export class SeedImport {
  readonly #options: TokenGuardOptions
  readonly #parts: ExchangeParts
  readonly #ownership: OwnershipCheck

  constructor(options: TokenGuardOptions, parts: ExchangeParts, ownership: OwnershipCheck) {
    this.#options = options
    this.#parts = parts
    this.#ownership = ownership
  }

  /** @throws As `TokenGuard.adopt`. */
  async adopt(given: Seed, force: boolean, waitMs: number): Promise<Adopted> {
    const { store, seedMarks, server } = this.#options
    const seed = await withMark(given, seedMarks)
    const read = await store.read()
    const stored = force ? read : read && (await this.#ownership.own(read, 'seed'))
    // Check before creating anything: this may be the folder that a volume is to be mounted on.
    if (!force && (await store.isUntouched())) assertUnspent(seed, store.name)
    if (stored !== undefined && !force && !(await this.#givesWay(stored, seed)))
      return { set: stored, imported: false }
    const named = await server.client()
    return store.exclusive((held) => this.#replace(held, seed, force, named), { waitMs })
  }

  async #replace(held: HeldStore, seed: Seed, force: boolean, named: NamedClient): Promise<Adopted> {
    const { store, clock } = this.#options
    const { set: current, exchange } = await recover(held, this.#parts, async () => {
      if (!force) {
        await this.#assertNotEnded(seed)
        assertUnspent(seed, store.name)
      }
      return this.#outlived(held, seed, named)
    })
    const seen = current && !force ? await this.#ownership.own(current, 'seed') : undefined
    if (seen !== undefined && !(await this.#givesWay(seen, seed))) return { set: seen, imported: false }
    exchange?.assertSaved()
    const ownership = { grant: newGrantId(), client: wholeClient(named) ?? null }
    const set = seeded(seed, current, await held.counters(), this.#parts.host, ownership)
    await held.note(set, current?.generation ?? 0, entry(set, 'seed', 'done', clock(), seed.source))
    // Only if there was a set: without one, a kept answer had nothing to be saved to.
    await exchange?.drop(set.generation)
    return { set, imported: true }
  }

  /**
   * Whether a stored set gives way to a seed: only if its grant has ended or probably has, and only to a seed that is
   * not its own and that neither a mark nor this store's history calls spent. The file of another host has no mark.
   */
  async #givesWay(set: TokenSet, seed: Seed): Promise<boolean> {
    const { store, clock } = this.#options
    const fingerprint = seedFingerprint(seed)
    const isOwnSeed = set.seed === fingerprint || set.pair.refreshToken.fingerprint === fingerprint
    if (!hasEnded(set, clock) || typeof seed.spentAt === 'number' || isOwnSeed) return false
    return !wasSpent(fingerprint, await store.history())
  }

  /** Refuses the seed of a grant that a person has ended, because its refresh token is spent at the server. */
  async #assertNotEnded(seed: Seed): Promise<void> {
    const [last] = await this.#options.store.history()
    if (last?.event !== 'logout' || last.note !== seedFingerprint(seed)) return
    throw new LoginRequired(`${seed.source} holds the grant that a logout ended at ${rfc3339(last.at)}`, {
      hint: `${LOGIN_HINT} (to import this file anyway: hq-token seed --force FILE)`,
    })
  }

  /**
   * The set to which a kept answer belongs whose store was moved away or deleted. If the seed is the token that was
   * spent, the answer holds its successor, and the seed itself is useless.
   */
  async #outlived(held: HeldStore, seed: Seed, named: NamedClient): Promise<TokenSet | undefined> {
    const records = await held.rescue.records()
    const spent = records.findLast((record) => record.spent === seedFingerprint(seed))
    if (spent === undefined || (spent.client && isSameClient(spent.client, named) !== true)) return undefined
    const { generation, attempt, grant = null, client = null } = spent
    const before = { generation: generation - 1, sequence: attempt - 1 }
    const set = seeded(seed, undefined, before, this.#parts.host, { grant, client })
    await held.note(set, 0, entry(set, 'seed', 'done', this.#options.clock(), seed.source))
    return set
  }
}

/**
 * Whether the grant in the store began with this seed or has used its refresh token, so that the seed was replaced
 * since.
 */
export function hasKnown(set: TokenSet, seed: Seed): boolean {
  const fingerprint = seedFingerprint(seed)
  const { pair, previous } = set
  return [set.seed, pair.refreshToken.fingerprint, previous?.refreshToken.fingerprint].includes(fingerprint)
}

/** Whether the history tells of a refresh that replaced a refresh token. A seed that is pushed aside was not spent. */
function wasSpent(fingerprint: string, history: readonly HistoryEntry[]): boolean {
  const done = history.filter(({ outcome }) => outcome === 'done')
  const held = done.filter(({ refresh }) => refresh === fingerprint)
  return held.some(({ grant, generation }) =>
    done.some(
      (later) =>
        later.event === 'refresh' &&
        later.grant === grant &&
        later.generation > generation &&
        later.refresh !== fingerprint,
    ),
  )
}

/** Whether the server has refused the grant, or has given no verdict for so long that it has probably ended. */
export function hasEnded(set: TokenSet, clock: Clock): boolean {
  return set.refusedAt !== null || (set.bareSince !== null && isLikelyDead(set, clock()))
}
