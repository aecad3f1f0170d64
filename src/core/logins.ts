// Begins, finishes and ends a grant with a person at a browser. Does no I/O except through its ports.
import { AGAIN, ANOTHER, CodeExchange } from './code-exchange.js'
import { clientName, wholeClient, type NamedClient } from './client.js'
import { LoginRequired, OtherClient } from './errors.js'
import { recover } from './recovery.js'
import type { ExchangeParts } from './refresh-exchange.js'
import { exchangeParts, type TokenGuardOptions } from './guard-options.js'
import { rfc3339 } from './clock.js'
import { Notices } from './notices.js'
import { areSame, mayUse, otherClient, type Anew } from './ownership.js'
import type { HeldStore, PendingLogin } from './store-ports.js'
import type { Discovered } from './ports.js'
import type { Secret } from './secret.js'
import { endedSeed, seedPaths } from './seeding.js'
import type { TokenSet } from './token-set.js'
import { entry, newGrantId } from './transitions.js'

/** Seconds that a login may take, from its address to its answer: HighQ's codes live as long. */
export const LOGIN_LIFETIME = 1800

const A_MOMENT_MS = 2_000

/** Ends a grant at the server. */
export type Revoke = (refreshToken: Secret) => Promise<void>

/**
 * Begins a grant with a person at a browser, and ends it. The login that waits is kept in the store, so that
 * another process can finish it, also after a restart.
 *
 * @see RFC 6749 section 4.1, RFC 7636, RFC 7009
 */
export class Logins {
  readonly #options: TokenGuardOptions
  readonly #parts: ExchangeParts
  readonly #waitMs: number

  constructor(options: TokenGuardOptions) {
    const notices = new Notices((notice) => options.notify?.(notice))
    this.#options = { ...options, store: notices.around(options.store), notify: notices.notify }
    this.#parts = exchangeParts(this.#options)
    this.#waitMs = (options.lockWait ?? 90) * 1000
  }

  /**
   * Notes a login before the person is sent to the browser; it replaces an earlier one. It first proves that the
   * store can be written and the client's secret is at hand, so that nobody logs in for nothing.
   *
   * @param options.discovered The endpoints that the login begins with; kept for the rest of it.
   * @param options.force Another client's set may be replaced.
   * @returns The login that was replaced, if its answer could still come.
   * @throws {LockTimeout | StoreUnusable | ConfigInvalid}
   * @throws {OtherClient} the set in the store is another client's, and `force` is not set
   */
  async begin(
    login: Pick<PendingLogin, 'state' | 'verifier' | 'redirectUri'>,
    { discovered, force = false }: LoginOptions & { readonly discovered?: Discovered | undefined } = {},
  ): Promise<PendingLogin | undefined> {
    const { store, clock, server } = this.#options
    const note = async (held: HeldStore): Promise<PendingLogin | undefined> => {
      const { set: found } = await recover(held, this.#parts)
      if (!force) this.#assertReplaceable(found, await server.client())
      if (discovered !== undefined) await held.pin(discovered)
      await server.prepare(held)
      const named = await server.client()
      if (!force) this.#assertReplaceable(found, named)
      const before = await held.login()
      const { now } = clock()
      await held.saveLogin({
        ...login,
        begunAt: now,
        spent: null,
        grant: newGrantId(),
        client: wholeClient(named) ?? null,
      })
      return before !== undefined && waits(before, now) ? before : undefined
    }
    return store.exclusive(note, { waitMs: this.#waitMs })
  }

  /**
   * The login that waits for its answer.
   *
   * @throws {LoginRequired} no login waits
   * @throws {OtherClient} the login was begun for another client, or the set that it would replace is another
   *   client's
   */
  async waiting({ force = false }: LoginOptions = {}): Promise<PendingLogin> {
    const { store, server } = this.#options
    const named = await server.client()
    if (!force) this.#assertReplaceable(await store.read(), named)
    return this.#checked(await store.login(), named)
  }

  /**
   * Saves the answer that a login received before its process died.
   *
   * @returns The set from that answer; `undefined` if there is none.
   * @throws {LockTimeout | StoreUnusable}
   */
  async takeUp(): Promise<TokenSet | undefined> {
    const { store } = this.#options
    const login = await store.login()
    if (login === undefined || login.spent === null) return undefined
    const save = async (held: HeldStore): Promise<TokenSet | undefined> => {
      const { set, tookUpLogin } = await recover(held, this.#parts)
      return tookUpLogin ? set : undefined
    }
    return store.exclusive(save, { waitMs: this.#waitMs })
  }

  /**
   * Forgets a login that the server has answered with an error. Waits for the lock only a moment, because the
   * browser waits for a page: a busy store leaves the login to expire.
   *
   * @throws {LockTimeout | StoreUnusable}
   */
  async giveUp(state: Secret): Promise<void> {
    // Skips recovery, because the browser waits and no set is read.
    const forget = async (held: HeldStore): Promise<void> => {
      if ((await held.login())?.state.equals(state) === true) await held.saveLogin(null)
    }
    await this.#options.store.exclusive(forget, { waitMs: Math.min(this.#waitMs, A_MOMENT_MS) })
  }

  /**
   * Exchanges the code for a token set and saves it. The set before becomes the previous one.
   *
   * @param state As it came back with the code; `null` if a person had only the code.
   * @throws {LoginRequired} the answer belongs to another login, came too late or was used before, or the server
   *   refused the code
   * @throws {ServerUnavailable | OutcomeUnknown | LockTimeout}
   * @throws {ClientRefused | ConfigInvalid | StoreUnusable}
   * @throws {OtherClient} as `waiting`
   */
  finish(code: Secret, state: Secret | null, { force = false }: LoginOptions = {}): Promise<TokenSet> {
    const redeem = async (held: HeldStore): Promise<TokenSet> => {
      const named = await this.#options.server.client()
      const login = this.#checked(await held.login(), named)
      if (state !== null && !state.equals(login.state))
        throw new LoginRequired(
          `this answer does not belong to the login begun at ${rfc3339(login.begunAt)} (its state is another)`,
          { hint: ANOTHER },
        )
      const { set: found, exchange } = await recover(held, this.#parts)
      exchange?.assertSaved()
      if (!force) this.#assertReplaceable(found, named)
      return new CodeExchange(held, found, this.#parts).run(code, login, state === null)
    }
    return this.#options.store.exclusive(redeem, { waitMs: this.#waitMs })
  }

  /**
   * Ends the grant at the server, then forgets it.
   *
   * @param revoke `null`: only forget it.
   * @param options.anyClient Forget another client's set too.
   * @returns False if there was nothing to forget.
   * @throws What `revoke` throws; everything is kept then.
   * @throws {LockTimeout | StoreUnusable}
   * @throws {OtherClient} the set is another client's: its refresh token is shown to no other server
   */
  async logout(revoke: Revoke | null, { anyClient = false } = {}): Promise<boolean> {
    if (await this.#options.store.isUntouched()) return false
    const end = async (held: HeldStore): Promise<TokenSet | undefined> => {
      // Revoke the newest token, because it ends the whole grant; a refresh that died may have left it in the
      // rescue file.
      const { set } = await recover(held, this.#parts)
      if (!anyClient) this.#assertReplaceable(set, await this.#options.server.client(), null)
      if (set !== undefined && revoke !== null) await revoke(set.pair.refreshToken)
      const at = this.#options.clock()
      const last = set && { ...set, sequence: set.sequence + 1 }
      // Note the seed's fingerprint, so that its file does not bring the grant back.
      await held.forget(last === undefined ? null : entry(last, 'logout', 'done', at, last.seed))
      return set
    }
    const set = await this.#options.store.exclusive(end, { waitMs: this.#waitMs })
    if (set !== undefined) await this.#markSeed(set, revoke !== null)
    return set !== undefined
  }

  /**
   * Marks the seed file, so that an empty store does not import it again: on another machine, or after this store
   * is lost.
   */
  async #markSeed(set: TokenSet, isRevoked: boolean): Promise<void> {
    const { seedMarks, clock } = this.#options
    const ended = endedSeed(set, isRevoked, clock().now)
    if (seedMarks === undefined || ended === undefined) return
    for (const path of seedPaths(set, seedMarks.configured)) await seedMarks.put(path, ended)
  }

  /** @throws {OtherClient} */
  #assertReplaceable(set: TokenSet | undefined, named: NamedClient, anew: Anew | null = 'login'): void {
    const { store, apiUrl = null } = this.#options
    if (set === undefined || set.client === null || mayUse(set, named, apiUrl)) return
    throw otherClient(store.name, set.client, named, anew ?? undefined)
  }

  #checked(login: PendingLogin | undefined, named: NamedClient): PendingLogin {
    const { store, clock } = this.#options
    if (login === undefined)
      throw new LoginRequired(`no login waits for an answer in ${store.name}`, {
        hint: 'hq-token login --no-browser',
      })
    if (login.spent !== null)
      throw new LoginRequired('the answer to this login was used before', { hint: AGAIN })
    if (!waits(login, clock().now))
      throw new LoginRequired(
        `the login begun at ${rfc3339(login.begunAt)} has expired: it must be finished within ${LOGIN_LIFETIME / 60} minutes`,
        { hint: AGAIN },
      )
    const here = wholeClient(named)
    if (login.client !== null && here !== undefined && !areSame(login.client, here))
      throw new OtherClient(
        `the login begun at ${rfc3339(login.begunAt)} is for ${clientName(login.client)}, and the configuration names ${clientName(here)}`,
        { hint: `use the --profile of that client; or ${AGAIN}` },
      )
    return login
  }
}

/** A person's decisions about a login. */
export interface LoginOptions {
  /** Another client's set may be replaced. Default: false. */
  readonly force?: boolean
}

/**
 * Whether the answer to a login can still come.
 *
 * @param now Epoch seconds.
 */
export function waits({ spent, begunAt }: PendingLogin, now: number): boolean {
  return spent === null && now - begunAt <= LOGIN_LIFETIME
}
