// Exchanges an authorization code for a token set so that a crash at any instant loses no answer. Does no I/O except
// through its ports.
import { wholeClient } from './client.js'
import {
  ClientRefused,
  clientHint,
  LoginRequired,
  OutcomeUnknown,
  Overtaken,
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

/** The next command after a failed login. */
export const AGAIN = 'begin again: hq-token login'

/** The same of the answer to an earlier login: the one that waits is still good. */
export const ANOTHER =
  'hq-token login --complete -, and paste the address of the latest login; or begin again: hq-token login'

/**
 * One exchange of an authorization code, as safe as that of a refresh token: the store notes the code, one request
 * is sent, the raw answer goes to disk, and only then is it read and saved. The set before stays until the new one
 * is saved. Runs under the store's lock.
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
   * Saves the answer that a login received before its process died.
   *
   * @returns The set as it stands afterwards.
   * @throws {StoreUnusable} the set cannot be saved
   */
  async takeUp(): Promise<TokenSet | undefined> {
    const pending = await this.#held.login()
    if (typeof pending?.spent !== 'string') return this.#set
    const records = await this.#held.rescue.records()
    const now = await this.#held.counters()
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
   * Spends the code and saves the answer.
   *
   * @param pending The login as it stands in the store.
   * @param isBare True for a bare code without `state`: it may be another login's or no code at all, so a refusal
   *   keeps the login pending.
   * @throws {TokenError} The set before stays as it was.
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
      // Send it once only: a code that comes twice costs the tokens that it brought (RFC 6749 section 4.1.2),
      // and the person is at hand to log in again.
      const look = new LastLook(timeoutMs, stop, (ms) => this.#held.isAssured(code.fingerprint, ms))
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
        await this.#dropAnswers()
        const none =
          isRefreshTokenUnusable === true ? 'a refresh token that cannot be used' : 'no refresh token'
        throw new ClientRefused(`${server.host} issued ${none}: nothing could be kept alive`, {
          hint: 'ask for a refresh token (with scope = … offline_access, or in the registration at the server), then: hq-token login',
        })
      }
      return this.#save({ ...outcome.tokens, refreshToken }, record, kept)
    })
  }

  /** Clears the note of the code, because nothing was sent: the browser's answer can be used again. */
  async #undone({ fingerprint }: Secret, pending: PendingLogin, error: TokenError): Promise<TokenError> {
    const noted = await this.#held.login().catch(() => undefined)
    if (noted?.spent === fingerprint) await this.#held.saveLogin(pending).catch(() => undefined)
    return error
  }

  async #save(tokens: Tokens & { refreshToken: Secret }, record: Rescued, kept: boolean): Promise<TokenSet> {
    const { clock, defaultLifetime, host } = this.#parts
    const { attempt, answer } = record
    const ownership = { grant: record.grant ?? newGrantId(), client: record.client ?? null }
    let replaced = this.#set
    let counters = { generation: record.generation, sequence: attempt - 1 }
    for (;;) {
      const next = signedIn(tokens, replaced, counters, answer.sentAt, defaultLifetime, host, ownership)
      const done = entry(next, 'login', 'done', clock())
      const landed = await this.#persistence.land(next, replaced?.generation ?? 0, done, record, kept)
      if (typeof landed === 'object' && 'unsaved' in landed) throw landed.unsaved
      const other = typeof landed === 'object' && landed.overtakenBy.grant !== ownership.grant
      if (!other) {
        // Ignore a failure: the code is spent in any case, and clearing the login only tidies up.
        await this.#held.saveLogin(null).catch(() => undefined)
        // Where another process has found the answer, it may have renewed its pair.
        return typeof landed === 'string' ? next : landed.overtakenBy
      }
      // Another process has found the answer, and a person has begun another grant since.
      if ((await this.#held.login())?.grant !== record.grant) throw new Overtaken()
      // The login is the latest word of a person, so it follows a pair of the old grant that came first.
      replaced = landed.overtakenBy
      counters = { ...replaced, sequence: Math.max(replaced.sequence, attempt - 1) }
    }
  }

  /** Drops the answers to codes. An answer to a refresh may hold the only copy of a pair. */
  #dropAnswers(): Promise<void> {
    return this.#held.rescue.drop(({ login }) => login === true)
  }

  async #failed(
    outcome: Exclude<Outcome, { kind: 'granted' }>,
    code: Secret,
    pending: PendingLogin,
    isBare: boolean,
  ): Promise<TokenError> {
    const { host, proxy = null } = this.#parts.server
    const what = withoutSecrets(outcome.what, [code, pending.verifier, pending.state])
    // The login stays pending if nothing was sent, because the browser's answer can then be used again.
    const isGood = outcome.kind === 'not-sent' || (isBare && outcome.kind === 'refused')
    const spent = outcome.kind === 'unknown' ? { ...pending, spent: code.fingerprint } : null
    await this.#held.saveLogin(isGood ? pending : spent).catch(() => undefined)
    await this.#dropAnswers()
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
          hint: isBare ? 'copy the whole address from the address bar' : AGAIN,
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

/** Whether a record answers the pending login. A stranger, or an older life of the store, may have left others. */
function isAnswerTo({ login, spent, grant = null }: Rescued, pending: PendingLogin): boolean {
  return login === true && pending.spent === spent && pending.grant === grant
}
