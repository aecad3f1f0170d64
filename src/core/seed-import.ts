// Imports a first token set, once, and decides when a stored set gives way to a seed. No I/O except through its
// ports.
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
    // Check before creating anything: this may be the folder that a volume is to be mounted on.
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
    await held.note(set, current?.generation ?? 0, entry(set, 'seed', 'done', clock(), seed.source))
    // Only if there was a set: without one, a kept answer had nothing to be saved to.
    await exchange?.drop(set.generation)
    return { set, imported: true }
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

/**
 * A stored set gives way only if its grant has ended or probably has, and only to a seed that is not its own and
 * that no mark calls spent.
 */
function givesWay(set: TokenSet, seed: Seed, clock: Clock): boolean {
  const fingerprint = seedFingerprint(seed)
  const isOwnSeed = set.seed === fingerprint || set.pair.refreshToken.fingerprint === fingerprint
  return hasEnded(set, clock) && typeof seed.spentAt !== 'number' && !isOwnSeed
}

/** Whether the server has refused the grant, or has given no verdict for so long that it has probably ended. */
export function hasEnded(set: TokenSet, clock: Clock): boolean {
  return set.refusedAt !== null || (set.bareSince !== null && isLikelyDead(set, clock()))
}
