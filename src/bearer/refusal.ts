/**
 * Whether an API says that the access token is no good: 401, and 403 too, which is what HighQ says of
 * an expired one. `insufficient_scope` is about what the user may do, and no new token changes that.
 *
 * @param challenge The answer's `WWW-Authenticate`, if any.
 * @see RFC 6750 section 3.1
 */
export function isRefusal(status: number, challenge: string | null): boolean {
  if (status === 401) return true
  return status === 403 && !/\berror\s*=\s*"?insufficient_scope\b/i.test(challenge ?? '')
}
