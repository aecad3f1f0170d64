import type { RawAnswer, RequestLimits } from './ports.js'

/** Milliseconds that an answer must have: with less a request would spend a token and hear nothing. */
const HEARING_MS = 1_000

/**
 * The limits of one request that spends a token, with the look that is taken when the connection stands: connecting
 * may take long, and what was true before may not be any more.
 *
 * @param stop Aborted when a signal is about to end this process.
 */
export function withLastLook(timeoutMs: number, stop: AbortSignal | undefined): RequestLimits {
  const latest = performance.now() + timeoutMs - Math.min(HEARING_MS, timeoutMs / 4)
  return {
    timeoutMs,
    lastLook: () => {
      if (stop?.aborted === true) return String(stop.reason)
      return performance.now() > latest ? 'TIMEOUT' : null
    },
    ...(stop && { stop }),
  }
}

/** True where the request was not sent because a signal had come. */
export function isStopped({ sent, failure }: RawAnswer, stop: AbortSignal | undefined): boolean {
  return !sent && stop?.aborted === true && failure === String(stop.reason)
}
