// Decides whether an API's answer refuses the access token. Looks at status and challenge only.
/**
 * Whether an API says that the access token is no good: 401, and also 403, which HighQ answers to an expired one.
 * `insufficient_scope` does not count, because it is about what the user may do, and no new token changes that.
 *
 * @param challenge The answer's `WWW-Authenticate`, if any.
 * @see RFC 6750 section 3.1
 */
export function isRefusal(status: number, challenge: string | null): boolean {
  if (status === 401) return true
  return status === 403 && !/\berror\s*=\s*"?insufficient_scope\b/i.test(challenge ?? '')
}
