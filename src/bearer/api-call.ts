// Makes one call of `hq-token api`, and one repetition after a refusal. Prints nothing.
import { Readable } from 'node:stream'
import { interceptors, type Dispatcher } from 'undici'
import { ServerUnavailable } from '../core/errors.js'
import { checkOf, unreached } from '../core/unreached.js'
import { bearer } from './interceptor.js'
import { hasAuthorization } from './headers.js'
import { isRefusal } from './refusal.js'
import { Reopened } from './body.js'
import { type TokenSource } from './tokens.js'

/** The body to send: opened anew for each try, `null` for none. */
export interface ApiBody {
  readonly open: () => Readable | Buffer
  /** Bytes; `null` if the length is not known before the end. */
  readonly length: number | null
  /** Whether `open` may be called a second time. */
  readonly isRepeatable: boolean
}

type Headers = Readonly<Record<string, string | string[] | undefined>>

export interface ApiRequest {
  readonly method: string
  /** A URL on the origin that the token is for; the caller has checked that. */
  readonly url: URL
  readonly headers: Headers
  /** Headers that replace the others after a redirect to another origin. */
  readonly awayHeaders: Headers
  readonly body: ApiBody | null
  /** Milliseconds without a byte after which a transfer is given up. */
  readonly idleMs: number
  /** Makes the way to the servers. */
  readonly agent: (limits: { readonly connectMs: number; readonly idleMs: number }) => Dispatcher
}

export interface ApiResponse {
  readonly status: number
  readonly statusText: string
  readonly headers: Headers
  /** Must be read or destroyed. */
  readonly body: Readable
  /** The API refused the token that the guard had just renewed, or the body could not be sent again. */
  readonly isRefused: boolean
}

const REDIRECTS = 10
const CONNECT_MS = 10_000

/**
 * Calls the API with a token, and once more with a new one when it refuses the first.
 *
 * Redirects of GET and HEAD without a body are followed; to another origin neither the token nor the headers of the
 * call go along.
 *
 * @throws {TokenError} what the guard throws
 * @throws {ServerUnavailable} when the network failed before the answer began
 */
export async function callApi(guard: TokenSource, request: ApiRequest): Promise<ApiResponse> {
  const { method, url, headers, awayHeaders, body, idleMs } = request
  const isFollowed = /^(?:GET|HEAD)$/.test(method) && body === null
  const agent = request
    .agent({ connectMs: Math.min(CONNECT_MS, idleMs), idleMs })
    .compose(
      awayWith(awayHeaders),
      interceptors.redirect({ maxRedirections: isFollowed ? REDIRECTS : 0 }),
      bearer(guard, { origin: url }),
    )
  try {
    const answer = await agent.request({
      origin: url.origin,
      path: url.pathname + url.search,
      method,
      headers: { ...headers, ...(body?.length != null && { 'content-length': String(body.length) }) },
      body: body && (new Reopened(body) as never),
    })
    // A reader of the body still hears of an error; the listener is for callers that throw the body away.
    answer.body.on('error', () => undefined).once('close', () => void agent.destroy())
    const history = (answer.context as { readonly history?: readonly URL[] } | undefined)?.history ?? []
    // A redirect to another origin takes the token off for good, so what is said from there on does not concern it.
    const isOurs = history.every(({ origin }) => origin === url.origin)
    const challenge = [answer.headers['www-authenticate'] ?? []].flat().join(', ')
    return {
      status: answer.statusCode,
      statusText: answer.statusText,
      headers: answer.headers,
      body: answer.body,
      isRefused: isOurs && isRefusal(answer.statusCode, challenge),
    }
  } catch (error) {
    void agent.destroy()
    throw asUnavailable(url, error)
  }
}

/**
 * Keeps the headers of a call with its token. undici takes the token off when a redirect leads to another origin,
 * and it stays off even if the way leads back.
 */
function awayWith(headers: Headers): Dispatcher.DispatcherComposeInterceptor {
  return (dispatch) => (request, handler) =>
    dispatch(hasAuthorization(request.headers) ? request : { ...request, headers: { ...headers } }, handler)
}

/** Codes with which undici, a socket, DNS and TLS fail on the way. */
const NETWORK = [
  /^PROXY_\w+$/,
  /^UND_ERR_(?:SOCKET|INFO|\w*TIMEOUT|PRX_TLS|HEADERS_OVERFLOW|RES_\w+)$/,
  /^(?:ECONN\w+|EAI_\w+|E(?:HOST|NET)(?:UNREACH|DOWN|RESET)|EPIPE|ETIMEDOUT|ENOTFOUND|EADDRNOTAVAIL)$/,
  /^(?:EPROTO|ERR_(?:TLS|SSL)_\w+|\w*CERT\w*|HOSTNAME_MISMATCH|INVALID_(?:CA|PURPOSE))$/,
]

/** Words a failure of the network; returns any other error as it is. */
export function asUnavailable({ host }: URL, error: unknown): unknown {
  if (!(error instanceof Error)) return error
  const { code = '', syscall } = error as NodeJS.ErrnoException
  const isNetwork =
    NETWORK.some((codes) => codes.test(code)) || syscall === 'connect' || error.name === 'HTTPParserError'
  if (!isNetwork) return error
  const what = code === '' ? error.name : code
  const { proxy = null } = error as { readonly proxy?: string | null }
  const message = proxy === null ? `the transfer with ${host} failed (${what})` : unreached(host, what, proxy)
  return new ServerUnavailable(message, {
    hint: `${checkOf(what)}, then run the same command again`,
    cause: error,
  })
}
