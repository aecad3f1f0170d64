import { Overtaken, ServerUnavailable, TokenError } from './errors.js'
import type { RawAnswer, RequestLimits } from './ports.js'

/** Milliseconds that an answer must have: with less a request would spend a token and hear nothing. */
const HEARING_MS = 1_000

/**
 * The look that is taken when the connection stands, right before the request that spends a token: connecting may take
 * long, and what was true before may not be any more.
 */
export class LastLook {
  readonly limits: RequestLimits
  readonly #stop: AbortSignal | undefined
  readonly #isStillOurs: () => boolean
  /** What the store had to say against the request. */
  #found: TokenError | undefined

  /**
   * @param stop Aborted when a signal is about to end this process.
   * @param isStillOurs Whether the store says that this process is the one to send it.
   */
  constructor(timeoutMs: number, stop: AbortSignal | undefined, isStillOurs: () => boolean) {
    this.#stop = stop
    this.#isStillOurs = isStillOurs
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

  /**
   * Why the request was not sent, where a signal or the store was the reason; `undefined` else.
   */
  obstacle({ sent, failure }: RawAnswer): TokenError | undefined {
    if (sent) return undefined
    if (this.#stop?.aborted === true && failure === String(this.#stop.reason))
      return new ServerUnavailable(`${failure} ended the refresh before it was sent`)
    return this.ofStore({ sent })
  }

  /** As `obstacle`, of the store alone. */
  ofStore({ sent }: Pick<RawAnswer, 'sent'>): TokenError | undefined {
    if (sent) return undefined
    return this.#found
  }

  #inStore(): string | null {
    try {
      if (this.#isStillOurs()) return null
      this.#found = new Overtaken()
    } catch (error) {
      if (!(error instanceof TokenError)) throw error
      this.#found = error
    }
    return 'STORE'
  }
}
