// Hands out access tokens that work: decides when to read, renew or wait. Does no I/O except through its ports.
import { noteAccepted } from './acceptance.js'
import { isSameServer } from './client.js'
import { ConfigInvalid, LockTimeout, LoginRequired, recalled, TokenError } from './errors.js'
import { endWarning, refusalToAsk, rejectionWarning, shortWarning, warning } from './guard-messages.js'
import {
  exchangeParts,
  type AccessToken,
  type AdoptOptions,
  type Order,
  type Refreshed,
  type RefreshOptions,
  type Renewal,
  type TokenGuardOptions,
  type Urgency,
} from './guard-options.js'
import { Notices } from './notices.js'
import { Leftovers } from './leftovers.js'
import { mayUse } from './ownership.js'
import { OwnershipCheck } from './ownership-check.js'
import { ageOf, expiresAt, judge, type Ask, type Demand, type Judgement } from './policy.js'
import type { Notice } from './ports.js'
import type { Seen } from './store-ports.js'
import { RecentToken } from './recent-token.js'
import { recover } from './recovery.js'
import type { ExchangeParts } from './refresh-exchange.js'
import type { Secret } from './secret.js'
import { hasEnded, SeedImport, type Adopted } from './seed-import.js'
import { SeedMarking } from './seeding.js'
import type { Seed, TokenSet } from './token-set.js'
import { isLaterLife } from './transitions.js'
import { isBearer, NOT_BEARER, NOT_BEARER_HINT } from './token-type.js'

const NO_TOKEN = 'there is no token set in'

/**
 * Hands out access tokens that work, and keeps the grant behind them alive.
 *
 * Look, lock, look again: reading takes no lock, and nothing is refreshed without the lock and a
 * second look under it. Any number of processes and of callers in one process may ask at once.
 *
 * @example <caption>By hand, without a configuration: its parts, and a first token set</caption>
 * ```ts
 * import { expiryPolicy, machineClock, Secret, TokenGuard, type Seed } from 'hq-token'
 * import { TokenEndpoint } from 'hq-token/oauth'
 * import { SqliteStore } from 'hq-token/sqlite'
 *
 * const guard = new TokenGuard({
 *   store: new SqliteStore('/var/lib/reports/token.db'),
 *   server: new TokenEndpoint({
 *     tokenUrl: new URL('https://acme.highq.com/acme/api/oauth2/token'),
 *     clientId: '1012',
 *     clientSecret: async () => new Secret(process.env['CLIENT_SECRET'] ?? ''),
 *     authMethod: 'client_secret_post',
 *     scope: null,
 *     clock: machineClock,
 *     userAgent: 'reports/1.0',
 *   }),
 *   clock: machineClock,
 *   policy: expiryPolicy({ percent: 10 }, 60),
 *   notify: ({ message }) => console.error(message),
 * })
 *
 * const seed: Seed = {
 *   pair: {
 *     accessToken: new Secret(process.env['ACCESS_TOKEN'] ?? ''),
 *     refreshToken: new Secret(process.env['REFRESH_TOKEN'] ?? ''),
 *     tokenType: 'Bearer',
 *     scope: null,
 *     obtained: machineClock(), // when they were issued, as far as that is known
 *     lifetime: 18_000,
 *     isLifetimeGuessed: true, // false where the server has said it
 *     refreshExpiresAt: null,
 *   },
 *   user: null,
 *   source: 'the environment',
 * }
 * await guard.adopt(seed) // once; a store that holds a set keeps it
 *
 * const { secret, expiresAt } = await guard.token({ minValid: 300 })
 * console.log(`${secret} until ${new Date(expiresAt * 1000).toISOString()}`) // secret.reveal() is the token
 * ```
 * @category Start here
 */
export class TokenGuard {
  /** The API that the tokens are for; `null` if unknown. */
  readonly apiUrl: URL | null
  readonly #options: TokenGuardOptions
  readonly #exchangeParts: ExchangeParts
  readonly #lockWaitMs: number
  readonly #marking: SeedMarking
  readonly #ownership: OwnershipCheck
  readonly #seeds: SeedImport
  readonly #leftovers: Leftovers
  readonly #recent: RecentToken
  /** The renewal that callers of this process share. */
  #renewing: { readonly urgency: Urgency; readonly done: Promise<TokenSet> } | undefined

  /** Neither reads nor sends anything yet. */
  constructor(options: TokenGuardOptions) {
    const notices = new Notices((notice) => options.notify?.(notice))
    this.#options = { ...options, store: notices.around(options.store), notify: notices.notify }
    this.apiUrl = options.apiUrl ?? null
    this.#lockWaitMs = (options.lockWait ?? 90) * 1000
    this.#exchangeParts = exchangeParts(this.#options)
    this.#marking = new SeedMarking(this.#options)
    this.#ownership = new OwnershipCheck({ ...this.#options, apiUrl: this.apiUrl })
    this.#seeds = new SeedImport(this.#options, this.#exchangeParts, this.#ownership)
    this.#leftovers = new Leftovers(this.#options.store, this.#exchangeParts, this.#lockWaitMs)
    this.#recent = new RecentToken(this.#options.clock, () => this.#setOrSeed())
  }

  /**
   * Resolves when each seed file that a refresh has spent is marked, or cannot be marked. Await it only before
   * ending the process by force. Never rejects.
   */
  settled(): Promise<void> {
    return this.#marking.settled()
  }

  /**
   * An access token that works now, and for `minValid` seconds if the server issues tokens that live so long.
   *
   * Reads the store at most once per second of the clock, so a renewal or a reported refusal by another process shows in
   * the next second. With `rejected` the store is always read.
   *
   * @throws {LoginRequired} there is no token set, or the server refused the refresh token
   * @throws {ServerUnavailable | OutcomeUnknown | LockTimeout} try again later
   * @throws {ClientRefused | ConfigInvalid} the configuration is wrong
   * @throws {SeedInvalid} the configured seed file cannot be used
   * @throws {StoreUnusable} the store cannot be read or written
   */
  token(ask: Ask = {}): Promise<AccessToken> {
    return this.#recent.token(ask) ?? this.#token(ask)
  }

  async #token(ask: Ask): Promise<AccessToken> {
    const asked = this.#recent.begin()
    const set = await (ask.rejected === undefined ? this.#recent.look() : this.#setOrSeed({ anew: true }))
    const remembered = this.#recent.token(ask)
    if (remembered !== undefined) return remembered
    this.#say(rejectionWarning(set, ask, this.#options.clock()))
    const judgement = this.#judge(set, ask)
    if (judgement.verdict === 'expired') return this.#issue(await this.#renewedOrSeeded(set, ask), ask)
    if (set.refusedAt !== null) this.#say(endWarning(set, this.#options.clock()))
    if (judgement.verdict === 'due') return this.#issue(await this.#tryToRenew(set, judgement), ask)
    const token = this.#issue(set, ask)
    if (set.refusedAt === null && ask.rejected === undefined && judgement.left >= (ask.minValid ?? 0))
      this.#recent.remember(token, ask, asked)
    return token
  }

  /**
   * Refreshes now. If several callers ask at once, one of them refreshes and all get its result.
   *
   * @throws As `token`.
   */
  async refresh(options: RefreshOptions = {}): Promise<Refreshed> {
    const { ifOlder, rebind = false } = options
    const set = await this.#setOrSeed({ rebind, anew: true })
    const { age, clockWentBack } = ageOf(set.pair, this.#options.clock())
    const recent = ifOlder !== undefined && age <= ifOlder && !clockWentBack
    // Ignore `ifOlder` after an exchange that was cut off: it must be finished soon.
    if (recent && set.intent === null) return { set, renewed: false, rebound: null }
    const how = { insist: ifOlder === undefined, rebind }
    const renewed = await this.#mustRenew(set, { outdated: set.pair.accessToken }, how)
    const [from, to] = [set.client, renewed.client]
    const isMoved = from !== null && to !== null && isSameServer(from, to) !== true
    return { set: renewed, renewed: true, rebound: isMoved ? { from, to } : null }
  }

  /**
   * Reports that the API accepted `token` after refusing the one before. That shows that renewing helps, so the
   * next refusal is a reason to renew again. Never throws and never waits: if the report is lost, it costs an hour
   * at worst.
   */
  accepted(token: Secret): Promise<void> {
    const { store, clock } = this.#options
    return noteAccepted(token, store, clock)
  }

  /**
   * Imports a first token set. A store that holds a set keeps it, unless the server has refused that set and `seed`
   * is a different one.
   *
   * @returns The set in the store, and whether it is the seed.
   * @throws {LoginRequired} `force` is not set, and either the last logout ended the seed's grant, or the store is
   *   empty and the seed is marked as spent
   * @throws {OtherClient} the set in the store is another client's, and `force` is not set
   * @throws {LockTimeout | StoreUnusable}
   */
  adopt(seed: Seed, options: AdoptOptions = {}): Promise<Adopted> {
    return this.#adopt(seed, options.force ?? false, this.#lockWaitMs)
  }

  #adopt(seed: Seed, force: boolean, waitMs: number): Promise<Adopted> {
    this.#recent.forget()
    return this.#seeds.adopt(seed, force, waitMs)
  }

  /** The set in the store, or `anew` in a shared one; imports the seed first if there is none, or its grant has ended. */
  async #setOrSeed({ rebind = false, anew = false } = {}): Promise<TokenSet> {
    const found = (await this.#leftovers.read({ anew })) ?? (await this.#leftovers.login())
    const set = found && (await this.#ownership.own(found, undefined, rebind))
    if (set !== undefined && !hasEnded(set, this.#options.clock)) return set
    const good = set !== undefined && this.#judge(set, {}).verdict !== 'expired'
    try {
      const seed = await this.#options.seed?.()
      if (seed !== undefined) return (await this.#adopt(seed, false, good ? 0 : this.#lockWaitMs)).set
    } catch (error) {
      // A seed that does not work must not cost a token that still works.
      if (!(error instanceof TokenError) || !good) throw error
      this.#say(warning(error.message, error.hint))
    }
    if (set === undefined) throw new LoginRequired(`${NO_TOKEN} ${this.#options.store.name}`)
    return set
  }

  #judge(set: TokenSet, ask: Demand): Judgement {
    return judge(set, this.#options.clock(), this.#options.policy, ask)
  }

  /**
   * The token is still good: tries to renew once, without waiting for the lock, and serves the token whatever comes
   * of it.
   */
  async #tryToRenew(set: TokenSet, { hold }: Judgement): Promise<TokenSet> {
    if (hold !== null || this.#renewing !== undefined) return set
    try {
      const renewed = await this.#share('may', () => this.#renew(set, {}, { urgency: 'may', waitMs: 0 }))
      // A store that was put back meanwhile holds an older token than this one.
      return renewed.generation < set.generation ? set : renewed
    } catch (error) {
      if (!(error instanceof TokenError) || this.#judge(set, {}).left <= 0) throw error
      // A taken lock means that another process is renewing already.
      if (!(error instanceof LockTimeout))
        this.#say(
          warning(`${error.message}; the access token in the store is still good and is served`, error.hint),
        )
      return set
    }
  }

  /**
   * Renews; after a refusal, looks once for a new seed file that a person has put in place, because that heals it
   * at once.
   */
  async #renewedOrSeeded(set: TokenSet, ask: Ask): Promise<TokenSet> {
    try {
      return await this.#mustRenew(set, ask)
    } catch (error) {
      if (!(error instanceof LoginRequired) || set.refusedAt !== null) throw error
      const seeded = await this.#setOrSeed()
      if (seeded.generation === set.generation) throw error
      return this.#judge(seeded, ask).verdict === 'expired' ? this.#mustRenew(seeded, ask) : seeded
    }
  }

  async #mustRenew(set: TokenSet, ask: Demand, order: Order = {}): Promise<TokenSet> {
    const { insist = false } = order
    const how = { urgency: 'must', waitMs: this.#lockWaitMs, ...order } as const
    for (;;) {
      const others = this.#renewing
      if (others === undefined) return this.#share('must', () => this.#renew(set, ask, how))
      // Share a failure of a renewal that had to succeed. An optional renewal that failed tells this caller
      // nothing.
      const shared = others.urgency === 'must' && !insist
      const renewed = await (shared ? others.done : others.done.catch(() => undefined))
      // The shared renewal may fall short of what this caller needs, because the other one asked for less.
      if (renewed !== undefined && this.#serves(renewed, set, ask)) return renewed
    }
  }

  #share(urgency: Urgency, renew: () => Promise<TokenSet>): Promise<TokenSet> {
    this.#recent.forget()
    const done = renew().finally(() => {
      this.#renewing = undefined
    })
    this.#renewing = { urgency, done }
    return done
  }

  async #renew(looked: TokenSet, ask: Demand, how: Renewal): Promise<TokenSet> {
    const { store, server, clock } = this.#options
    const seen = this.#options.seen ?? looked
    const named = await server.client()
    const renewed = await store.exclusive(
      async (held) => {
        const { set: found, exchange, tookUpRefresh } = await recover(held, this.#exchangeParts)
        if (found === undefined || exchange === undefined)
          throw new LoginRequired(`${NO_TOKEN} ${store.name}`)
        if (tookUpRefresh) this.#marking.note(found, exchange)
        const set = await this.#ownership.own(found, undefined, how.rebind)
        const { verdict, hold } = this.#judge(set, ask)
        // A store that was put back since the look holds an older set, which no look would hand out.
        const isOlder = set.generation < looked.generation && !isLaterLife(set, looked)
        const isFresh = verdict === 'fresh' && !isOlder
        if (isFresh || (how.rebind !== true && this.#serves(set, seen, ask))) return set
        if (how.urgency === 'may' && verdict === 'due' && hold !== null) return set
        const refusal = refusalToAsk(set, hold, how.insist === true, server.host, clock())
        if (refusal !== undefined) throw refusal
        // Share a failure that happened while this call waited: else every waiting process would try in turn.
        if (set.lastFailure !== null && set.generation === seen.generation && set.failures > seen.failures)
          throw recalled(set.lastFailure)
        const asked = { rejected: this.#isRejected(set, ask), rebind: how.rebind === true }
        return this.#marking.note(await exchange.run(asked), exchange)
      },
      {
        waitMs: how.waitMs,
        meanwhile: (set) =>
          set !== undefined && mayUse(set, named, this.apiUrl) && this.#serves(set, seen, ask)
            ? set
            : undefined,
      },
    )
    this.#marking.begin()
    return renewed
  }

  /**
   * Whether the set was renewed since the caller looked, and satisfies the demand. `rejected` does not count,
   * because it names the token before.
   */
  #serves(set: TokenSet, seen: Seen, { minValid }: Ask): boolean {
    const ask = minValid === undefined ? {} : { minValid }
    return set.generation > seen.generation && this.#judge(set, ask).verdict !== 'expired'
  }

  /** Whether the API's refusal is the only reason to renew. */
  #isRejected(set: TokenSet, { rejected, ...rest }: Demand): boolean {
    return rejected !== undefined && this.#judge(set, rest).verdict !== 'expired'
  }

  #issue(set: TokenSet, ask: Ask): AccessToken {
    const { accessToken, tokenType } = set.pair
    if (!isBearer(tokenType)) throw new ConfigInvalid(NOT_BEARER, { hint: NOT_BEARER_HINT })
    const at = this.#options.clock()
    const { left } = this.#judge(set, ask)
    if (ask.minValid !== undefined && left < ask.minValid) this.#say(shortWarning(left, ask.minValid))
    return { secret: accessToken, tokenType: 'Bearer', expiresAt: expiresAt(set.pair, at) }
  }

  #say(notice: Notice | undefined): void {
    if (notice !== undefined) this.#options.notify?.(notice)
  }
}
