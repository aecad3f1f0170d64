// How a client proves itself at the token endpoint. @see RFC 6749 section 2.3.1

export const AUTH_METHODS = [
  'client_secret_post',
  'client_secret_basic',
  'client_secret_basic_plain',
  'none',
] as const

export type AuthMethod = (typeof AUTH_METHODS)[number]
