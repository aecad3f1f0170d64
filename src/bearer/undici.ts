/**
 * The token on requests: an interceptor for undici, and a `fetch`. Loads nothing of undici itself.
 *
 * @module hq-token/undici
 */
export { bearer, type BearerOptions, type Interceptor } from './interceptor.js'
export { tokenFetch, type AnyFetch, type TokenFetchOptions } from './token-fetch.js'
export type { TokenSource } from './tokens.js'
