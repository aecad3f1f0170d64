import { wholeClient } from './client.js'
import {
  ClientRefused,
  clientHint,
  LoginRequired,
  OutcomeUnknown,
  ServerUnavailable,
  type TokenError,
} from './errors.js'
import { addressHint } from './exchange-failure.js'
import type { ExchangeParts } from './refresh-exchange.js'
import { AnswerPersistence, longest } from './persist-answer.js'
import { LastLook } from './last-look.js'
import type { Outcome } from './outcome.js'
import type { HeldStore, PendingLogin, Rescued } from './store-ports.js'
import { withoutSecrets, type Secret } from './secret.js'
import type { TokenSet } from './token-set.js'
import { entry, newGrantId, signedIn, type Tokens } from './transitions.js'
import { checkOf, unreached } from './unreached.js'

/** The next command after a login that came to nothing. */
export const AGAIN = 'begin anew: hq-token login'

/** The same of the answer to an earlier login: the one that waits is still good. */
export const ANOTHER =
  'hq-token login --complete -, and paste the address of the login begun last; or begin anew: hq-token login'

/**
 * The exchange of an authorization code, crash-safe as that of a refresh token: word of it in the store,
 * one request, the raw answer on disk, and only then reading and saving. The set before stays until the
 * new one is saved. Under the store's lock.
 *
 * @see RFC 6749 section 4.1
 */
export class CodeExchange {
  readonly #held: HeldStore
  readonly #parts: ExchangeParts
  readonly #persistence: AnswerPersistence
  readonly #set: TokenSet | undefined

  /** @param found The set that the new one will replace. */
  constructor(held: HeldStore, found: TokenSet | undefined, parts: ExchangeParts) {
    this.#held = held
    this.#set = found
    this.#parts = parts
    this.#persistence = new AnswerPersistence(held, parts)
  }

  /**
   * Saves what a login that died had received.
   *
   * @returns The set as it is after that.
   * @throws {StoreUnusable} while it cannot be saved.
   */
  async takeUp(): Promise<TokenSet | undefined> {
    const records = await this.#held.rescue.records()
    const now = await this.#held.counters()
    const pending = await this.#held.login()
    const kept = records.findLast(
      (record) => record.generation === now.generation && isAnswerTo(record, pending),
    )
    if (kept === undefined) return this.#set
    const outcome = await this.#persistence.read(kept.answer)
    const refreshToken = outcome.kind === 'granted' ? outcome.tokens.refreshToken : null
    return outcome.kind === 'granted' && refreshToken !== null
      ? this.#save({ ...outcome.tokens, refreshToken }, kept, true)
      : this.#set
  }

  /**
   * Spends the code and saves what comes back.
   *
   * @param pending As it stands in the store.
   * @param isBare Nothing tells whose the code is, nor whether it is one: refused, it does not end the login.
   * @throws {TokenError} The set before is as it was.
   */
  async run(code: Secret, pending: PendingLogin, isBare = false): Promise<TokenSet> {
    await this.#parts.server.prepare(this.#held)
    return this.#parts.uninterrupted(async (stop) => {
      const { verifier, redirectUri } = pending
      const { generation, sequence } = await this.#held.counters()
      const { server, timeoutMs } = this.#parts
      const holder = this.#held.holder(longest(timeoutMs))
      await this.#held.saveLogin({ ...pending, spent: code.fingerprint, ...(holder && { holder }) })
      const client = wholeClient(await server.client()) ?? null
      // Once: a code that comes twice costs what it brought (RFC 6749 section 4.1.2), and the person is at hand.
      const look = new LastLook(timeoutMs, stop, () => this.#held.isStillOurs(code.fingerprint))
      const answer = await server.redeem({ code, verifier, redirectUri }, look.limits)
      const obstacle = look.ofStore(answer)
      if (obstacle !== undefined) throw await this.#undone(code, pending, obstacle)
      const about = { generation, attempt: sequence + 1, spent: code.fingerprint, login: true } as const
      const record = { ...about, grant: pending.grant, client, answer }
      const kept = await this.#persistence.keep(record)
      const outcome = await this.#persistence.read(answer)
      if (outcome.kind !== 'granted') throw await this.#failed(outcome, code, pending, isBare)
      const { refreshToken, isRefreshTokenUnusable } = outcome.tokens
      if (refreshToken === null) {
        await this.#held.saveLogin(null)
        await this.#scrub()
        const none =
          isRefreshTokenUnusable === true ? 'a refresh token that cannot be used' : 'no refresh token'
        throw new ClientRefused(`${server.host} issued ${none}: nothing could be kept alive`, {
          hint: 'ask for one (scope = … offline_access, or the registration at the server), then: hq-token login',
        })
      }
      return this.#save({ ...outcome.tokens, refreshToken }, record, kept)
    })
  }

  /** Nothing was sent: the same answer of the browser will do again. */
  async #undone({ fingerprint }: Secret, pending: PendingLogin, error: TokenError): Promise<TokenError> {
    const noted = await this.#held.login().catch(() => undefined)
    if (noted?.spent === fingerprint) await this.#held.saveLogin(pending).catch(() => undefined)
    return error
  }

  async #save(tokens: Tokens & { refreshToken: Secret }, record: Rescued, kept: boolean): Promise<TokenSet> {
    const { clock, defaultLifetime, host } = this.#parts
    const { generation, attempt, answer } = record
    const counters = { generation, sequence: attempt - 1 }
    const ownership = { grant: record.grant ?? newGrantId(), client: record.client ?? null }
    const next = signedIn(tokens, this.#set, counters, answer.sentAt, defaultLifetime, host, ownership)
    const unsaved = await this.#persistence.save(
      next,
      this.#set?.generation ?? 0,
      entry(next, 'login', 'done', clock()),
      record,
      kept,
    )
    if (unsaved !== undefined) throw unsaved
    // The code is spent in any case: that it waits no longer is for the eye only.
    await this.#held.saveLogin(null).catch(() => undefined)
    return next
  }

  /** An answer without a token is worth nothing more; one to a refresh, that nobody could read, may be. */
  async #scrub(): Promise<void> {
    const records = await this.#held.rescue.records().catch(() => undefined)
    // What cannot be read stays: it may be one of those.
    if (records?.every(({ login }) => login) === true) await this.#held.rescue.scrub()
  }

  async #failed(
    outcome: Exclude<Outcome, { kind: 'granted' }>,
    code: Secret,
    pending: PendingLogin,
    isBare: boolean,
  ): Promise<TokenError> {
    const { host, proxy = null } = this.#parts.server
    const what = withoutSecrets(outcome.what, [code, pending.verifier, pending.state])
    // What was never sent can be sent again, with the same answer of the browser.
    const isGood = outcome.kind === 'not-sent' || (isBare && outcome.kind === 'refused')
    const spent = outcome.kind === 'unknown' ? { ...pending, spent: code.fingerprint } : null
    await this.#held.saveLogin(isGood ? pending : spent).catch(() => undefined)
    await this.#scrub()
    switch (outcome.kind) {
      case 'not-sent':
        return new ServerUnavailable(unreached(host, what, proxy), {
          hint: checkOf(what),
        })
      case 'no-verdict':
        return new ServerUnavailable(`${host} did not answer as a token endpoint (${what})`, {
          hint: beginningAnew(addressHint(outcome)),
        })
      case 'unknown':
        return new OutcomeUnknown(`${host} gave no usable answer (${what}); the code is spent`, {
          hint: AGAIN,
        })
      case 'refused':
        return new LoginRequired(`${host} refused the code (${what})`, {
          hint: isBare ? 'take all of the address bar' : AGAIN,
        })
      case 'misconfigured':
        return new ClientRefused(`${host} refused the client (${what})`, {
          hint: 'check client_id, client_secret and auth_method in the configuration, then: hq-token login',
          ...clientHint(this.#parts.server, what, 'hq-token login'),
        })
    }
  }
}

function beginningAnew(first: string | undefined): string {
  return first === undefined ? AGAIN : `${first}, then ${AGAIN}`
}

/** An answer that nobody waits for is none: what a stranger, or an older life of the store, has left is not taken up. */
function isAnswerTo({ login, spent, grant = null }: Rescued, pending: PendingLogin | undefined): boolean {
  return login === true && pending !== undefined && pending.spent === spent && pending.grant === grant
}
