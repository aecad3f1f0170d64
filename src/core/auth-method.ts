// The ways in which a client proves itself at the token endpoint. Constants only.

/**
 * The way in which the client proves itself; `client_secret_basic_plain` is for servers that do not decode HTTP
 * Basic.
 *
 * @see RFC 6749 section 2.3.1
 */
export type AuthMethod = 'client_secret_post' | 'client_secret_basic' | 'client_secret_basic_plain' | 'none'

export const AUTH_METHODS = [
  'client_secret_post',
  'client_secret_basic',
  'client_secret_basic_plain',
  'none',
] as const satisfies readonly AuthMethod[]
