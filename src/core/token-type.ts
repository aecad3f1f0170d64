// Tells by its type whether an access token may go into `Authorization: Bearer`. Pure.

/**
 * Types that are known to be no bearer tokens: RFC 9449, RFC 7800, RFC 8693 section 2.2.1, and drafts that are in
 * use.
 */
const OTHER = new Set(['mac', 'hmac', 'dpop', 'pop', 'n_a', 'httpsig'])

/**
 * Any unknown type counts as bearer, because servers use many names (`BearerToken`, `bearer `, `User Access
 * Token`).
 *
 * @see RFC 6750
 */
export function isBearer(tokenType: string): boolean {
  return !OTHER.has(tokenType.trim().toLowerCase())
}

/** The message for a token that is there and is not handed out. */
export const NOT_BEARER = 'the server issued a token of another type than Bearer, which nothing here can use'
export const NOT_BEARER_HINT = 'ask the server’s administrator for bearer tokens (RFC 6750)'
