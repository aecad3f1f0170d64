// Whether an access token goes into `Authorization: Bearer`, by what its server calls it.

/** What is known to be something else: RFC 9449, RFC 7800, RFC 8693 section 2.2.1, and drafts that are in use. */
const OTHER = new Set(['mac', 'hmac', 'dpop', 'pop', 'n_a', 'httpsig'])

/** Servers call a bearer token what they like (`BearerToken`, `bearer `, `User Access Token`). @see RFC 6750 */
export function isBearer(tokenType: string): boolean {
  return !OTHER.has(tokenType.trim().toLowerCase())
}

/** For messages: why a token is there and is not handed out. */
export const NOT_BEARER = 'the server issued a token of another type than Bearer, which nothing here can use'
export const NOT_BEARER_HINT = 'ask the server’s administrator for bearer tokens (RFC 6750)'
