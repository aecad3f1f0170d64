/** Sends the one request that spends a token, and keeps every byte that comes back. Reads no token. */
import http, { type ClientRequest, type IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { Duplex } from 'node:stream'
import type { SecureContextOptions } from 'node:tls'
import type { RawAnswer, RequestLimits } from '../core/ports.js'
import { errnoOf } from '../platform/errno.js'
import { openConnection } from './connection.js'
import { readLeniently } from './lenient-http.js'
import type { NetworkSettings } from './settings.js'

/** Bytes of an answer's body that are kept; a token set has a few hundred. */
const MAX_BODY = 1024 * 1024
/** Bytes of a head that are read. */
const MAX_HEAD = 1024 * 1024
/** Milliseconds of grace after a time limit, to read what has already arrived. */
const LATE_MS = 100
/** Milliseconds of silence that end an answer that the parser has refused. */
const QUIET_MS = 2_000

export interface ExchangeRequest {
  readonly url: URL
  readonly headers: Readonly<Record<string, string>>
  /** ASCII only. */
  readonly body: string
}

export interface Way extends Pick<NetworkSettings, 'proxy' | 'noProxy'> {
  readonly tls: SecureContextOptions
}

type Answer = Omit<RawAnswer, 'sentAt'>

/**
 * Sends one POST on a connection of its own and closes it. Follows no redirect, repeats nothing and decodes
 * nothing. Never rejects: the answer holds everything that arrived.
 *
 * `failure` is one of: the error's code as Node gives it (`ECONNREFUSED`, `HPE_INVALID_CONSTANT`), or its name if
 * it has none; `UPGRADE_REFUSED` (the server offered another protocol); `CONNECTION_CLOSED` (before the answer was
 * whole); `TIMEOUT` (not connected, or not finished, in time); `BODY_TOO_LARGE` (more than 1 MiB); `PROXY_CLOSED`;
 * `PROXY_HTTP_` and a status; the result of `lastLook`.
 *
 * @see RFC 9110 section 9.2.2 on repeating a POST
 */
export function sendOnce(request: ExchangeRequest, way: Way, limits: RequestLimits): Promise<Answer> {
  return new Promise((resolve) => {
    new OneRequest(request, limits, resolve).begin(way)
  })
}

/**
 * Milliseconds of a request's time that are reserved for the answer: a connection that stands later than that would
 * spend a token and hear nothing.
 */
function hearing(timeoutMs: number): number {
  return timeoutMs / 4
}

class OneRequest {
  readonly #request: ExchangeRequest
  readonly #limits: RequestLimits
  readonly #resolve: (answer: Answer) => void
  readonly #timers = new Map<'connect' | 'all' | 'quiet', NodeJS.Timeout>()
  /** All bytes that came, head included. */
  readonly #raw = new Bytes(MAX_HEAD + MAX_BODY)
  readonly #body = new Bytes(MAX_BODY)
  #close: () => void = () => undefined
  #state: 'connecting' | 'sent' | 'over' = 'connecting'
  #response: IncomingMessage | undefined
  /** Why the parser has given up; later bytes are kept all the same. */
  #refused: string | undefined
  /** True if the server has ended its side. */
  #isEnded = false

  constructor(request: ExchangeRequest, limits: RequestLimits, resolve: (answer: Answer) => void) {
    this.#request = request
    this.#limits = limits
    this.#resolve = resolve
  }

  begin({ proxy, noProxy, tls }: Way): void {
    const { timeoutMs, stop } = this.#limits
    const connectMs = timeoutMs - hearing(timeoutMs)
    // Give `LATE_MS` of grace, because after a standstill (SIGSTOP, a debugger) the timer fires before the bytes
    // that wait are read.
    this.#after('connect', connectMs, () => {
      this.#after('connect', LATE_MS, () => {
        this.#end('TIMEOUT')
      })
    })
    this.#after('all', timeoutMs, () => {
      this.#after('all', LATE_MS, () => {
        this.#end('TIMEOUT')
      })
    })
    stop?.addEventListener('abort', this.#onStop)
    try {
      this.#close = openConnection(
        { url: this.#request.url, proxy, noProxy, tls, connectMs },
        {
          onOpen: (socket) => {
            this.#onOpen(socket)
          },
          onFailure: (code) => {
            if (this.#state === 'connecting') this.#end(code)
          },
        },
      )
      // Close again, because a connection that failed at once had nothing to close yet.
      if (this.#state === 'over') this.#close()
    } catch (error) {
      this.#end(errnoOf(error))
    }
  }

  readonly #onStop = (): void => {
    const why = this.#limits.lastLook?.() ?? null
    if (this.#state === 'connecting' && why !== null) this.#end(why)
  }

  /** Takes the last look and hands over the request, with nothing awaited between. */
  #onOpen(socket: Socket): void {
    if (this.#state !== 'connecting') return
    const parsed = new Parsed(socket)
    const why = this.#limits.lastLook?.() ?? null
    if (why !== null) {
      this.#end(why)
      return
    }
    try {
      const { url, headers, body } = this.#request
      const request = http.request({
        ...{ method: 'POST', path: url.pathname + url.search, headers: { ...headers, host: url.host } },
        // A lenient parser is safe here: the connection carries one answer and is closed, so nothing can be
        // smuggled after it.
        ...{ insecureHTTPParser: true, maxHeaderSize: MAX_HEAD },
        createConnection: () => parsed,
      })
      this.#hear(socket, parsed, request)
      request.end(body, 'latin1')
    } catch (error) {
      this.#end(errnoOf(error))
      return
    }
    this.#clear('connect')
    this.#state = 'sent'
  }

  #hear(socket: Socket, parsed: Parsed, request: ClientRequest): void {
    socket.on('data', (chunk: Buffer) => {
      this.#raw.add(chunk)
      if (this.#refused === undefined) parsed.push(chunk)
      else this.#hearRefused()
    })
    socket.on('end', () => {
      this.#isEnded = true
      parsed.push(null)
      if (this.#refused !== undefined) this.#end(this.#refused)
    })
    socket.on('error', (error) => {
      this.#end(this.#refused ?? errnoOf(error))
    })
    socket.on('close', () => {
      this.#end(this.#refused ?? 'CONNECTION_CLOSED')
    })
    const refuse = (error?: Error): void => {
      this.#onRefused(error)
    }
    parsed.on('error', refuse)
    request.on('error', refuse)
    request.on('close', refuse)
    request.on('response', (response) => {
      this.#response = response
      response.on('error', refuse)
      response.on('data', (chunk: Buffer) => {
        if (!this.#body.add(chunk)) this.#end('BODY_TOO_LARGE')
      })
      response.on('end', () => {
        if (response.complete) this.#end(null)
      })
    })
  }

  /**
   * Notes why the parser has given up. The parser destroys its side at the first error, but the bytes that matter
   * may still be coming.
   */
  #onRefused(error: Error | undefined): void {
    // This is no refusal: the parser has met the end of the connection, or bytes after a whole answer.
    if (this.#isEnded || this.#response?.complete === true || this.#refused !== undefined) return
    this.#refused = error === undefined ? 'UPGRADE_REFUSED' : errnoOf(error)
    this.#hearRefused()
  }

  #hearRefused(): void {
    const why = this.#refused ?? null
    if (this.#raw.isFull) this.#end('BODY_TOO_LARGE')
    else if (readLeniently(this.#raw.bytes()).isWhole) this.#end(why)
    else
      this.#after('quiet', QUIET_MS, () => {
        this.#after('quiet', LATE_MS, () => {
          this.#end(why)
        })
      })
  }

  #end(failure: string | null): void {
    if (this.#state === 'over') return
    const isSent = this.#state === 'sent'
    this.#state = 'over'
    for (const name of this.#timers.keys()) this.#clear(name)
    this.#limits.stop?.removeEventListener('abort', this.#onStop)
    // Do not await it: bytes that may hold a token go to disk first.
    this.#close()
    this.#resolve(this.#answer(isSent, failure))
  }

  #answer(sent: boolean, failure: string | null): Answer {
    const { url } = this.#request
    const raw = this.#raw.bytes()
    const response = this.#response
    const head =
      response === undefined ? undefined : headOf(response.statusCode ?? null, fieldsOf(response), url)
    if (failure === null && response !== undefined && head !== undefined) {
      const isFramed = isChunked(response) || response.headers['content-length'] !== undefined
      const body = hasMore(response, raw) ? { body: raw, isRaw: true } : { body: this.#body.bytes() }
      return { sent, ...head, ...body, complete: true, isFramed, failure: null }
    }
    const message = readLeniently(raw)
    if (this.#refused === undefined && head !== undefined)
      return {
        sent,
        ...head,
        body: message.body.subarray(0, MAX_BODY),
        complete: false,
        isFramed: false,
        failure,
      }
    const complete = message.isWhole || (this.#isEnded && this.#refused !== undefined)
    return {
      ...{ sent, ...(head ?? headOf(message.status, (name) => message.fields.get(name), url)) },
      ...{ body: raw, complete, isFramed: message.isWhole, failure: complete ? null : failure },
      ...(raw.byteLength > 0 && { isRaw: true }),
    }
  }

  #after(name: 'connect' | 'all' | 'quiet', ms: number, then: () => void): void {
    this.#clear(name)
    this.#timers.set(name, setTimeout(then, ms))
  }

  #clear(name: 'connect' | 'all' | 'quiet'): void {
    clearTimeout(this.#timers.get(name))
  }
}

/** The parser's end of a connection. The parser destroys it at the first error, and the socket lives on. */
class Parsed extends Duplex {
  readonly #socket: Socket

  constructor(socket: Socket) {
    super()
    this.#socket = socket
  }

  override _read(): void {
    // Nothing to do: the socket's listener pushes the data.
  }

  override _write(chunk: Uint8Array, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#socket.write(chunk, done)
  }
}

/**
 * Collects bytes in one buffer, up to a limit, because the server decides into how many small chunks it cuts them.
 */
class Bytes {
  readonly #most: number
  #all = Buffer.allocUnsafe(16 * 1024)
  #length = 0

  constructor(most: number) {
    this.#most = most
  }

  get isFull(): boolean {
    return this.#length === this.#most
  }

  /** @returns False if not all of the chunk fits. */
  add(chunk: Uint8Array): boolean {
    const fits = chunk.subarray(0, this.#most - this.#length)
    const length = this.#length + fits.byteLength
    if (length > this.#all.byteLength) {
      const wider = Buffer.allocUnsafe(Math.min(this.#most, Math.max(length, this.#all.byteLength * 4)))
      this.#all.copy(wider, 0, 0, this.#length)
      this.#all = wider
    }
    this.#all.set(fits, this.#length)
    this.#length = length
    return fits.byteLength === chunk.byteLength
  }

  bytes(): Buffer {
    return Buffer.from(this.#all.subarray(0, this.#length))
  }
}

type Head = Pick<RawAnswer, 'status' | 'contentType' | 'contentEncoding' | 'retryAfter' | 'date' | 'location'>

function headOf(status: number | null, field: (name: string) => string | undefined, url: URL): Head {
  return {
    status,
    contentType: field('content-type') ?? null,
    contentEncoding: field('content-encoding') ?? null,
    retryAfter: field('retry-after') ?? null,
    date: field('date') ?? null,
    location: status !== null && status >= 300 && status < 400 ? ownPlace(field('location'), url) : null,
  }
}

/**
 * The target of a redirect without its query, because that may hold the request's secrets; `null` for another
 * origin.
 */
function ownPlace(location: string | undefined, url: URL): string | null {
  if (location === undefined || !URL.canParse(location, url.href)) return null
  const { origin, pathname } = new URL(location, url.href)
  return origin === url.origin ? origin + pathname : null
}

function fieldsOf({ headers }: IncomingMessage): (name: string) => string | undefined {
  return (name) => [headers[name]].flat()[0]
}

/** Whether bytes follow the named length: a length that is too small, counted in characters say, has cut them off. */
function hasMore(response: IncomingMessage, raw: Uint8Array): boolean {
  if (isChunked(response) || response.headers['content-length'] === undefined) return false
  return readLeniently(raw).surplus.some((byte) => byte > 0x20)
}

function isChunked({ headers }: IncomingMessage): boolean {
  return /\bchunked\s*$/i.test(headers['transfer-encoding'] ?? '')
}
