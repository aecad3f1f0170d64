// Shared by the interceptor, `tokenFetch` and `api`: the origin, the guard's tokens, and whether a body can be
// sent again. Sends nothing.
import type { Readable } from 'node:stream'
import { isAnyArrayBuffer } from 'node:util/types'
import { ConfigInvalid } from '../core/errors.js'
import type { TokenGuard } from '../core/guard.js'
import type { AccessToken } from '../core/guard-options.js'
import type { Secret } from '../core/secret.js'

/** Hands out tokens, and learns how they fared: a {@link TokenGuard}. */
export type TokenSource = Pick<TokenGuard, 'token' | 'accepted' | 'apiUrl'>

/**
 * The one origin that may see the token. Plain `http:` is accepted here. A configuration allows it only for this
 * machine itself, and so should you.
 *
 * @param origin Any URL of it. Default: the one of the guard's configuration (`instance` or `api_url`).
 * @throws {ConfigInvalid} if neither names one.
 */
export function originFor({ apiUrl }: TokenSource, origin: string | URL | null = apiUrl): string {
  const hint = "give { origin: 'https://…' }, or set instance or api_url in the configuration"
  if (origin === null) throw new ConfigInvalid('nothing says which origin the token is for', { hint })
  const found = originOf(origin)
  if (found === null) throw new ConfigInvalid(`not the URL of a server: ${String(origin)}`, { hint })
  return found
}

/** `null` for a URL of a scheme that has no origin to compare. */
export function originOf(url: string | URL): string | null {
  if (!URL.canParse(String(url))) return null
  const { protocol, origin } = new URL(url)
  return /^https?:$/.test(protocol) ? origin : null
}

/** The tokens of a guard, without a wait where possible: for one second the guard returns the same promise. */
export class Tokens {
  readonly #guard: TokenSource
  #asked: Promise<AccessToken> | undefined
  #secret: Secret | undefined

  constructor(guard: TokenSource) {
    this.#guard = guard
  }

  /** @returns A promise only if nobody has waited yet for the guard's. */
  next(): Secret | Promise<Secret> {
    const asked = this.#guard.token()
    if (this.#secret !== undefined && asked === this.#asked) return this.#secret
    return Promise.resolve(asked).then(({ secret }) => {
      this.#asked = asked
      this.#secret = secret
      return secret
    })
  }
}

/** @see RFC 6750 section 2.1 */
export function authorization(token: Secret): string {
  return `Bearer ${token.reveal()}`
}

/**
 * Tells the guard that the API refused `token`. Call it even if nothing can be repeated, so that the next call has
 * a new token.
 *
 * @returns Another token, to repeat the request with; `undefined` if there is none, or if the request cannot be
 *   sent again.
 * @throws {TokenError} what the guard throws.
 */
export async function anotherToken(
  guard: TokenSource,
  token: Secret,
  body: unknown,
): Promise<Secret | undefined> {
  const { secret } = await guard.token({ rejected: token })
  return secret.equals(token) || !isRepeatable(body) ? undefined : secret
}

/** A body that is opened for each try, just before it is sent. */
export class Reopened {
  readonly open: () => unknown
  readonly isRepeatable: boolean

  constructor({ open, isRepeatable }: Pick<Reopened, 'open' | 'isRepeatable'>) {
    this.open = open
    this.isRepeatable = isRepeatable
  }
}

const REPEATABLE = new Set(['Blob', 'File', 'FormData', 'URLSearchParams'])

/** Whether a body is whole in memory, or is read from its beginning each time. A stream is there once. */
export function isRepeatable(body: unknown): boolean {
  if (body === undefined || body === null || typeof body === 'string') return true
  if (body instanceof Reopened) return body.isRepeatable
  if (ArrayBuffer.isView(body) || isAnyArrayBuffer(body)) return true
  // Compare tags, because each undici brings classes of its own. The package form-data has the tag and is a stream.
  const { [Symbol.toStringTag]: tag, pipe } = body as { [Symbol.toStringTag]?: string; pipe?: unknown }
  return tag !== undefined && REPEATABLE.has(tag) && pipe === undefined
}

/** Listens for errors of a stream meanwhile, because one that breaks while nobody reads it would end the process. */
export function unlessBroken<T>(body: unknown, work: Promise<T>): Promise<T> {
  if (!isStream(body)) return work
  return new Promise((resolve, reject) => {
    body.once('error', reject)
    work.then(resolve, reject).finally(() => body.off('error', reject))
  })
}

/** Closes a body that nobody will send. */
export function abandon(body: unknown): void {
  if (isStream(body)) body.destroy()
  else if (body instanceof ReadableStream) body.cancel().catch(() => undefined)
}

function isStream(body: unknown): body is Readable {
  return typeof body === 'object' && body !== null && 'pipe' in body
}
