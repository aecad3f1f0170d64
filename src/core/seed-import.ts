// Imports a first token set, once: decides when a stored set gives way to a seed. No I/O of its own.
import { isSameClient, wholeClient, type NamedClient } from './client.js'
import { rfc3339, type Clock } from './clock.js'
import { LOGIN_HINT, LoginRequired } from './errors.js'
import type { TokenGuardOptions } from './guard-options.js'
import type { OwnershipCheck } from './ownership-check.js'
import { isLikelyDead } from './policy.js'
import type { HeldStore } from './store-ports.js'
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
    const { store, seedMarks, clock, server } = this.#options
    const seed = await withMark(given, seedMarks)
    const read = await store.read()
    const stored = force ? read : read && (await this.#ownership.own(read, 'seed'))
    // Before anything is made: this may be the folder that a volume is yet to be mounted on.
    if (!force && (await store.isUntouched())) assertUnspent(seed, store.name)
    if (stored !== undefined && !force && !givesWay(stored, seed, clock))
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
    if (seen !== undefined && !givesWay(seen, seed, clock)) return { set: seen, imported: false }
    exchange?.assertSaved()
    const ownership = { grant: newGrantId(), client: wholeClient(named) ?? null }
    const set = seeded(seed, current, await held.counters(), this.#parts.host, ownership)
    await held.save(set, current?.generation ?? 0, entry(set, 'seed', 'done', clock(), seed.source))
    // Without a set there is nothing that a kept answer could have been saved to: it stays.
    await exchange?.scrub()
    return { set, imported: true }
  }

  /** A grant that a person has ended does not come back by itself: its refresh token is spent at the server. */
  async #assertNotEnded(seed: Seed): Promise<void> {
    const [last] = await this.#options.store.history()
    if (last?.event !== 'logout' || last.note !== seedFingerprint(seed)) return
    throw new LoginRequired(`${seed.source} holds the grant that a logout ended at ${rfc3339(last.at)}`, {
      hint: `${LOGIN_HINT} (this one all the same: hq-token seed --force FILE)`,
    })
  }

  /**
   * The set before an answer that outlived its store (moved away, deleted): where the seed is the token
   * that was spent then, the answer holds what came of it, and the seed itself is no good any more.
   */
  async #outlived(held: HeldStore, seed: Seed, named: NamedClient): Promise<TokenSet | undefined> {
    const records = await held.rescue.records()
    const spent = records.findLast((record) => record.spent === seedFingerprint(seed))
    if (spent === undefined || (spent.client && isSameClient(spent.client, named) !== true)) return undefined
    const { generation, attempt, grant = null, client = null } = spent
    const before = { generation: generation - 1, sequence: attempt - 1 }
    const set = seeded(seed, undefined, before, this.#parts.host, { grant, client })
    await held.save(set, 0, entry(set, 'seed', 'done', this.#options.clock(), seed.source))
    return set
  }
}

/** Whether the grant in the store began with this seed, or has used its refresh token: it was replaced since. */
export function hasKnown(set: TokenSet, seed: Seed): boolean {
  const fingerprint = seedFingerprint(seed)
  const { pair, previous } = set
  return [set.seed, pair.refreshToken.fingerprint, previous?.refreshToken.fingerprint].includes(fingerprint)
}

/**
 * A stored set gives way to a seed only when its grant has ended, or probably has, and to another seed than its own that
 * no mark calls spent.
 */
function givesWay(set: TokenSet, seed: Seed, clock: Clock): boolean {
  const fingerprint = seedFingerprint(seed)
  const isOwnSeed = set.seed === fingerprint || set.pair.refreshToken.fingerprint === fingerprint
  return hasEnded(set, clock) && typeof seed.spentAt !== 'number' && !isOwnSeed
}

/** Whether the server has refused the grant, or has said nothing for so long that it probably ended it. */
export function hasEnded(set: TokenSet, clock: Clock): boolean {
  return set.refusedAt !== null || (set.bareSince !== null && isLikelyDead(set, clock()))
}
