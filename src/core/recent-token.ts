// What callers of one process share: a look at the store, and the token that it found fresh, within a second of the clock.
import type { Clock } from './clock.js'
import type { AccessToken } from './guard-options.js'
import type { Ask } from './policy.js'
import type { TokenSet } from './token-set.js'

/** The second in which something was asked. */
type Second = number

export class RecentToken {
  readonly #clock: Clock
  readonly #present: () => Promise<TokenSet>
  #handedOut:
    | { readonly now: Second; readonly minValid: number | undefined; readonly token: Promise<AccessToken> }
    | undefined
  #looking: Promise<TokenSet> | undefined

  /** @param present Looks at the store. */
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

  /** A caller is about to look: what was remembered before counts no more. */
  begin(): Second {
    this.#handedOut = undefined
    return this.#second()
  }

  /** @param asked From `begin`: a look takes time. */
  remember(token: AccessToken, { minValid }: Ask, asked: Second): void {
    this.#handedOut = { now: asked, minValid, token: Promise.resolve(token) }
  }

  /** Concurrent callers share one look at the store. */
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

  /** The set is about to be replaced. */
  forget(): void {
    this.#handedOut = undefined
    this.#looking = undefined
  }

  #second(): Second {
    return this.#clock.now?.() ?? this.#clock().now
  }
}
