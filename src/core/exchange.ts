import { wholeClient, type Client } from './client.js'
import { ClientRefused, LoginRequired, OutcomeUnknown, ServerUnavailable, TokenError } from './errors.js'
import type { Host } from './host.js'
import { Landing, type LandingParts } from './landing.js'
import { rfc3339 } from './moment.js'
import type { Outcome } from './outcome.js'
import { areSame, begunElsewhere, belongs, isOwn, otherClient } from './ownership.js'
import type { HeldStore, RawAnswer, Rescued } from './ports.js'
import { withoutSecrets, type Secret } from './secret.js'
import type { TokenSet } from './token-set.js'
import { entry, failed, intended, renewed, spendable, type Aftermath, type Tokens } from './transitions.js'
import { checkOf, unreached } from './unreached.js'

/**
 * After an unknown outcome the same refresh token is sent again this soon, in milliseconds: the
 * windows in which servers forgive that are short (0 to 60 s is usual).
 */
const TRY_AGAIN_AFTER = [500, 2_000, 5_000]
/** Milliseconds that a request must have to be answered: less would spend a token and hear nothing. */
const HEARING_MS = 1_000
/** Milliseconds for the repetition of a request that took all the time there was. */
const REPEAT_MS = 5_000

export interface ExchangeParts extends LandingParts {
  /** The store, for messages. */
  readonly storeName: string
  /** This machine; `null` where that is not known. */
  readonly host: Host | null
  /** Milliseconds for the whole exchange, but for a first repetition, which has 5 s in any case. */
  readonly timeoutMs: number
  /** Seconds; for answers without `expires_in`. */
  readonly defaultLifetime: number
  /** Runs a section that must come to its end, whatever signal arrives. */
  readonly uninterrupted: <T>(section: () => Promise<T>) => Promise<T>
}

/**
 * One exchange with the server, crash-safe: at no instant the grant depends on this process living
 * on. Intent, request, raw bytes to disk, and only then reading and saving. Under the store's lock.
 *
 * @see RFC 6749 section 6; RFC 9700 section 4.14.2 on what spending a refresh token twice costs
 */
export class Exchange {
  readonly #held: HeldStore
  readonly #parts: ExchangeParts
  readonly #landing: Landing
  /** As it stands in the store. */
  #set: TokenSet
  /** True when an earlier request for this generation may have been answered unheard. */
  #doubt: boolean
  /** An answer that could not be read is kept: it may hold the only copy of a pair. */
  #unread = false
  /** Why a pair that was received is in the rescue file only: until it is saved nothing may be spent. */
  #unsaved: Error | undefined
  /** The API had refused the access token: word of it is kept with the new one. */
  #isRejected = false
  /** Who asks; `null` where the server does not say. */
  #client: Client | null = null

  constructor(held: HeldStore, found: TokenSet, parts: ExchangeParts) {
    this.#held = held
    this.#set = found
    this.#parts = parts
    this.#landing = new Landing(held, parts)
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
      if (kept.generation !== this.#set.generation || !belongs(kept, this.#set)) continue
      const spent = this.#tokenSent(kept)
      if (spent === undefined) continue
      const outcome = await this.#landing.read(kept.answer)
      if (outcome.kind === 'granted') return this.#save(outcome.tokens, spent, kept)
      // A token that an earlier attempt salvaged is in the store, or was refused since.
      this.#remember(outcome, kept.answer, kept.attempt === this.#set.intent?.attempt)
    }
    return this.#set
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
    await this.#parts.server.prepare()
    await this.#assertOwn(rebind)
    return this.#parts.uninterrupted(() => this.#ask())
  }

  /** @throws {StoreUnusable} while what was taken up is in the rescue file only: nothing may replace it then. */
  assertSaved(): void {
    if (this.#unsaved !== undefined) throw this.#unsaved
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

  async #ask(): Promise<TokenSet> {
    let deadline = Infinity
    for (let tries = 0; ;) {
      await this.#commitIntent()
      deadline = Math.min(deadline, performance.now() + this.#parts.timeoutMs)
      const spent = spendable(this.#set)
      const answer = await this.#parts.server.refresh(spent, {
        timeoutMs: Math.max(this.#repeatMs, deadline - performance.now()),
      })
      const record = this.#record(answer, spent)
      const kept = await this.#landing.keep(record)
      const outcome = await this.#landing.read(answer)
      if (outcome.kind === 'granted') return await this.#save(outcome.tokens, spent, record, kept)

      this.#remember(outcome, answer)
      if (outcome.kind === 'refused') {
        if (this.#discardSalvaged()) continue
        const current = await this.#held.read()
        // Somebody went around the lock, and has a newer pair.
        if (current !== undefined && current.generation > this.#set.generation) return current
      }
      const pause = TRY_AGAIN_AFTER[tries++]
      // The first repetition is worth more than the time it takes: a server that forgives one does so for seconds.
      const late = tries > 1 && performance.now() + (pause ?? 0) + HEARING_MS > deadline
      if (outcome.kind !== 'unknown' || pause === undefined || late) throw await this.#settle(outcome)
      await this.#parts.sleep(pause)
    }
  }

  /** Proves that the store can be written before the refresh token is spent. */
  async #commitIntent(): Promise<void> {
    const at = this.#parts.clock()
    const next = intended(this.#set, at, this.#parts.host, this.#client)
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

  #remember(outcome: Outcome, answer: RawAnswer, isLatest = true): void {
    if (outcome.kind !== 'unknown') return
    this.#doubt = true
    if (isUnread(outcome, answer)) this.#unread = true
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
    this.#unsaved = await this.#landing.save(next, this.#set.generation, word, record, kept)
    if (this.#unsaved !== undefined) return next
    this.#set = next
    this.#doubt = this.#unread = false
    return next
  }

  /** Leaves word in the store of an exchange that brought no token. */
  async #settle(outcome: Exclude<Outcome, { kind: 'granted' }>): Promise<TokenError> {
    const at = this.#parts.clock()
    const error = this.#failure(outcome)
    const next = failed(this.#set, error, at, this.#aftermath(outcome, at.now), this.#client)
    try {
      await this.#held.save(
        next,
        next.generation,
        entry(next, 'refresh', error.code, at, this.#withoutSecrets(outcome.what)),
      )
      await this.scrub()
    } catch {
      // The failure is worth more to the caller than that it could not be noted; the intent stands.
    }
    return error
  }

  #aftermath(outcome: Outcome, now: number): Aftermath {
    switch (outcome.kind) {
      case 'unknown':
        return { unfinished: true }
      case 'refused':
        return { refused: true }
      case 'no-verdict':
        // An earlier try of this exchange may have rotated: the doubt outlives this answer.
        return {
          unfinished: this.#doubt,
          notBefore: outcome.retryAfter === null ? null : now + outcome.retryAfter,
        }
      default:
        return { unfinished: this.#doubt }
    }
  }

  #failure(outcome: Exclude<Outcome, { kind: 'granted' }>): TokenError {
    const { host, proxy = null } = this.#parts.server
    const what = this.#withoutSecrets(outcome.what)
    switch (outcome.kind) {
      case 'not-sent':
        return new ServerUnavailable(unreached(host, what, proxy), {
          hint: `nothing was lost; ${checkOf(what)}, then run the same command again`,
        })
      case 'unknown':
        return new OutcomeUnknown(`${host} gave no usable answer (${what}); the refresh may have happened`)
      case 'no-verdict':
        return new ServerUnavailable(
          `${host} did not answer as a token endpoint (${what})`,
          /^HTTP 40[45]\b/.test(what)
            ? { hint: 'nothing was lost; check instance or token_url in the configuration' }
            : outcome.retryAfter === null
              ? {}
              : { hint: `nothing was lost; the server asks to wait ${outcome.retryAfter} s` },
        )
      case 'refused': {
        const doubt = this.#doubt ? '; an earlier answer of the server had been lost' : ''
        return new LoginRequired(`${host} refused the refresh token (${what})${doubt}${this.#otherUse()}`)
      }
      case 'misconfigured':
        return new ClientRefused(`${host} refused the client (${what})`)
    }
  }

  /** Two that spend one grant refuse each other's tokens: names the other one, as far as it can be known. */
  #otherUse(): string {
    const { host, cameFrom, lastRefreshAt, pair } = this.#set
    if (cameFrom !== null) {
      const here = host === null || host.name === cameFrom.name ? 'another machine of that name' : host.name
      return `; this store was on ${cameFrom.name} before ${rfc3339(cameFrom.at)} and is on ${here} now: if both use it, each ends the grant of the other`
    }
    // Then the lost answer is the cause.
    if (this.#doubt) return ''
    const here = host === null ? '' : ` (this one is on ${host.name})`
    return `; unless the grant was ended at the server, a copy of this store${here}, on another machine or from a backup, has used it since ${rfc3339(lastRefreshAt ?? pair.obtained.now)}`
  }

  /** Some servers quote in an error what was sent. */
  #withoutSecrets(text: string): string {
    const { pair, previous, intent } = this.#set
    const secrets = [
      ...[pair, previous].flatMap((one) => (one === null ? [] : [one.accessToken, one.refreshToken])),
      ...(intent?.salvaged ? [intent.salvaged] : []),
    ]
    return withoutSecrets(text, secrets)
  }
}

/** A success by its status, in words that nobody understood: it may hold the only copy of a pair. */
function isUnread(outcome: Outcome, { status, body }: RawAnswer): boolean {
  return outcome.kind === 'unknown' && status !== null && status < 300 && body.byteLength > 0
}
