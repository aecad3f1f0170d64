// Saves answers that wait on this machine when a token is only looked at: no renewal would come by for long. Does no I/O
// except through its ports.
import { StoreUnreachable, TokenError } from './errors.js'
import { recover } from './recovery.js'
import type { ExchangeParts } from './refresh-exchange.js'
import type { HeldStore, TokenStore } from './store-ports.js'
import type { TokenSet } from './token-set.js'

export class Leftovers {
  readonly #store: TokenStore
  readonly #parts: ExchangeParts
  readonly #waitMs: number

  /** @param waitMs Milliseconds to wait for the lock, where nothing can be handed out without it. */
  constructor(store: TokenStore, parts: ExchangeParts, waitMs: number) {
    this.#store = store
    this.#parts = parts
    this.#waitMs = waitMs
  }

  /** The set in the store, which is healed first if this machine knows more than a shared store. */
  async read(options: { readonly anew: boolean }): Promise<TokenSet | undefined> {
    try {
      return await this.#healed(await this.#store.read(options))
    } catch (error) {
      if (!(error instanceof StoreUnreachable) || !this.#store.isBehind) throw error
      // There is no token to hand out meanwhile, as after a restart of this machine.
      await this.#store.exclusive((held) => this.#recover(held), { waitMs: this.#waitMs })
      return this.#store.read({ anew: true })
    }
  }

  /**
   * Heals a shared store that was found to be older than what this machine knows, if it can be had at once.
   *
   * @param set As read.
   * @returns The set in the store then, else the same.
   */
  async #healed(set: TokenSet | undefined): Promise<TokenSet | undefined> {
    if (!this.#store.isBehind) return set
    try {
      const found = await this.#store.exclusive((held) => this.#recover(held), { waitMs: 0 })
      // Without an answer of this machine's own the store is as old as before.
      return found !== undefined && found.generation >= (set?.generation ?? 0) ? found : set
    } catch (error) {
      if (!(error instanceof TokenError) || set === undefined) throw error
      return set
    }
  }

  /** Takes up a first login whose process died after the answer was on disk and before it was in the store. */
  async login(): Promise<TokenSet | undefined> {
    const login = await this.#store.login()
    if (login === undefined || login.spent === null) return undefined
    return this.#store.exclusive((held) => this.#recover(held), {
      waitMs: this.#waitMs,
      meanwhile: (set) => set,
    })
  }

  async #recover(held: HeldStore): Promise<TokenSet | undefined> {
    return (await recover(held, this.#parts)).set
  }
}
