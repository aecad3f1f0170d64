// The tokens of a guard, for requests. Sends nothing.
import type { TokenGuard } from '../core/guard.js'
import type { AccessToken } from '../core/guard-options.js'
import type { Secret } from '../core/secret.js'
import { isRepeatable } from './body.js'

/** Hands out tokens, and learns how they fared: a {@link TokenGuard}. */
export type TokenSource = Pick<TokenGuard, 'token' | 'accepted' | 'apiUrl'>

/** The tokens of a guard, without a wait where possible: for one second the guard returns the same promise. */
export class Tokens {
  readonly #guard: TokenSource
  #asked: Promise<AccessToken> | undefined
  #secret: Secret | undefined
  #field: { readonly token: Secret; readonly value: string } | undefined

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

  /** One string for all requests with a token, because each string of its own is as long as the token. */
  fieldOf(token: Secret): string {
    if (this.#field?.token !== token) this.#field = { token, value: authorization(token) }
    return this.#field.value
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
