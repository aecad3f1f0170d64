// Checks for the last time whether a request that spends a token may leave. Does no I/O except through its ports.
import { Overtaken, ServerUnavailable, TokenError } from './errors.js'
import type { RawAnswer, RequestLimits } from './ports.js'
import { HEARING_MS } from './request-times.js'

/**
 * Milliseconds that a lease must still last when the request leaves: most answers come in that time, and are saved
 * before anybody follows this process.
 */
const ASSURED_MS = 10_000

/**
 * The check that is made once the connection stands, right before the request that spends a token. It is made there
 * because connecting may take long, and the answer may have changed meanwhile.
 */
export class LastLook {
  readonly limits: RequestLimits
  readonly #stop: AbortSignal | undefined
  readonly #isAssured: (ms: number) => boolean
  /** The store's objection to the request. */
  #found: TokenError | undefined

  /**
   * @param stop Aborted when a signal is about to end this process.
   * @param isAssured Whether the store still names this process as the sender, and will for some milliseconds.
   */
  constructor(timeoutMs: number, stop: AbortSignal | undefined, isAssured: (ms: number) => boolean) {
    this.#stop = stop
    this.#isAssured = isAssured
    const latest = performance.now() + timeoutMs - Math.min(HEARING_MS, timeoutMs / 4)
    this.limits = {
      timeoutMs,
      lastLook: () => {
        if (stop?.aborted === true) return String(stop.reason)
        return performance.now() > latest ? 'TIMEOUT' : this.#inStore()
      },
      ...(stop && { stop }),
    }
  }

  /** Why the request was not sent, if a signal or the store stopped it; else `undefined`. */
  obstacle({ sent, failure }: RawAnswer): TokenError | undefined {
    if (sent) return undefined
    if (this.#stop?.aborted === true && failure === String(this.#stop.reason))
      return new ServerUnavailable(`${failure} ended the refresh before it was sent`)
    return this.ofStore({ sent })
  }

  /** Like `obstacle`, but for the store's objection only. */
  ofStore({ sent }: Pick<RawAnswer, 'sent'>): TokenError | undefined {
    if (sent) return undefined
    return this.#found
  }

  #inStore(): string | null {
    try {
      if (this.#isAssured(ASSURED_MS)) return null
      this.#found = new Overtaken()
    } catch (error) {
      if (!(error instanceof TokenError)) throw error
      this.#found = error
    }
    return 'STORE'
  }
}
