/** Keeps what is to be said until the store's lock is free: who hears it may take its time, or read nothing at all. */
import type { Notice } from './ports.js'
import type { ExclusiveOptions, HeldStore, TokenStore } from './store-ports.js'

export class Notices {
  readonly #say: (notice: Notice) => void
  readonly #kept: Notice[] = []
  /** Critical sections that are under way. */
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

  /** Says it at once where no critical section is under way, and else when the last one is over. */
  readonly notify = (notice: Notice): void => {
    if (this.#sections > 0) this.#kept.push(notice)
    else this.#say(notice)
  }

  /** The same store, in whose critical sections nothing is said. */
  around(store: TokenStore): TokenStore {
    return {
      name: store.name,
      read: () => store.read(),
      exclusive: (critical, options) => this.#exclusive(store, critical, options),
      history: () => store.history(),
      isUntouched: () => store.isUntouched(),
      login: () => store.login(),
      discovered: () => store.discovered(),
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
      // Each that was begun anew is over too.
      this.#sections -= begun
      this.#flush()
    }
  }

  #flush(): void {
    if (this.#sections > 0) return
    for (const notice of this.#kept.splice(0)) this.#say(notice)
  }
}
