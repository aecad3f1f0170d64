// Asks the configured issuer for its endpoints. Does not trust the answer: it is bounded in time and size, must be
// about this very issuer, and may only name addresses that are fit for secrets.
import { brotliDecompressSync, gunzipSync, inflateSync } from 'node:zlib'
import type * as OAuth from 'oauth4webapi'
import type { Dispatcher } from 'undici'
import { ConfigInvalid, ServerUnavailable, TokenError } from '../core/errors.js'
import type { Discovered } from '../core/ports.js'
import { networkCode } from './fetch-through.js'

/** Loads an ES module by `import()`, because the bundle is CommonJS and Node 22.0 cannot `require` one. */
const loadOAuth = (): Promise<typeof OAuth> => import('oauth4webapi')

/** Milliseconds in all, for both places, from connecting to the last byte. */
const TIMEOUT_MS = 15_000
/** Bytes, both as received and decompressed. */
const MOST_BYTES = 1024 * 1024

/**
 * Asks a server for its endpoints: OpenID Connect's metadata, else RFC 8414's. Follows no redirect.
 *
 * @param dispatcher It is destroyed at the end.
 * @param now Epoch seconds.
 * @param timeoutMs Milliseconds in all.
 * @throws {ConfigInvalid} there is no metadata, it is that of another issuer, or it names an address that is not
 *   fit
 * @throws {ServerUnavailable} the network or the server failed
 * @see RFC 8414 section 3, OpenID Connect Discovery 1.0 section 4
 */
export async function discover(
  issuer: string,
  dispatcher: Dispatcher,
  now: number,
  timeoutMs = TIMEOUT_MS,
): Promise<Discovered> {
  const over = AbortSignal.timeout(timeoutMs)
  let problem: ConfigInvalid | undefined
  try {
    for (const algorithm of ['oidc', 'oauth2'] as const) {
      try {
        const answer = await metadata(new URL(issuer), algorithm, dispatcher, over)
        if (answer.status !== 404) return await endpoints(await read(new URL(issuer), answer), issuer, now)
      } catch (error) {
        // Try the other place, because a server that has only one of the two may answer anything for the
        // other.
        if (!(error instanceof ConfigInvalid)) throw error
        problem ??= error
      }
    }
  } finally {
    void dispatcher.destroy()
  }
  const what = `${new URL(issuer).href} publishes no metadata (RFC 8414 or OpenID Connect)`
  throw problem ?? new ConfigInvalid(what, { hint: BY_HAND })
}

const BY_HAND = 'check issuer, or set authorize_url and token_url instead'

async function metadata(
  url: URL,
  algorithm: 'oidc' | 'oauth2',
  dispatcher: Dispatcher,
  over: AbortSignal,
): Promise<Response> {
  const oauth = await loadOAuth()
  try {
    return await oauth.discoveryRequest(url, {
      algorithm,
      // eslint-disable-next-line @typescript-eslint/no-deprecated -- it is not; the mark is there to stand out
      [oauth.allowInsecureRequests]: url.protocol === 'http:',
      [oauth.customFetch]: (address, { headers }) => bounded(new URL(address), headers, dispatcher, over),
    })
  } catch (error) {
    if (error instanceof TokenError) throw error
    const what = over.aborted ? 'TIMEOUT: no whole answer in time' : networkCode(error)
    throw new ServerUnavailable(`the metadata of ${url.host} could not be fetched (${what})`, {
      hint: 'check the network and issuer, then run the same command again',
      cause: error,
    })
  }
}

/** The error for a server that is there and cannot answer. */
function failing({ host }: URL, status: number): ServerUnavailable {
  return new ServerUnavailable(`the metadata of ${host} could not be fetched (HTTP ${status})`)
}

/** Fetches a document within limits. `fetch` cannot, because it decompresses on the way and reads without a limit. */
async function bounded(
  url: URL,
  headers: Readonly<Record<string, string>>,
  dispatcher: Dispatcher,
  signal: AbortSignal,
): Promise<Response> {
  const answer = await dispatcher.request({
    ...{ origin: url.origin, path: url.pathname + url.search, method: 'GET', signal },
    headers: { ...headers, 'accept-encoding': 'identity' },
  })
  const { statusCode: status, body } = answer
  if (status !== 200) {
    // Discard the body; the connection ends with the dispatcher.
    body.on('error', () => undefined).destroy()
    // `Response` accepts no status above 599.
    if (status > 599) throw failing(url, status)
    return new Response(null, { status })
  }
  const [coding] = [answer.headers['content-encoding'] ?? []].flat()
  const [contentType = ''] = [answer.headers['content-type'] ?? []].flat()
  const bytes = decompressed(await whole(body, url), coding?.trim().toLowerCase(), url)
  return new Response(bytes === undefined ? null : Uint8Array.from(bytes), {
    status,
    headers: { 'content-type': contentType },
  })
}

/** @throws {ConfigInvalid} The document is endless, so it is no server's metadata. */
async function whole(body: AsyncIterable<Uint8Array>, url: URL): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of body) {
    chunks.push(chunk)
    length += chunk.byteLength
    if (length > MOST_BYTES) throw tooLarge(url)
  }
  return Buffer.concat(chunks)
}

const DECOMPRESS = new Map([
  ['gzip', gunzipSync],
  ['x-gzip', gunzipSync],
  ['deflate', inflateSync],
  ['br', brotliDecompressSync],
])

/** @returns `undefined` if the bytes do not decompress. */
function decompressed(bytes: Uint8Array, coding: string | undefined, url: URL): Uint8Array | undefined {
  const way = DECOMPRESS.get(coding ?? '')
  if (way === undefined) return bytes
  try {
    return way(bytes, { maxOutputLength: MOST_BYTES })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge(url)
    return undefined
  }
}

function tooLarge({ host }: URL): ConfigInvalid {
  return new ConfigInvalid(`the metadata of ${host} is larger than 1 MiB`, { hint: BY_HAND })
}

async function read(url: URL, answer: Response): Promise<OAuth.AuthorizationServer> {
  if (answer.status >= 500 || answer.status === 429 || answer.status === 408)
    throw failing(url, answer.status)
  const oauth = await loadOAuth()
  try {
    return await oauth.processDiscoveryResponse(url, answer)
  } catch (error) {
    throw new ConfigInvalid(
      isOfAnother(error, oauth)
        ? `the metadata at ${url.href} belongs to another issuer: ${shown(error.cause.body.issuer)}`
        : `the metadata of ${url.href} cannot be read (HTTP ${answer.status})`,
      { hint: BY_HAND, cause: error },
    )
  }
}

function isOfAnother(
  error: unknown,
  { JSON_ATTRIBUTE_COMPARISON }: typeof OAuth,
): error is { cause: { body: { issuer: string } } } {
  return (error as { code?: string }).code === JSON_ATTRIBUTE_COMPARISON
}

/** An issuer from a foreign document, for a message: a URL has no character that could command a terminal. */
function shown(issuer: string): string {
  const { origin, pathname, protocol } = new URL(issuer)
  const text = /^https?:$/.test(protocol) ? origin + pathname : protocol
  return text.length > 200 ? `${text.slice(0, 200)}…` : text
}

async function endpoints(found: unknown, issuer: string, now: number): Promise<Discovered> {
  const { endpointsIn } = await import('./metadata.js')
  const read = endpointsIn(found)
  if (typeof read === 'string')
    throw new ConfigInvalid(`the metadata of ${issuer} cannot be used: ${read}`, { hint: BY_HAND })
  const { token_endpoint: tokenUrl, authorization_endpoint: authorizeUrl } = read
  if (tokenUrl === null)
    throw new ConfigInvalid(`the metadata of ${issuer} names no token endpoint`, { hint: BY_HAND })
  return { issuer, authorizeUrl, tokenUrl, revocationUrl: read.revocation_endpoint, at: now }
}
