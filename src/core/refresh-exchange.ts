import { wholeClient, type Client } from './client.js'
import { clientHint, Overtaken, ServerUnavailable, TokenError } from './errors.js'
import { failureOf } from './exchange-failure.js'
import type { Host } from './host.js'
import { AnswerPersistence, longest, type PersistenceParts } from './persist-answer.js'
import { LastLook } from './last-look.js'
import { unkept, withoutEcho, type Outcome } from './outcome.js'
import { areSame, begunElsewhere, belongs, isOfGrant, isOwn, otherClient } from './ownership.js'
import { aftermathOf } from './aftermath.js'
import { isUnread } from './policy.js'
import type { RawAnswer, SeedMarks } from './ports.js'
import type { HeldStore, Rescued } from './store-ports.js'
import { withoutSecrets, type Secret } from './secret.js'
import type { TokenSet } from './token-set.js'
import { entry, failed, intended, renewed, spendable, type Tokens, secretsOf } from './transitions.js'

/**
 * After an unknown outcome the same refresh token is sent again this soon, in milliseconds: the
 * windows in which servers forgive that are short (0 to 60 s is usual).
 */
const TRY_AGAIN_AFTER = [500, 2_000, 5_000]
/** Milliseconds that a request must have to be answered: less would spend a token and hear nothing. */
const HEARING_MS = 1_000
/** Milliseconds for the repetition of a request that took all the time there was. */
const REPEAT_MS = 5_000
/**
 * A refusal of our own repetition may be that of a request which is still at work: it is asked again, once and this much
 * later, in milliseconds, before it counts.
 */
const REFUSED_AGAIN_MS = 3_000

export interface ExchangeParts extends PersistenceParts {
  /** The store, for messages. */
  readonly storeName: string
  /** This machine; `null` where that is not known. */
  readonly host: Host | null
  /** Milliseconds for the whole exchange, but for a first repetition, which has 5 s in any case. */
  readonly timeoutMs: number
  /** Seconds; for answers without `expires_in`. */
  readonly defaultLifetime: number
  /** Runs a section that must come to its end, whatever signal arrives; `stop` says that one has. */
  readonly uninterrupted: <T>(section: (stop?: AbortSignal) => Promise<T>) => Promise<T>
  /** Tell whether another store has spent the seed of this one. */
  readonly seedMarks?: SeedMarks
}

/**
 * One exchange with the server, crash-safe: at no instant the grant depends on this process living
 * on. Intent, request, raw bytes to disk, and only then reading and saving. Under the store's lock.
 *
 * @see RFC 6749 section 6; RFC 9700 section 4.14.2 on what spending a refresh token twice costs
 */
export class RefreshExchange {
  readonly #held: HeldStore
  readonly #parts: ExchangeParts
  readonly #persistence: AnswerPersistence
  /** As it stands in the store. */
  #set: TokenSet
  /** True when an earlier request for this generation may have been answered unheard. */
  #doubt: boolean
  /** An answer that could not be read is kept: it may hold the only copy of a pair. */
  #unread = false
  /** An earlier answer brought a refresh token that cannot be used: that answer is its only copy. */
  #unusable = false
  /** Why a pair that was received is in the rescue file only: until it is saved nothing may be spent. */
  #unsaved: Error | undefined
  /** The API had refused the access token: word of it is kept with the new one. */
  #isRejected = false
  /** Who asks; `null` where the server does not say. */
  #client: Client | null = null
  /** Epoch seconds: when another store spent the seed that this one still holds, by the mark beside the file. */
  #spentElsewhere: number | null = null

  constructor(held: HeldStore, found: TokenSet, parts: ExchangeParts) {
    this.#held = held
    this.#set = found
    this.#parts = parts
    this.#persistence = new AnswerPersistence(held, parts)
    this.#doubt = found.intent !== null
  }

  /**
   * Saves what a process that died, or could not write, had received.
   *
   * @returns The set as it is after that; it may be an old one all the same.
   */
  async takeUp(): Promise<TokenSet> {
    const records = [...(await this.#held.rescue.records())].sort((a, b) => b.attempt - a.attempt)
    for (const kept of records) {
      if (kept.generation < this.#set.generation && isOfGrant(kept, this.#set))
        this.#unusable ||= await this.#bringsUnusable(kept)
      if (kept.generation !== this.#set.generation || !belongs(kept, this.#set)) continue
      const spent = this.#tokenSent(kept)
      if (spent === undefined) continue
      const outcome = withoutEcho(await this.#persistence.read(kept.answer), spent)
      if (outcome.kind === 'granted') return this.#save(outcome.tokens, spent, kept)
      // A token that an earlier attempt salvaged is in the store, or was refused since.
      const isLatest = kept.attempt === this.#set.intent?.attempt
      this.#remember(outcome, isLatest)
      // Its process died before it could leave word of what it had received.
      if (isLatest && outcome.kind === 'unknown' && outcome.mayHoldTokens && !isUnread(this.#set))
        await this.#settle(outcome, kept.answer)
    }
    return this.#set
  }

  async #bringsUnusable({ answer, login }: Rescued): Promise<boolean> {
    const outcome = login === true ? undefined : await this.#persistence.read(answer)
    return outcome?.kind === 'granted' && outcome.tokens.isRefreshTokenUnusable === true
  }

  /**
   * Spends the refresh token and saves what comes back.
   *
   * @param options.rejected The only reason is that the API refused the access token.
   * @param options.rebind The server of the grant has a new address, by what a person says.
   * @returns The set as saved.
   * @throws {TokenError} The failure, after the store has learned of it.
   */
  async run({ rejected = false, rebind = false } = {}): Promise<TokenSet> {
    this.assertSaved()
    this.#isRejected = rejected
    await this.#prepare()
    await this.#assertOwn(rebind)
    return this.#parts.uninterrupted((stop) => this.#ask(stop))
  }

  /** An issuer that cannot be asked fails for all who wait: else they would ask it in turn, for seconds each. */
  async #prepare(): Promise<void> {
    try {
      await this.#parts.server.prepare(this.#held)
    } catch (error) {
      if (!(error instanceof ServerUnavailable)) throw error
      const at = this.#parts.clock()
      const { intent, notBefore, sequence } = this.#set
      const noted = failed(this.#set, error, at, { unfinished: intent !== null, notBefore })
      const next = { ...noted, sequence: sequence + 1 }
      // The failure is worth more to the caller than that it could not be noted.
      await this.#held
        .save(next, next.generation, entry(next, 'refresh', error.code, at))
        .catch(() => undefined)
      throw error
    }
  }

  /** @throws {StoreUnusable} while what was taken up is in the rescue file only: nothing may replace it then. */
  assertSaved(): void {
    if (this.#unsaved !== undefined) throw this.#unsaved
  }

  /** Whether all that was received is in the store. */
  get isSaved(): boolean {
    return this.#unsaved === undefined
  }

  /** Scrubs the rescue file, unless it holds what nobody could read. */
  async scrub(): Promise<void> {
    if (!this.#unread) await this.#held.rescue.scrub()
  }

  /** The last look at whose grant it is: here the token endpoint is known for certain. @throws {OtherClient} */
  async #assertOwn(rebind: boolean): Promise<void> {
    const named = await this.#parts.server.client()
    const { client: bound, intent } = this.#set
    const mayAsk = isOwn(this.#set, named) || (rebind && bound?.clientId === named.clientId)
    if (bound !== null && !mayAsk) throw otherClient(this.#parts.storeName, bound, named)
    this.#client = wholeClient(named) ?? null
    const begunBy = intent?.client ?? null
    if (intent !== null && begunBy !== null && this.#client !== null && !areSame(begunBy, this.#client))
      throw begunElsewhere(intent, begunBy, named)
  }

  #tokenSent({ spent }: Rescued): Secret | undefined {
    const { refreshToken } = this.#set.pair
    return (
      [refreshToken, this.#set.intent?.salvaged].find((token) => token?.fingerprint === spent) ?? undefined
    )
  }

  /** Milliseconds that a repetition has at least, be the deadline past. */
  get #repeatMs(): number {
    return Math.min(REPEAT_MS, this.#parts.timeoutMs)
  }

  async #ask(stop?: AbortSignal): Promise<TokenSet> {
    let deadline = Infinity
    let isSecondAsk = false
    for (let tries = 0; ;) {
      const before = this.#set
      await this.#commitIntent()
      deadline = Math.min(deadline, performance.now() + this.#parts.timeoutMs)
      const spent = spendable(this.#set)
      const left = deadline - performance.now()
      const timeoutMs = isSecondAsk
        ? Math.max(HEARING_MS, left + this.#repeatMs)
        : Math.max(this.#repeatMs, left)
      // A signal does not hold up a repetition, because that may be what saves the grant.
      const isFirst = tries === 0 && !isSecondAsk
      const look = new LastLook(Math.min(timeoutMs, this.#parts.timeoutMs), isFirst ? stop : undefined, () =>
        this.#held.isStillOurs(this.#set.sequence),
      )
      const answer = await this.#parts.server.refresh(spent, look.limits)
      const obstacle = look.obstacle(answer)
      if (obstacle !== undefined) throw await this.#undone(before, obstacle, answer.failure)
      const record = this.#record(answer, spent)
      const kept = await this.#persistence.keep(record)
      const read = withoutEcho(await this.#persistence.read(answer), spent)
      const outcome = kept ? read : unkept(read)
      if (outcome.kind === 'granted') return await this.#save(outcome.tokens, spent, record, kept)

      this.#remember(outcome)
      if (outcome.kind === 'refused') {
        if (this.#discardSalvaged()) continue
        const current = await this.#held.read()
        // Somebody went around the lock, and has a newer pair.
        if (current !== undefined && current.generation > this.#set.generation) return current
        if (current?.sequence !== this.#set.sequence) throw new Overtaken()
        if (!isSecondAsk && this.#isWorthAsking(outcome.isBusy, deadline)) {
          isSecondAsk = true
          await this.#parts.sleep(REFUSED_AGAIN_MS)
          continue
        }
      }
      // A repetition would bring the same. The next call sends the refresh token that stands in the answer, if one does.
      if (outcome.kind === 'unknown' && outcome.isUnread) throw await this.#settle(outcome, answer)
      const pause = TRY_AGAIN_AFTER[tries++]
      // The first repetition is worth more than the time it takes: a server that forgives one does so for seconds.
      const late = tries > 1 && performance.now() + (pause ?? 0) + HEARING_MS > deadline
      if (outcome.kind !== 'unknown' || pause === undefined || late) throw await this.#settle(outcome, answer)
      await this.#parts.sleep(pause)
    }
  }

  /** Whether a refusal may be another one a moment later, and there is time to hear it. */
  #isWorthAsking(isBusy: boolean, deadline: number): boolean {
    const last = deadline + this.#repeatMs
    return (this.#doubt || isBusy) && performance.now() + REFUSED_AGAIN_MS + HEARING_MS <= last
  }

  /** Proves that the store can be written before the refresh token is spent. */
  async #commitIntent(): Promise<void> {
    const at = this.#parts.clock()
    const holder = this.#held.holder(longest(this.#parts.timeoutMs + REPEAT_MS))
    const next = intended(this.#set, at, this.#parts.host, this.#client, holder)
    try {
      await this.#held.save(next, next.generation, entry(next, 'refresh', 'unfinished', at))
    } catch (error) {
      // It may stand half-way; nothing was sent, so nothing is in doubt.
      const { code } = error instanceof TokenError ? error : { code: 'failed' }
      const before = { ...this.#set, sequence: next.sequence }
      await this.#held
        .save(before, before.generation, entry(before, 'refresh', code, at))
        .catch(() => undefined)
      throw error
    }
    this.#set = next
  }

  /** Nothing was sent, and nobody failed: the store is as it was, where nobody else has changed it. */
  async #undone(before: TokenSet, error: TokenError, why: string | null): Promise<TokenError> {
    const next = { ...before, sequence: this.#set.sequence }
    const word = entry(next, 'refresh', error.code, this.#parts.clock(), why)
    await this.#held.save(next, next.generation, word).catch(() => undefined)
    return error
  }

  #remember(outcome: Outcome, isLatest = true): void {
    if (outcome.kind !== 'unknown' && outcome.kind !== 'no-verdict') return
    if (outcome.isKept) this.#unread = true
    if (outcome.kind === 'no-verdict') return
    this.#doubt = true
    const { intent } = this.#set
    if (isLatest && outcome.salvaged !== null && intent !== null)
      this.#set = { ...this.#set, intent: { ...intent, salvaged: outcome.salvaged } }
  }

  /** A salvaged token that was refused gives way to the stored one. */
  #discardSalvaged(): boolean {
    const { intent } = this.#set
    if (intent === null || intent.salvaged === null) return false
    this.#set = { ...this.#set, intent: { ...intent, salvaged: null } }
    return true
  }

  #record(answer: RawAnswer, spent: Secret): Rescued {
    const { generation, sequence, grant } = this.#set
    const client = this.#client
    return { generation, attempt: sequence, spent: spent.fingerprint, grant, client, answer }
  }

  async #save(tokens: Tokens, spent: Secret, record: Rescued, kept = true): Promise<TokenSet> {
    const { clock, defaultLifetime } = this.#parts
    const { sentAt } = record.answer
    const saved = renewed(this.#set, tokens, spent, sentAt, defaultLifetime, record.client)
    const next = this.#isRejected ? { ...saved, rejectedAt: sentAt.now } : saved
    const word = entry(next, 'refresh', 'done', clock())
    const isUnusable = tokens.isRefreshTokenUnusable === true
    // An answer that is the only copy of a refresh token stays until another good one is saved.
    const scrubs = !isUnusable && (tokens.refreshToken !== null || !this.#unusable)
    this.#unsaved = await this.#persistence.save(next, this.#set.generation, word, record, kept, scrubs)
    this.#persistence.warnOf(tokens, defaultLifetime)
    if (this.#unsaved !== undefined) return next
    this.#set = next
    this.#doubt = this.#unread = false
    this.#unusable = !scrubs
    return next
  }

  /** Leaves word in the store of an exchange that brought no token. */
  async #settle(outcome: Exclude<Outcome, { kind: 'granted' }>, answer: RawAnswer): Promise<TokenError> {
    const at = this.#parts.clock()
    const aftermath = aftermathOf(outcome, answer, at, this.#set, this.#doubt)
    // Some servers quote in an error what was sent.
    const what = withoutSecrets(outcome.what, secretsOf(this.#set))
    if (outcome.kind === 'refused') this.#spentElsewhere = await this.#seedMark()
    const error = failureOf(
      { ...outcome, what },
      {
        ...{
          host: this.#parts.server.host,
          proxy: this.#parts.server.proxy ?? null,
          set: this.#set,
          at,
          doubt: this.#doubt,
          unusable: this.#unusable,
          spentElsewhere: this.#spentElsewhere,
          hint: clientHint(this.#parts.server, what, 'hq-token refresh'),
        },
        retryAt: aftermath.notBefore ?? null,
      },
    )
    const next = failed(this.#set, error, at, aftermath, this.#client)
    try {
      await this.#held.save(next, next.generation, entry(next, 'refresh', error.code, at, what))
      this.#set = next
      await this.scrub()
    } catch {
      // The failure is worth more to the caller than that it could not be noted; the intent stands.
    }
    return error
  }

  /** Asked of the seed's own refresh token: what this store got by a refresh of its own, no mark knows. */
  async #seedMark(): Promise<number | null> {
    const { seed, seedFile, pair } = this.#set
    if (seedFile === null || pair.refreshToken.fingerprint !== seed) return null
    return (await this.#parts.seedMarks?.spentAt(seedFile.path, seed)) ?? null
  }
}
