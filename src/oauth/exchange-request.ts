import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { Dispatcher } from 'undici'

import type { RawAnswer } from '../core/ports.js'

/** Bytes of an answer's body that are kept; a token set is a few hundred. */
const MAX_BODY = 1024 * 1024
/** Milliseconds to establish a connection, TLS included. */
const CONNECT_TIMEOUT_MS = 10_000
/** Milliseconds to hear what has come by the time that a request is given up. */
const LATE_MS = 100
/** undici publishes on it right before the first byte of a request is written to the socket. */
const SEND_HEADERS = 'undici:client:sendHeaders'

export interface ExchangeRequest {
  readonly url: URL
  readonly headers: Readonly<Record<string, string>>
  /** Not empty; told from other requests by its identity. */
  readonly body: Buffer
}

/** Makes the one connection; `signal` ends it while it is still being made. */
export type Connect = (
  origin: string,
  options: { readonly connectMs: number; readonly idleMs: number; readonly signal: AbortSignal },
) => Dispatcher

/**
 * One POST on a connection of its own, which is closed afterwards: no redirect is followed, nothing
 * is sent twice, nothing is decoded. Never rejects; whatever arrived until it ended is in the answer.
 *
 * `failure` is the error's code as Node or undici gives it (`ECONNREFUSED`, `UND_ERR_SOCKET`), its
 * name where it has none (`HTTPParserError`), `TIMEOUT` (not over after `timeoutMs`), or
 * `BODY_TOO_LARGE` (more than 1 MiB).
 *
 * @param timeoutMs For all of it, from connecting to the last byte.
 * @see RFC 9110 section 9.2.2 on repeating a POST
 */
export async function sendOnce(
  request: ExchangeRequest,
  timeoutMs: number,
  connect?: Connect,
): Promise<Omit<RawAnswer, 'sentAt'>> {
  const { url, headers, body } = request
  const connectTo = connect ?? (await directly())
  let sent = false
  let head: Head = { status: null, contentType: null, contentEncoding: null, retryAfter: null, date: null }
  // Allocated at once: into how many small chunks a body is cut is the server's choice.
  const received = Buffer.alloc(MAX_BODY)
  let length = 0
  let timer: NodeJS.Timeout | undefined

  const noteSent = (message: unknown): void => {
    if ((message as { request: { body?: unknown } }).request.body === body) sent = true
  }
  subscribe(SEND_HEADERS, noteSent)
  const over = new AbortController()
  const connection = connectTo(url.origin, {
    connectMs: Math.min(CONNECT_TIMEOUT_MS, timeoutMs - hearing(timeoutMs)),
    // One timer for all of it, which is not undici's.
    idleMs: 0,
    signal: over.signal,
  })

  const failure = await new Promise<string | null>((end) => {
    timer = setTimeout(() => {
      // A process that stood still (SIGSTOP, a debugger) has its answer waiting when the time is over. What
      // has not left by then must not leave any more: nobody would hear the answer.
      if (sent) timer = setTimeout(end, LATE_MS, 'TIMEOUT')
      else end('TIMEOUT')
    }, timeoutMs)
    // Not undici's `request`: the stream it returns drops what it had buffered when the connection breaks.
    connection.dispatch(
      { origin: url.origin, path: url.pathname + url.search, method: 'POST', headers, body, reset: true },
      {
        onRequestStart() {
          // undici takes a handler without this method for one of its old interface.
        },
        onResponseStart(_controller, status, fields) {
          if (status >= 200) head = headOf(status, fields)
        },
        onResponseData(_controller, chunk) {
          const copied = chunk.copy(received, length)
          length += copied
          if (copied < chunk.length) end('BODY_TOO_LARGE')
        },
        onResponseEnd() {
          end(null)
        },
        onResponseError(_controller, error) {
          end(codeOf(error))
        },
      },
    )
  })

  clearTimeout(timer)
  unsubscribe(SEND_HEADERS, noteSent)
  // Not awaited: bytes that may hold a token go to the disk first.
  void connection.destroy()
  // A socket that is still connecting is left alone by `destroy`.
  over.abort()
  const kept = Buffer.from(received.subarray(0, length))
  return { ...head, sent, body: kept, complete: failure === null, failure }
}

/** Milliseconds that are left for the answer: who connects later than that would spend a token and hear nothing. */
function hearing(timeoutMs: number): number {
  return Math.min(1_000, timeoutMs / 2)
}

/** Loaded where nobody brings a way of their own. */
async function directly(): Promise<Connect> {
  const { Client } = await import('undici')
  return (origin, { connectMs, idleMs, signal }) =>
    new Client(origin, {
      headersTimeout: idleMs,
      bodyTimeout: idleMs,
      connect: { timeout: connectMs, signal },
    })
}

type Head = Pick<RawAnswer, 'status' | 'contentType' | 'contentEncoding' | 'retryAfter' | 'date'>

function headOf(status: number, fields: Readonly<Record<string, string | string[] | undefined>>): Head {
  const field = (name: string): string | null => {
    const value = fields[name]
    return (Array.isArray(value) ? value[0] : value) ?? null
  }
  return {
    status,
    contentType: field('content-type'),
    contentEncoding: field('content-encoding'),
    retryAfter: field('retry-after'),
    date: field('date'),
  }
}

/** Never the message: a parser's quotes what it read. */
function codeOf(error: Error & { readonly code?: unknown }): string {
  return typeof error.code === 'string' ? error.code : error.name
}
