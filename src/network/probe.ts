// Sends one harmless request for `doctor` and notes how far it came. Sends no token.
import { AsyncLocalStorage } from 'node:async_hooks'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { lookup } from 'node:dns/promises'
import { TLSSocket } from 'node:tls'
import { errnoOf } from '../platform/errno.js'
import type { Network } from './network.js'

/** Milliseconds for one probe, and for a connection. */
const PATIENCE_MS = 12_000
const CONNECT_MS = 8_000
/** Bytes of an answer that are read. */
const MOST_BODY = 64 * 1024

export interface ProbeRequest {
  readonly url: URL
  readonly method: 'GET' | 'POST'
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string
}

export interface ProbeAnswer {
  readonly status: number
  readonly contentType: string | null
  readonly date: string | null
  /** As it came; the first 64 KiB. */
  readonly body: Uint8Array
}

/** The findings of one request about the connection to a server. */
export interface Probe {
  readonly url: URL
  /** `null` if no answer came. */
  readonly answer: ProbeAnswer | null
  /** Why no answer came: a code, never a message. */
  readonly failure: string | null
  /** `unused`: the request went directly to the server. */
  readonly proxy: 'unused' | 'reached' | 'unreached'
  /** True if a connection to the server itself was made, TLS included. */
  readonly isConnected: boolean
  /** The server's certificate, as far as it was verified; `null` without TLS. */
  readonly certificate: { readonly issuer: string; readonly validTo: string } | null
  /** The server's addresses, as this machine resolves them; `null` if it cannot. */
  readonly addresses: readonly string[] | null
}

interface Connecting {
  readonly connectParams: { readonly host: string }
  readonly socket?: unknown
}

const CONNECTED = 'undici:client:connected'
const NOT_CONNECTED = 'undici:client:connectError'

/** Marks a probe's own connections, because the diagnostic channels report those of the whole process. */
const own = new AsyncLocalStorage<ProbeRequest>()

/**
 * Sends one request like all others of the program, and follows no redirect. Never rejects, and ends within 15
 * seconds.
 *
 * @param proxy The configured proxy's URL. Only the probe shows whether it is used for this server.
 * @throws {ConfigInvalid} a file that the connection needs cannot be used
 */
export async function probe(network: Network, proxy: URL | null, request: ProbeRequest): Promise<Probe> {
  const { url } = request
  let way: Probe['proxy'] = 'unused'
  let isConnected = false
  let certificate: Probe['certificate'] = null
  const connected = (message: unknown): void => {
    if (own.getStore() !== request) return
    const { connectParams, socket } = message as Connecting
    if (connectParams.host === url.host) {
      isConnected = true
      if (socket instanceof TLSSocket) certificate = certificateOf(socket)
    } else if (connectParams.host === proxy?.host) way = 'reached'
  }
  const notConnected = (message: unknown): void => {
    if (own.getStore() !== request) return
    if ((message as Connecting).connectParams.host === proxy?.host && way === 'unused') way = 'unreached'
  }
  subscribe(CONNECTED, connected)
  subscribe(NOT_CONNECTED, notConnected)
  try {
    const [addresses, { answer, failure }] = await Promise.all([
      addressesOf(url),
      own.run(request, () => ask(network, request)),
    ])
    return { url, answer, failure, proxy: way, isConnected, certificate, addresses }
  } finally {
    unsubscribe(CONNECTED, connected)
    unsubscribe(NOT_CONNECTED, notConnected)
  }
}

async function ask(
  network: Network,
  { url, method, headers, body }: ProbeRequest,
): Promise<Pick<Probe, 'answer' | 'failure'>> {
  const over = AbortSignal.timeout(PATIENCE_MS)
  const agent = network.agent({ connectMs: CONNECT_MS, idleMs: PATIENCE_MS, signal: over })
  try {
    const {
      statusCode,
      headers: fields,
      body: stream,
    } = await agent.request({
      ...{ origin: url.origin, path: url.pathname + url.search, method, body: body ?? null },
      headers: { ...headers, 'accept-encoding': 'identity' },
      signal: over,
    })
    const one = (name: string): string | null => [fields[name] ?? null].flat()[0] ?? null
    const answer = { status: statusCode, contentType: one('content-type'), date: one('date') }
    const bytes = await firstOf(stream)
    return { answer: { ...answer, body: bytes }, failure: null }
  } catch (error) {
    return { answer: null, failure: over.aborted ? 'TIMEOUT' : errnoOf(error) }
  } finally {
    void agent.destroy()
  }
}

/** The beginning of a body, whether or not it ends. */
async function firstOf(stream: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let length = 0
  try {
    for await (const chunk of stream) {
      chunks.push(chunk)
      length += chunk.byteLength
      if (length >= MOST_BODY) break
    }
  } catch {
    // Ignore the error: the head has told the most.
  }
  return Buffer.concat(chunks).subarray(0, MOST_BODY)
}

/** Resolves the name without delaying the answer; the resolver's own time limit is the longest wait. */
async function addressesOf({ hostname }: URL): Promise<readonly string[] | null> {
  const found = lookup(hostname.replace(/^\[|\]$/g, ''), { all: true }).then(
    (all) => all.map(({ address }) => address),
    () => null,
  )
  return Promise.race([found, later(PATIENCE_MS)])
}

function later(ms: number): Promise<null> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms, null).unref()
  })
}

function certificateOf(socket: TLSSocket): Probe['certificate'] {
  const { issuer, valid_to: validTo } = socket.getPeerCertificate()
  // A resumed session may come without a certificate.
  if (typeof validTo !== 'string') return null
  return { issuer: [issuer.O ?? issuer.CN ?? 'an authority without a name'].flat().join(', '), validTo }
}
