// A `fetch` that puts the guard's token on requests to one origin. Loads nothing of undici.
import type { Secret } from '../core/secret.js'
import { isRefusal } from './refusal.js'
import { abandon, unlessBroken } from './body.js'
import { originFor, originOf } from './origin.js'
import { anotherToken, authorization, type TokenSource } from './tokens.js'

type Fetch = typeof globalThis.fetch

/** A `fetch`: Node's, or that of any undici. */
export type AnyFetch = (input: never, init?: never) => Promise<unknown>

/**
 * Which requests carry the token, and what sends them.
 *
 * @typeParam F The type of the `fetch` that sends.
 */
export interface TokenFetchOptions<F extends AnyFetch = typeof globalThis.fetch> {
  /** The origin whose requests carry the token: any URL of it. Default: the guard's `apiUrl`. */
  readonly origin?: string | URL
  /** Sends the requests. Default: the global `fetch`. */
  readonly fetch?: F
}

/**
 * A `fetch` whose requests to one origin carry the guard's token; requests elsewhere, and those with an
 * `Authorization` of their own, go as they are. A redirect to another origin goes without the token:
 * the standard takes it off. A string such as `1/sites` is a path below the guard's `apiUrl`.
 *
 * When the API refuses the token (401, or 403 other than `insufficient_scope`), the guard is asked for
 * another, and the request is repeated once if its body can be sent again: none, a string, bytes, `Blob`,
 * `URLSearchParams`, `FormData`; neither a stream nor the body of a `Request`. A refusal by this origin
 * after redirects counts too, even if they led over another: a `fetch` does not tell of the way.
 *
 * @typeParam F The type of the `fetch` that sends.
 * @returns A function of the type of the `fetch` that sends. It rejects with what `guard.token` throws,
 *   with the signal's reason when it is aborted, with what a stream to be sent breaks with before there is
 *   a token, and with what that `fetch` rejects with.
 * @throws {ConfigInvalid} where nothing says which origin the token is for.
 * @see RFC 6750 sections 2.1 and 3.1
 * @example
 * const fetch = tokenFetch(await openGuard())
 * const response = await fetch('1/sites', { headers: { accept: 'application/json' } })
 * const { site } = await response.json()
 */
export function tokenFetch<F extends AnyFetch = typeof globalThis.fetch>(
  guard: TokenSource,
  options: TokenFetchOptions<F> = {},
): F {
  const origin = originFor(guard, options.origin)
  const send = (options.fetch ?? globalThis.fetch) as unknown as Fetch
  const base = guard.apiUrl?.origin === origin ? guard.apiUrl : null

  const carrying: Fetch = async (given, init) => {
    const input = resolved(given, base)
    const request = isRequest(input) ? input : undefined
    const headers = new Headers(init?.headers ?? request?.headers)
    const isOurs = originOf(isRequest(input) ? input.url : input) === origin
    if (!isOurs || headers.has('authorization')) return send(input, init)

    const signal = init?.signal === undefined ? request?.signal : init.signal
    const sendWith = (token: Secret): Promise<Response> => {
      headers.set('authorization', authorization(token))
      return send(input, { ...init, headers })
    }
    const body = init?.body ?? request?.body
    const { secret } = await orAborted(() => unlessBroken(body, guard.token()), signal).catch(
      (error: unknown) => {
        abandon(body)
        throw error
      },
    )
    const first = await sendWith(secret)
    if (!isRefused(first, origin)) return first

    const asked = orAborted(() => anotherToken(guard, secret, body), signal)
    const another = await asked.catch(async (error: unknown) => {
      await discard(first)
      throw error
    })
    if (another === undefined) return first
    await discard(first)
    const second = await sendWith(another)
    if (!isRefused(second, origin)) await guard.accepted(another)
    return second
  }
  return carrying as unknown as F
}

/** As for `hq-token api`, a path that begins without a slash is below the API. `fetch` judges everything else. */
function resolved(input: Parameters<Fetch>[0], base: URL | null): Parameters<Fetch>[0] {
  if (typeof input !== 'string' || base === null || URL.canParse(input)) return input
  // Skip what a URL's parser leaves out at the beginning.
  return /^[\0- ]*[/\\]/.test(input) || !URL.canParse(input, base.href) ? input : new URL(input, base)
}

/** Judges by the properties, because each undici has a class of its own. */
function isRequest(input: Parameters<Fetch>[0]): input is Request {
  return typeof input === 'object' && 'headers' in input
}

/**
 * The answer of another origin, reached by a redirect, says nothing of a token that it was not shown. If the way
 * led back to our origin, the token is blamed: a `fetch` does not tell the way, and one within our origin is
 * likelier.
 */
function isRefused({ status, headers, redirected, url }: Response, origin: string): boolean {
  if (redirected && originOf(url) !== origin) return false
  return isRefusal(status, headers.get('www-authenticate'))
}

/** Cancels the body, because an answer that nobody reads keeps its connection. */
async function discard({ body }: Response): Promise<void> {
  await body?.cancel().catch(() => undefined)
}

/** Stops waiting when the signal aborts. The guard goes on, because a refresh that has begun must not be broken off. */
async function orAborted<T>(ask: () => Promise<T>, signal: AbortSignal | null | undefined): Promise<T> {
  if (!signal) return ask()
  signal.throwIfAborted()
  return new Promise((resolve, reject) => {
    const give = (): void => {
      // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- the reason itself, as fetch does
      reject(signal.reason)
    }
    signal.addEventListener('abort', give)
    ask()
      .then(resolve, reject)
      .finally(() => {
        signal.removeEventListener('abort', give)
      })
  })
}
