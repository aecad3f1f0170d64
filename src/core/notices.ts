/**
 * Holds notices back until the store's lock is free, because a listener may be slow or never read. Touches no store
 * itself.
 */
import type { Notice } from './ports.js'
import type { ExclusiveOptions, HeldStore, TokenStore } from './store-ports.js'

export class Notices {
  readonly #say: (notice: Notice) => void
  readonly #kept: Notice[] = []
  /** The number of critical sections in progress. */
  #sections = 0

  constructor(say: (notice: Notice) => void) {
    this.#say = (notice) => {
      try {
        say(notice)
      } catch {
        // A log that is closed costs nobody the token, or the error, that the caller waits for.
      }
    }
  }

  /** Passes a notice on: at once if no critical section is in progress, else after the last one. */
  readonly notify = (notice: Notice): void => {
    if (this.#sections > 0) this.#kept.push(notice)
    else this.#say(notice)
  }

  /** The same store; notices wait until its critical sections are over. */
  around(store: TokenStore): TokenStore {
    return {
      name: store.name,
      isShared: store.isShared,
      get isBehind() {
        return store.isBehind
      },
      read: (options) => store.read(options),
      exclusive: (critical, options) => this.#exclusive(store, critical, options),
      history: () => store.history(),
      isUntouched: () => store.isUntouched(),
      login: () => store.login(),
      discovered: () => store.discovered(),
      sharing: () => store.sharing(),
      close: () => store.close(),
    }
  }

  async #exclusive<T>(
    store: TokenStore,
    critical: (held: HeldStore) => Promise<T>,
    options: ExclusiveOptions<T>,
  ): Promise<T> {
    let begun = 0
    const quietly = (held: HeldStore): Promise<T> => {
      begun += 1
      this.#sections += 1
      return critical(held)
    }
    try {
      return await store.exclusive(quietly, options)
    } finally {
      // Subtract every start, because a section that was overtaken is begun again.
      this.#sections -= begun
      this.#flush()
    }
  }

  #flush(): void {
    if (this.#sections > 0) return
    for (const notice of this.#kept.splice(0)) this.#say(notice)
  }
}
