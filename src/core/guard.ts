import { isSameClient, isSameServer, wholeClient, type Client, type NamedClient } from './client.js'
import { CodeExchange } from './code-exchange.js'
import {
  ConfigInvalid,
  LockTimeout,
  LOGIN_HINT,
  LoginRequired,
  OutcomeUnknown,
  recalled,
  ServerUnavailable,
  TokenError,
} from './errors.js'
import { Exchange, type ExchangeParts } from './exchange.js'
import { unreadHint } from './exchange-failure.js'
import type { Host } from './host.js'
import { Notices } from './notices.js'
import { asSeenBy, mayUse, otherClient, type Anew } from './ownership.js'
import {
  ageOf,
  expiresAt,
  isLikelyDead,
  isPaused,
  judge,
  rejectionHold,
  type Ask,
  type Demand,
  type ExpiryPolicy,
  type Hold,
  type Judgement,
} from './policy.js'
import type {
  AuthorizationServer,
  HeldStore,
  Notice,
  SeedMarks,
  SeedSource,
  Seen,
  TokenStore,
} from './ports.js'
import type { Secret } from './secret.js'
import { assertUnspent, SeedMarking, withMark } from './seeding.js'
import type { Seed, TokenSet } from './token-set.js'
import { isBearer, NOT_BEARER, NOT_BEARER_HINT } from './token-type.js'
import { entry, newGrantId, seeded, seedFingerprint } from './transitions.js'
import { rfc3339, type Clock } from './moment.js'

/** What a guard is put together from; `openGuard` does it from a configuration. */
export interface TokenGuardOptions {
  /** Where the token set is: a `SqliteStore`. */
  readonly store: TokenStore
  /** Who issues tokens: a `TokenEndpoint`. */
  readonly server: AuthorizationServer
  /** Tells the time: `machineClock`. */
  readonly clock: Clock
  /** When a token is renewed: from `expiryPolicy()`. */
  readonly policy: ExpiryPolicy
  /** This machine, so that a copied store can say where it was. Default: not known. */
  readonly host?: Host
  /** Seconds; for answers without `expires_in`. Default 18000 (5 hours, as HighQ). */
  readonly defaultLifetime?: number
  /** Seconds for one request to the server, connect to last byte; a repetition has 5 more. Default 30. */
  readonly timeout?: number
  /** Seconds to wait for another process's refresh. Default 90. */
  readonly lockWait?: number
  /** What the tokens are for; requests elsewhere go without. Default: not known. */
  readonly apiUrl?: URL | null
  /** Asked for a first token set when the store has none, or the server refused the one it has. */
  readonly seed?: SeedSource
  /** The marks at spent seed files. Default: none is set, and none is heeded. */
  readonly seedMarks?: SeedMarks
  /** Hears warnings. Default: nobody. */
  readonly notify?: (notice: Notice) => void
  /** Runs a section that no signal may cut short; its `stop` says that one has come. Default: plainly. */
  readonly uninterrupted?: <T>(section: (stop?: AbortSignal) => Promise<T>) => Promise<T>
  /** Waits between repetitions, in milliseconds. Default: by `setTimeout`. */
  readonly sleep?: (ms: number) => Promise<void>
  /** @hidden What this process saw of the set before it waited for the lock. */
  readonly seen?: Seen
}

/** @category Start here */
export interface RefreshOptions {
  /** Seconds: only if the last refresh (or the seed) is older. Default: in any case. */
  readonly ifOlder?: number
  /** The server of the grant has a new address, by what a person says: ask it there. Default: false. */
  readonly rebind?: boolean
}

/** @category Start here */
export interface Refreshed {
  /** The set in the store. */
  readonly set: TokenSet
  /** Whether this call or another renewed it. */
  readonly renewed: boolean
  /** The addresses before and after, where the grant's server has another one now. */
  readonly rebound: { readonly from: Client; readonly to: Client } | null
}

/** @category Start here */
export interface AdoptOptions {
  /** Replace in any case; the replaced pair is kept as `previous`. Default: false. */
  readonly force?: boolean
}

/**
 * An access token that works, and until when.
 *
 * @category Start here
 */
export interface AccessToken {
  /** The token; `reveal()` gives it as a string. */
  readonly secret: Secret
  readonly tokenType: 'Bearer'
  /** Epoch seconds. */
  readonly expiresAt: number
}

type Urgency = 'may' | 'must'

/** What a person says about a renewal. */
interface Order {
  /** A person asks: then the pause after a refusal does not count. The server's word does. */
  readonly insist?: boolean
  /** The server has a new address, by what a person says. */
  readonly rebind?: boolean
}

interface Renewal extends Order {
  readonly urgency: Urgency
  readonly waitMs: number
}

const NO_TOKEN = 'there is no token set in'

/**
 * Hands out access tokens that work, and keeps the grant behind them alive.
 *
 * Look, lock, look again: reading takes no lock, and nothing is refreshed without the lock and a
 * second look under it. Any number of processes and of callers in one process may ask at once.
 *
 * @example <caption>By hand, without a configuration: its parts, and a first token set</caption>
 * ```ts
 * import { expiryPolicy, machineClock, machineHost, Secret, TokenGuard, type Seed } from 'hq-token'
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
 *   host: machineHost(),
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
  /** What the tokens are for; `null` where that is not known. */
  readonly apiUrl: URL | null
  readonly #options: TokenGuardOptions
  readonly #exchangeParts: ExchangeParts
  readonly #lockWaitMs: number
  readonly #marking: SeedMarking
  /** What was handed out, within the second of the clock in which it was found fresh. */
  #recent:
    | { readonly now: number; readonly minValid: number | undefined; readonly token: Promise<AccessToken> }
    | undefined
  /** The look at the store that callers of this process share. */
  #looking: Promise<TokenSet> | undefined
  /** The renewal that callers of this process share. */
  #renewing: { readonly urgency: Urgency; readonly done: Promise<TokenSet> } | undefined

  /** Reads and sends nothing yet. */
  constructor(options: TokenGuardOptions) {
    const notices = new Notices((notice) => options.notify?.(notice))
    this.#options = { ...options, store: notices.around(options.store), notify: notices.notify }
    this.apiUrl = options.apiUrl ?? null
    this.#lockWaitMs = (options.lockWait ?? 90) * 1000
    this.#exchangeParts = exchangeParts(this.#options)
    this.#marking = new SeedMarking(this.#options)
  }

  /**
   * Ends when a seed file that a refresh has spent is marked, or cannot be. Nobody need wait for it but a process that
   * is about to end by force. Never fails.
   */
  settled(): Promise<void> {
    return this.#marking.settled()
  }

  /**
   * An access token that works now, and for `minValid` seconds if the server issues such.
   *
   * A fresh one is looked for in the store once in a second of the clock: what another process has renewed, or
   * was told that the API refuses, is noticed in the next. With `rejected` the store is looked at in any case.
   *
   * @throws {LoginRequired} no token set, or the server refused the refresh token
   * @throws {ServerUnavailable | OutcomeUnknown | LockTimeout} try again later
   * @throws {ClientRefused | ConfigInvalid} the configuration is wrong
   * @throws {SeedInvalid} the configured seed file cannot be used
   * @throws {StoreUnusable} the store cannot be read or written
   */
  token(ask: Ask = {}): Promise<AccessToken> {
    return this.#remembered(ask) ?? this.#token(ask)
  }

  #remembered(ask: Ask): Promise<AccessToken> | undefined {
    const recent = this.#recent
    const isRecent =
      recent !== undefined &&
      ask.rejected === undefined &&
      ask.minValid === recent.minValid &&
      recent.now === this.#second()
    return isRecent ? recent.token : undefined
  }

  async #token(ask: Ask): Promise<AccessToken> {
    this.#recent = undefined
    const now = this.#second()
    const set = await (ask.rejected === undefined ? this.#look() : this.#present())
    const remembered = this.#remembered(ask)
    if (remembered !== undefined) return remembered
    this.#warnOfRejection(set, ask)
    const judgement = this.#judge(set, ask)
    if (judgement.verdict === 'expired') return this.#issue(await this.#renewedOrSeeded(set, ask), ask)
    if (set.refusedAt !== null) this.#warnOfEnd(set)
    if (judgement.verdict === 'due') return this.#issue(await this.#mayRenew(set, judgement), ask)
    const token = this.#issue(set, ask)
    if (set.refusedAt === null && ask.rejected === undefined && judgement.left >= (ask.minValid ?? 0))
      this.#recent = { now, minValid: ask.minValid, token: Promise.resolve(token) }
    return token
  }

  /** Of a thousand that come at once, one reads the store; what it found fresh, the others remember. */
  #look(): Promise<TokenSet> {
    if (this.#looking === undefined) {
      const looked = (): void => {
        this.#looking = undefined
      }
      this.#looking = this.#present()
      this.#looking.then(looked, looked)
    }
    return this.#looking
  }

  #forget(): void {
    this.#recent = undefined
    this.#looking = undefined
  }

  #second(): number {
    const { clock } = this.#options
    return clock.now?.() ?? clock().now
  }

  /**
   * Refreshes now. Of callers at one instant one refreshes, and the others get what it got.
   *
   * @throws As `token`.
   */
  async refresh(options: RefreshOptions = {}): Promise<Refreshed> {
    const { ifOlder, rebind = false } = options
    const set = await this.#present(rebind)
    const { age, clockWentBack } = ageOf(set.pair, this.#options.clock())
    const recent = ifOlder !== undefined && age <= ifOlder && !clockWentBack
    // An exchange that was cut off must be finished soon, however recent the last one was.
    if (recent && set.intent === null) return { set, renewed: false, rebound: null }
    const how = { insist: ifOlder === undefined, rebind }
    const renewed = await this.#mustRenew(set, { outdated: set.pair.accessToken }, how)
    const [from, to] = [set.client, renewed.client]
    const isMoved = from !== null && to !== null && isSameServer(from, to) !== true
    return { set: renewed, renewed: true, rebound: isMoved ? { from, to } : null }
  }

  /**
   * Tells that the API took `token`, after it had refused the one before: renewing helps, and the next
   * refusal is a reason to renew again. Never throws, never waits: at worst an hour goes by.
   */
  async accepted(token: Secret): Promise<void> {
    const isNews = (set: TokenSet | undefined): set is TokenSet =>
      set !== undefined && set.rejectedAt !== null && set.pair.accessToken.equals(token)
    const settle = async (held: HeldStore): Promise<void> => {
      const set = await held.read()
      if (!isNews(set)) return
      const next = { ...set, rejectedAt: null }
      await held.save(next, set.generation, entry(next, 'refresh', 'done', this.#options.clock()))
    }
    try {
      if (isNews(await this.#options.store.read())) await this.#options.store.exclusive(settle, { waitMs: 0 })
    } catch (error) {
      if (!(error instanceof TokenError)) throw error
    }
  }

  /**
   * Imports a first token set. A store that holds one keeps it, unless the server has refused that
   * one and `seed` is another.
   *
   * @returns The set in the store, and whether it is the seed.
   * @throws {LoginRequired} the seed's grant is the one that the last logout ended, or the store is empty and the seed
   *   is marked as spent; and `force` is not set
   * @throws {OtherClient} the set in the store is another client's, and `force` is not set
   * @throws {LockTimeout | StoreUnusable}
   */
  adopt(seed: Seed, options: AdoptOptions = {}): Promise<{ set: TokenSet; imported: boolean }> {
    return this.#adopt(seed, options.force ?? false, this.#lockWaitMs)
  }

  async #adopt(given: Seed, force: boolean, waitMs: number): Promise<{ set: TokenSet; imported: boolean }> {
    this.#forget()
    const { store, seedMarks, clock } = this.#options
    const seed = await withMark(given, seedMarks)
    const read = await store.read()
    const stored = force ? read : read && (await this.#own(read, 'seed'))
    // Before anything is made: this may be the folder that a volume is yet to be mounted on.
    if (!force && (await store.isUntouched())) assertUnspent(seed, store.name)
    if (stored !== undefined && !force && !givesWay(stored, seed, clock))
      return { set: stored, imported: false }
    const named = await this.#options.server.client()
    const replace = async (held: HeldStore): Promise<{ set: TokenSet; imported: boolean }> => {
      const signedIn = await this.#signedIn(held)
      if (signedIn === undefined && !force) {
        await this.#assertNotEnded(seed)
        assertUnspent(seed, store.name)
      }
      const found = signedIn ?? (await this.#outlived(held, seed, named))
      // An answer that waits to be saved belongs to the pair that is replaced.
      const exchange = found && new Exchange(held, found, this.#exchangeParts)
      const current = await exchange?.takeUp()
      const seen = current && !force ? await this.#own(current, 'seed') : undefined
      if (seen !== undefined && !givesWay(seen, seed, clock)) return { set: seen, imported: false }
      exchange?.assertSaved()
      const ownership = { grant: newGrantId(), client: wholeClient(named) ?? null }
      const set = seeded(seed, current, await held.counters(), this.#exchangeParts.host, ownership)
      await held.save(
        set,
        current?.generation ?? 0,
        entry(set, 'seed', 'done', this.#options.clock(), seed.source),
      )
      // Without a set there is nothing that a kept answer could have been saved to: it stays.
      await exchange?.scrub()
      return { set, imported: true }
    }
    return store.exclusive(replace, { waitMs })
  }

  /** A grant that a person has ended does not come back by itself: its refresh token is spent at the server. */
  async #assertNotEnded(seed: Seed): Promise<void> {
    const [last] = await this.#options.store.history()
    if (last?.event !== 'logout' || last.note !== seedFingerprint(seed)) return
    throw new LoginRequired(`${seed.source} holds the grant that a logout ended at ${rfc3339(last.at)}`, {
      hint: `${LOGIN_HINT} (this one all the same: hq-token seed --force FILE)`,
    })
  }

  /** The set in the store, or the one that a login had received when it died. */
  async #signedIn(held: HeldStore): Promise<TokenSet | undefined> {
    return new CodeExchange(held, await held.read(), this.#exchangeParts).takeUp()
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
    const set = seeded(seed, undefined, before, this.#exchangeParts.host, { grant, client })
    await held.save(set, 0, entry(set, 'seed', 'done', this.#options.clock(), seed.source))
    return set
  }

  /** The set in the store, seeded first where that is called for. */
  async #present(rebind = false): Promise<TokenSet> {
    const found = (await this.#options.store.read()) ?? (await this.#begun())
    const set = found && (await this.#own(found, undefined, rebind))
    if (set !== undefined && !hasEnded(set, this.#options.clock)) return set
    const good = set !== undefined && this.#judge(set, {}).verdict !== 'expired'
    try {
      const seed = await this.#options.seed?.()
      if (seed !== undefined) return (await this.#adopt(seed, false, good ? 0 : this.#lockWaitMs)).set
    } catch (error) {
      // A seed that does not work must not cost a token that still does.
      if (!(error instanceof TokenError) || !good) throw error
      this.#warn(error.message, error.hint)
    }
    if (set === undefined) throw new LoginRequired(`${NO_TOKEN} ${this.#options.store.name}`)
    return set
  }

  /** A first login that died when its answer was on disk, and not in the store. */
  async #begun(): Promise<TokenSet | undefined> {
    const { store } = this.#options
    const login = await store.login()
    if (login === undefined || login.spent === null) return undefined
    return store.exclusive((held) => this.#signedIn(held), {
      waitMs: this.#lockWaitMs,
      meanwhile: (set) => set,
    })
  }

  /**
   * The set as the configured client sees it.
   *
   * @param anew The command that is to begin a grant, if one is.
   * @param rebind Another address of the server is none that counts.
   * @throws {OtherClient} it is another client's
   */
  async #own(set: TokenSet, anew?: Anew, rebind = false): Promise<TokenSet> {
    const { store, server } = this.#options
    const { client: bound } = set
    let named = await server.client()
    // Of an issuer that was never asked the token endpoint is not known: only that can tell.
    if (bound !== null && isSameClient(bound, named) === undefined && !rebind) {
      await server.prepare()
      named = await server.client()
    }
    const isTheirs = bound !== null && !mayUse(set, named, this.apiUrl)
    if (isTheirs && !(rebind && bound.clientId === named.clientId))
      throw otherClient(store.name, bound, named, anew)
    return asSeenBy(set, named)
  }

  #judge(set: TokenSet, ask: Demand): Judgement {
    return judge(set, this.#options.clock(), this.#options.policy, ask)
  }

  /** Still good: one try without waiting for anybody, and whatever comes of it the token is served. */
  async #mayRenew(set: TokenSet, { hold }: Judgement): Promise<TokenSet> {
    if (hold !== null || this.#renewing !== undefined) return set
    try {
      return await this.#share('may', () => this.#renew(set, {}, { urgency: 'may', waitMs: 0 }))
    } catch (error) {
      if (!(error instanceof TokenError) || this.#judge(set, {}).left <= 0) throw error
      // A lock that is taken means that somebody is renewing already.
      if (!(error instanceof LockTimeout))
        this.#warn(`${error.message}; the access token in the store is still good and is served`, error.hint)
      return set
    }
  }

  /** A refusal may be healed at once, by a seed file that a person has put in place. */
  async #renewedOrSeeded(set: TokenSet, ask: Ask): Promise<TokenSet> {
    try {
      return await this.#mustRenew(set, ask)
    } catch (error) {
      if (!(error instanceof LoginRequired) || set.refusedAt !== null) throw error
      const seeded = await this.#present()
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
      // What others tried without need may fail without telling anything; what they had to have, fails for all.
      const shared = others.urgency === 'must' && !insist
      const renewed = await (shared ? others.done : others.done.catch(() => undefined))
      // What they asked for may not be what this caller needs.
      if (renewed !== undefined && this.#serves(renewed, set, ask)) return renewed
    }
  }

  #share(urgency: Urgency, renew: () => Promise<TokenSet>): Promise<TokenSet> {
    this.#forget()
    const done = renew().finally(() => {
      this.#renewing = undefined
    })
    this.#renewing = { urgency, done }
    return done
  }

  async #renew(looked: TokenSet, ask: Demand, how: Renewal): Promise<TokenSet> {
    const seen = this.#options.seen ?? looked
    const named = await this.#options.server.client()
    const renewed = await this.#options.store.exclusive(
      async (held) => {
        const found = await this.#signedIn(held)
        if (found === undefined) throw new LoginRequired(`${NO_TOKEN} ${this.#options.store.name}`)
        await this.#own(found, undefined, how.rebind)
        const exchange = new Exchange(held, found, this.#exchangeParts)
        const carriedOn = await exchange.takeUp()
        if (carriedOn.generation > found.generation) this.#marking.note(carriedOn)
        const set = await this.#own(carriedOn, undefined, how.rebind)
        const { verdict, hold } = this.#judge(set, ask)
        if (verdict === 'fresh' || (how.rebind !== true && this.#serves(set, seen, ask))) return set
        if (how.urgency === 'may' && hold !== null) return set
        this.#refuseToAsk(set, hold, how.insist === true)
        // A failure younger than this call is this call's too: else every process in the queue would try in turn.
        if (set.lastFailure !== null && set.generation === seen.generation && set.failures > seen.failures)
          throw recalled(set.lastFailure)
        const asked = { rejected: this.#isRejected(set, ask), rebind: how.rebind === true }
        return this.#marking.note(await exchange.run(asked))
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

  /** Renewed since the caller looked, and good for what it asks; what it rejected was the one before. */
  #serves(set: TokenSet, seen: Seen, { minValid }: Ask): boolean {
    const ask = minValid === undefined ? {} : { minValid }
    return set.generation > seen.generation && this.#judge(set, ask).verdict !== 'expired'
  }

  /** Whether nothing but the API's refusal is a reason to renew. */
  #isRejected(set: TokenSet, { rejected, ...rest }: Demand): boolean {
    return rejected !== undefined && this.#judge(set, rest).verdict !== 'expired'
  }

  #refuseToAsk(set: TokenSet, hold: Hold | null, insist: boolean): void {
    if (hold?.because === 'server')
      throw new ServerUnavailable(
        `${this.#options.server.host} asks not to be called before ${rfc3339(hold.until)}`,
        { hint: 'nothing was lost; run the same command again then' },
      )
    // Within the hour a person's word does not count either, because the repetition may end the grant that the answer holds.
    if (hold?.because === 'unread' && (!insist || isPaused(set, this.#options.clock())))
      throw new OutcomeUnknown(
        set.lastFailure?.message ?? `an answer of ${this.#options.server.host} is kept that nobody can read`,
        { hint: unreadHint(hold.until) },
      )
    if (hold?.because === 'refused' && !insist)
      throw new LoginRequired(
        set.lastFailure?.code === 'HQ_LOGIN_REQUIRED'
          ? set.lastFailure.message
          : `${this.#options.server.host} has refused the refresh token`,
        { hint: `${LOGIN_HINT} (if the server was at fault: hq-token refresh asks it again)` },
      )
  }

  #issue(set: TokenSet, ask: Ask): AccessToken {
    const { accessToken, tokenType } = set.pair
    if (!isBearer(tokenType)) throw new ConfigInvalid(NOT_BEARER, { hint: NOT_BEARER_HINT })
    const at = this.#options.clock()
    const { left } = this.#judge(set, ask)
    if (ask.minValid !== undefined && left < ask.minValid)
      this.#warn(
        `the newest token that the server issues lives ${Math.floor(left)} s, less than the ${ask.minValid} s asked for`,
      )
    return { secret: accessToken, tokenType: 'Bearer', expiresAt: expiresAt(set.pair, at) }
  }

  #warnOfRejection(set: TokenSet, { rejected }: Ask): void {
    const until = rejectionHold(set, this.#options.clock())
    if (until === null || rejected?.equals(set.pair.accessToken) !== true) return
    this.#warn(
      `the API refuses this access token as it did the one before, so that a refresh does not help; the next one for that reason may be at ${rfc3339(until)}`,
      'check what its user may do there; to refresh all the same: hq-token refresh',
    )
  }

  #warnOfEnd(set: TokenSet): void {
    const until = rfc3339(expiresAt(set.pair, this.#options.clock()))
    this.#warn(
      `the server has refused the refresh token; the access token is good until ${until}, then a person must log in`,
      LOGIN_HINT,
    )
  }

  #warn(message: string, hint?: string): void {
    this.#options.notify?.({ level: 'warning', message, ...(hint === undefined ? {} : { hint }) })
  }
}

/** What an exchange needs, of what a guard or a login was given. */
export function exchangeParts(options: TokenGuardOptions): ExchangeParts {
  return {
    server: options.server,
    storeName: options.store.name,
    clock: options.clock,
    host: options.host ?? null,
    sleep: options.sleep ?? ((ms) => new Promise((resolve) => setTimeout(resolve, ms))),
    timeoutMs: (options.timeout ?? 30) * 1000,
    defaultLifetime: options.defaultLifetime ?? 18_000,
    uninterrupted: options.uninterrupted ?? ((section) => section()),
    notify: (notice) => options.notify?.(notice),
    ...(options.seedMarks && { seedMarks: options.seedMarks }),
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
function hasEnded(set: TokenSet, clock: Clock): boolean {
  return set.refusedAt !== null || (set.bareSince !== null && isLikelyDead(set, clock()))
}
