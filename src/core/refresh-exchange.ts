// Exchanges the refresh token for a new pair, so that a crash loses nothing once the answer's bytes are on disk. Does
// no I/O except through its ports.
import { wholeClient, type Client } from './client.js'
import { clientHint, Overtaken, ServerUnavailable, TokenError } from './errors.js'
import { failureOf } from './exchange-failure.js'
import { NOBODY_ELSE, otherUsers, refusalNote, type OtherUsersParts } from './other-users.js'
import type { Host } from './host.js'
import { AnswerPersistence, longest, type PersistenceParts } from './persist-answer.js'
import { LastLook } from './last-look.js'
import { unkept, withoutEcho, type Outcome } from './outcome.js'
import { areSame, begunElsewhere, belongs, isOfGrant, isOwn, otherClient } from './ownership.js'
import { aftermathOf } from './aftermath.js'
import { isOver, isUnread } from './policy.js'
import type { RawAnswer } from './ports.js'
import { RequestTimes, REPEAT_MS } from './request-times.js'
import type { HeldStore, Rescued } from './store-ports.js'
import { withoutSecrets, type Secret } from './secret.js'
import { bringsUnusable, newestFirst, spares } from './spares.js'
import type { TokenSet } from './token-set.js'
import { entry, failed, intended, renewed, spendable, type Tokens, secretsOf } from './transitions.js'

export interface ExchangeParts extends PersistenceParts, OtherUsersParts {
  /** The store's name, for messages. */
  readonly storeName: string
  /** This machine; `null` if unknown. */
  readonly host: Host | null
  /** Milliseconds for the whole exchange. A first repetition has 5 s of its own, or this if it is less. */
  readonly timeoutMs: number
  /** Seconds; used for answers without `expires_in`. */
  readonly defaultLifetime: number
  /** Runs a section to its end even if a signal arrives; `stop` is aborted when a signal has arrived. */
  readonly uninterrupted: <T>(section: (stop?: AbortSignal) => Promise<T>) => Promise<T>
}

/**
 * One exchange with the server. The grant depends on this process staying alive only between the request and the first
 * byte on disk: the intent is committed, the
 * request is sent, the raw bytes go to disk, and only then is the answer read and saved. Runs under the store's
 * lock.
 *
 * @see RFC 6749 section 6; RFC 9700 section 4.14.2 on what spending a refresh token twice costs
 */
export class RefreshExchange {
  readonly #held: HeldStore
  readonly #parts: ExchangeParts
  readonly #persistence: AnswerPersistence
  /** The set as it stands in the store. */
  #set: TokenSet
  /** True if the answer to an earlier request for this generation may have been lost. */
  #doubt: boolean
  /** True if an unreadable answer is kept, because it may hold the only copy of a pair. */
  #unread = false
  /** True if an earlier answer brought a refresh token that cannot be used: that answer is its only copy. */
  #unusable = false
  /** Why a received pair is in the rescue file only. Nothing may be spent until that pair is saved. */
  #unsaved: Error | undefined
  /** True if the API refused the access token; saved with the new one as `rejectedAt`. */
  #isRejected = false
  /** The client that sends the request; `null` if the server port does not name one in full. */
  #client: Client | null = null

  constructor(held: HeldStore, found: TokenSet, parts: ExchangeParts) {
    this.#held = held
    this.#set = found
    this.#parts = parts
    this.#persistence = new AnswerPersistence(held, parts)
    this.#doubt = found.intent !== null
  }

  /**
   * Saves the answers that a process received before it died or failed to write.
   *
   * @returns The set as it stands afterwards, which may be the old one.
   */
  async takeUp(): Promise<TokenSet> {
    const { generation } = this.#set
    for (const kept of (await this.#held.rescue.records()).toSorted(newestFirst)) {
      if (kept.generation < generation && isOfGrant(kept, this.#set))
        this.#unusable ||= bringsUnusable(kept, await this.#persistence.read(kept.answer))
      if (kept.generation < generation || !belongs(kept, this.#set)) continue
      const spent = this.#tokenSent(kept)
      // A store that was put back does not know the token that bought a later pair.
      const isLater = kept.generation > generation
      if (isLater ? this.#set.grant === null : spent === undefined) continue
      const outcome = withoutEcho(await this.#persistence.read(kept.answer), spent)
      if (outcome.kind === 'granted') {
        const sent = spent ?? outcome.tokens.refreshToken
        if (sent !== null) return this.#save(outcome.tokens, sent, kept)
      }
      if (isLater) continue
      // Use a salvaged token of the latest attempt only: one of an earlier attempt is in the store already, or
      // was refused.
      const isLatest = kept.attempt === this.#set.intent?.attempt
      this.#remember(outcome, isLatest)
      // Record the failure, because the process that received this answer died before it could.
      if (isLatest && outcome.kind === 'unknown' && outcome.mayHoldTokens && !isUnread(this.#set))
        await this.#settle(outcome, kept.answer)
    }
    return this.#set
  }

  /**
   * Spends the refresh token and saves the answer.
   *
   * @param options.rejected The API's refusal of the access token is the only reason.
   * @param options.rebind A person says that the grant's server has a new address.
   * @returns The set as saved.
   * @throws {TokenError} The failure, after the store has recorded it.
   */
  async run({ rejected = false, rebind = false } = {}): Promise<TokenSet> {
    this.assertSaved()
    this.#isRejected = rejected
    await this.#prepare()
    await this.#assertOwn(rebind)
    return this.#parts.uninterrupted((stop) => this.#ask(stop))
  }

  /**
   * Prepares the server. Records a failed discovery for all waiting processes: else each would ask the issuer in
   * turn, for seconds.
   */
  async #prepare(): Promise<void> {
    try {
      await this.#parts.server.prepare(this.#held)
    } catch (error) {
      if (!(error instanceof ServerUnavailable)) throw error
      const at = this.#parts.clock()
      const { intent, notBefore, sequence } = this.#set
      const noted = failed(this.#set, error, at, { unfinished: intent !== null, notBefore })
      const next = { ...noted, sequence: sequence + 1 }
      // Ignore a failure to record it: the caller needs the first error more.
      await this.#held
        .note(next, next.generation, entry(next, 'refresh', error.code, at))
        .catch(() => undefined)
      throw error
    }
  }

  /** @throws {StoreUnusable} while a recovered pair is in the rescue file only: nothing may replace it then. */
  assertSaved(): void {
    if (this.#unsaved !== undefined) throw this.#unsaved
  }

  /** Whether all that was received is in the store. */
  get isSaved(): boolean {
    return this.#unsaved === undefined
  }

  /** Drops the kept answers of generations before this one, unless one of them is unreadable. */
  async drop(before: number): Promise<void> {
    if (!this.#unread) await this.#held.rescue.drop(({ generation }) => generation < before)
  }

  /**
   * Checks the owner of the grant for the last time: only now is the token endpoint known for certain.
   *
   * @throws {OtherClient}
   */
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

  async #ask(stop?: AbortSignal): Promise<TokenSet> {
    const times = new RequestTimes(this.#parts.timeoutMs)
    const refused: string[] = []
    for (;;) {
      const before = this.#set
      await this.#commitIntent()
      const spent = spendable(this.#set)
      const { timeoutMs, isFirst } = times.begin()
      // A signal stops the first request only, because a repetition may be what saves the grant.
      const look = new LastLook(timeoutMs, isFirst ? stop : undefined, (ms) =>
        this.#held.isAssured(this.#set.sequence, ms),
      )
      const answer = await this.#parts.server.refresh(spent, look.limits)
      const obstacle = look.obstacle(answer)
      if (obstacle !== undefined) throw await this.#restored(before, obstacle, answer.failure)
      const record = this.#record(answer, spent)
      const kept = await this.#persistence.keep(record)
      const read = withoutEcho(await this.#persistence.read(answer), spent)
      const outcome = kept ? read : unkept(read)
      if (outcome.kind === 'granted') return await this.#save(outcome.tokens, spent, record, kept)

      this.#remember(outcome)
      if (outcome.kind === 'refused') {
        refused.push(spent.fingerprint)
        if (this.#discardSalvaged() && !refused.includes(spendable(this.#set).fingerprint)) continue
        const current = await this.#held.read()
        // Another process has bypassed the lock and saved a newer pair.
        if (current !== undefined && current.generation > this.#set.generation) return this.#ofOther(current)
        if (current?.sequence !== this.#set.sequence) throw new Overtaken()
        // A later request may get another answer, if this refusal is not the server's last word.
        const pause = this.#doubt || outcome.isBusy ? times.afterRefusal() : undefined
        if (pause !== undefined) {
          await this.#parts.sleep(pause)
          continue
        }
        if (await this.#useSpare(refused)) continue
      }
      // Do not repeat: the same answer would come. If the answer holds a whole refresh token, the next call
      // sends that one.
      if (outcome.kind === 'unknown' && outcome.isUnread) throw await this.#settle(outcome, answer)
      const pause = outcome.kind === 'unknown' ? times.afterUnknown() : undefined
      if (outcome.kind !== 'unknown' || pause === undefined) throw await this.#settle(outcome, answer)
      await this.#parts.sleep(pause)
    }
  }

  /** Commits the intent, which proves that the store can be written before the refresh token is spent. */
  async #commitIntent(): Promise<void> {
    const at = this.#parts.clock()
    const holder = this.#held.holder(longest(this.#parts.timeoutMs + REPEAT_MS))
    const next = intended(this.#set, at, this.#parts.host, this.#client, holder)
    try {
      await this.#held.note(next, next.generation, entry(next, 'refresh', 'unfinished', at))
    } catch (error) {
      // The intent may be half written. Nothing was sent, so write the row as it was before.
      const { code } = error instanceof TokenError ? error : { code: 'failed' }
      const before = { ...this.#set, sequence: next.sequence }
      await this.#held
        .note(before, before.generation, entry(before, 'refresh', code, at))
        .catch(() => undefined)
      throw error
    }
    this.#set = next
  }

  /**
   * Restores the row from before the intent, unless another process has changed it: nothing was sent, and nothing
   * has failed.
   */
  async #restored(before: TokenSet, error: TokenError, why: string | null): Promise<TokenError> {
    const next = { ...before, sequence: this.#set.sequence }
    const history = entry(next, 'refresh', error.code, this.#parts.clock(), why)
    await this.#held.note(next, next.generation, history).catch(() => undefined)
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

  /** Drops a salvaged token that was refused, so that the stored one is sent next. */
  #discardSalvaged(): boolean {
    const { intent } = this.#set
    if (intent === null || intent.salvaged === null) return false
    this.#set = { ...this.#set, intent: { ...intent, salvaged: null } }
    return true
  }

  /** Makes the refresh token of a pair that came second the next to be sent. */
  async #useSpare(refused: readonly string[]): Promise<boolean> {
    const { intent } = this.#set
    const records = await this.#held.rescue.records()
    const found = await spares(records, this.#set, (answer) => this.#persistence.read(answer))
    const salvaged = found.find(({ fingerprint }) => !refused.includes(fingerprint))
    if (intent === null || salvaged === undefined) return false
    this.#set = { ...this.#set, intent: { ...intent, salvaged } }
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
    const sequence = Math.max(this.#set.sequence, record.attempt)
    const before = { ...this.#set, generation: record.generation, sequence }
    const saved = renewed(before, tokens, spent, sentAt, defaultLifetime, record.client)
    const next = this.#isRejected ? { ...saved, rejectedAt: sentAt.now } : saved
    const history = entry(next, 'refresh', 'done', clock())
    const isUnusable = tokens.isRefreshTokenUnusable === true
    // Keep an answer that is the only copy of a refresh token until another usable one is saved.
    const drops = !isUnusable && (tokens.refreshToken !== null || !this.#unusable)
    const landed = await this.#persistence.land(next, record.generation, history, record, kept, drops)
    this.#persistence.warnOf(tokens, defaultLifetime)
    if (typeof landed === 'object' && 'unsaved' in landed) {
      this.#unsaved = landed.unsaved
      return next
    }
    // The store was put back to the life of another grant: what stands there may be long over.
    if (typeof landed === 'object' && landed.overtakenBy.generation < next.generation) throw new Overtaken()
    this.#set = typeof landed === 'object' ? this.#ofOther(landed.overtakenBy) : next
    this.#doubt = this.#set.intent !== null
    this.#unread = false
    this.#unusable = !drops
    return this.#set
  }

  /**
   * A set that another process has saved.
   *
   * @throws {Overtaken} its access token has expired: this process was away for long, or the store was put back
   */
  #ofOther(set: TokenSet): TokenSet {
    if (isOver(set.pair, this.#parts.clock())) throw new Overtaken()
    return set
  }

  /** Records in the store that the exchange brought no token, and why. */
  async #settle(outcome: Exclude<Outcome, { kind: 'granted' }>, answer: RawAnswer): Promise<TokenError> {
    const at = this.#parts.clock()
    const aftermath = aftermathOf(outcome, answer, at, this.#set, this.#doubt)
    // Some servers quote in an error what was sent.
    const what = withoutSecrets(outcome.what, secretsOf(this.#set))
    const others = outcome.kind === 'refused' ? await otherUsers(this.#set, this.#parts) : NOBODY_ELSE
    const error = failureOf(
      { ...outcome, what },
      {
        ...{ host: this.#parts.server.host, proxy: this.#parts.server.proxy ?? null },
        ...{ set: this.#set, at, doubt: this.#doubt, unusable: this.#unusable, ...others },
        hint: clientHint(this.#parts.server, what, 'hq-token refresh'),
        retryAt: aftermath.notBefore ?? null,
      },
    )
    const next = failed(this.#set, error, at, aftermath, this.#client)
    const isSure = outcome.kind === 'refused' && !this.#doubt
    const note = isSure ? await refusalNote(what, this.#set, this.#parts) : what
    try {
      await this.#held.note(next, next.generation, entry(next, 'refresh', error.code, at, note))
      this.#set = next
      if (!this.#unread)
        await this.#held.rescue.drop((kept) => kept.generation === next.generation && isOfGrant(kept, next))
    } catch {
      // Ignore a failure to record it: the caller needs the first error more, and the intent still stands.
    }
    return error
  }
}
