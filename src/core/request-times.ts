// Decides when a refresh request is repeated, and how long each request may take. Sends nothing, and waits for nothing.

/**
 * Milliseconds before each repetition after an unknown outcome. They are short because servers forgive a repetition
 * for a short time only (0 to 60 s is usual).
 */
const AFTER_UNKNOWN_MS = [500, 2_000, 5_000]
/** Milliseconds that must be left for the answer: with less, a request would spend the token and hear nothing. */
export const HEARING_MS = 1_000
/** Milliseconds for the first repetition, at most, even if the first request has used up the whole time. */
export const REPEAT_MS = 5_000
/**
 * Milliseconds before a refused repetition is sent once more. The refusal may only mean that the server is still
 * working on the first request, so it does not count before that.
 */
const AFTER_REFUSAL_MS = 3_000

/** The times of the requests of one exchange. */
export class RequestTimes {
  readonly #timeoutMs: number
  /** Milliseconds that a repetition has at least, even past the deadline. */
  readonly #repeatMs: number
  #deadline = Infinity
  #tries = 0
  #isAskedAgain = false

  /** @param timeoutMs Milliseconds for the whole exchange, from the first request on. */
  constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs
    this.#repeatMs = Math.min(REPEAT_MS, timeoutMs)
  }

  /** Call it right before each request. @returns Milliseconds that this request may take. */
  begin(): { timeoutMs: number; isFirst: boolean } {
    const now = performance.now()
    this.#deadline = Math.min(this.#deadline, now + this.#timeoutMs)
    const left = this.#deadline - now
    const timeoutMs = this.#isAskedAgain
      ? Math.max(HEARING_MS, left + this.#repeatMs)
      : Math.max(this.#repeatMs, left)
    return {
      timeoutMs: Math.min(timeoutMs, this.#timeoutMs),
      isFirst: this.#tries === 0 && !this.#isAskedAgain,
    }
  }

  /** @returns Milliseconds to wait before the request is repeated; `undefined`: do not repeat it. */
  afterUnknown(): number | undefined {
    const pause = AFTER_UNKNOWN_MS[this.#tries++]
    if (pause === undefined) return undefined
    // Send the first repetition even past the deadline: servers that forgive a repetition do so for seconds.
    const isLate = this.#tries > 1 && performance.now() + pause + HEARING_MS > this.#deadline
    return isLate ? undefined : pause
  }

  /** @returns Milliseconds to wait before a refused repetition is sent once more; `undefined`: do not send it. */
  afterRefusal(): number | undefined {
    const last = this.#deadline + this.#repeatMs
    if (this.#isAskedAgain || performance.now() + AFTER_REFUSAL_MS + HEARING_MS > last) return undefined
    this.#isAskedAgain = true
    return AFTER_REFUSAL_MS
  }
}
