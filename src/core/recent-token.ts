// Shares one read of the store, and the fresh token in it, among the callers of a process, for a second of the
// clock. Decides nothing about the token.
import type { Clock } from './clock.js'
import type { AccessToken } from './guard-options.js'
import type { Ask } from './policy.js'
import type { TokenSet } from './token-set.js'

/** A second of the clock. */
type Second = number

export class RecentToken {
  readonly #clock: Clock
  readonly #present: () => Promise<TokenSet>
  #handedOut:
    | { readonly now: Second; readonly minValid: number | undefined; readonly token: Promise<AccessToken> }
    | undefined
  #looking: Promise<TokenSet> | undefined

  /** @param present Reads the store. */
  constructor(clock: Clock, present: () => Promise<TokenSet>) {
    this.#clock = clock
    this.#present = present
  }

  /** The token that was found fresh in this second for the same demand. */
  token(ask: Ask): Promise<AccessToken> | undefined {
    const recent = this.#handedOut
    const isRecent =
      recent !== undefined &&
      ask.rejected === undefined &&
      ask.minValid === recent.minValid &&
      recent.now === this.#second()
    return isRecent ? recent.token : undefined
  }

  /** Forgets the remembered token, because a caller is about to read the store. */
  begin(): Second {
    this.#handedOut = undefined
    return this.#second()
  }

  /** @param asked From `begin`, because the read itself takes time. */
  remember(token: AccessToken, { minValid }: Ask, asked: Second): void {
    this.#handedOut = { now: asked, minValid, token: Promise.resolve(token) }
  }

  /** Reads the store; concurrent callers share one read. */
  look(): Promise<TokenSet> {
    if (this.#looking === undefined) {
      const looked = (): void => {
        this.#looking = undefined
      }
      this.#looking = this.#present()
      this.#looking.then(looked, looked)
    }
    return this.#looking
  }

  /** Forgets everything, because the set is about to be replaced. */
  forget(): void {
    this.#handedOut = undefined
    this.#looking = undefined
  }

  #second(): Second {
    return this.#clock.now?.() ?? this.#clock().now
  }
}
