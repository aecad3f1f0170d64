// Posts a message to an address of the configuration, and follows no redirect. Knows not what it is for, and sends no token.
import { errnoOf } from '../platform/errno.js'
import type { Network } from './network.js'

/** Milliseconds for a connection. */
const CONNECT_MS = 8_000

export interface Post {
  readonly url: URL
  readonly body: string
  readonly contentType: string
  readonly userAgent: string
  /** In all. */
  readonly timeoutMs: number
}

/**
 * Posts a message. Never rejects: a message that is not delivered must not cost anything else.
 *
 * @returns The problem, in words without the address; `null` if the answer is a 2xx.
 */
export async function post(
  agent: Network['agent'],
  { url, body, contentType, userAgent, timeoutMs }: Post,
): Promise<string | null> {
  const over = AbortSignal.timeout(timeoutMs)
  const limits = { connectMs: Math.min(CONNECT_MS, timeoutMs), idleMs: timeoutMs, signal: over }
  let dispatcher: ReturnType<typeof agent> | undefined
  try {
    dispatcher = agent(limits)
    const { statusCode, body: answer } = await dispatcher.request({
      ...{ origin: url.origin, path: url.pathname + url.search, method: 'POST', body },
      headers: { 'content-type': contentType, 'user-agent': userAgent },
      signal: over,
    })
    answer.on('error', () => undefined).destroy()
    return statusCode >= 200 && statusCode < 300 ? null : `answered HTTP ${statusCode}`
  } catch (error) {
    return over.aborted
      ? `gave no answer within ${timeoutMs / 1000} s`
      : `could not be reached (${errnoOf(error)})`
  } finally {
    void dispatcher?.destroy()
  }
}
