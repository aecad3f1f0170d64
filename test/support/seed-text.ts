import type { IssuedTokens } from '../../src/sandbox/grants.js'

/** A seed file for a pair that `sandbox.issue()` gave; by default one whose access token has expired. */
export function seedText({ accessToken, refreshToken }: IssuedTokens, accessTtl = 0): string {
  return `[AUTH]\naccess_token = ${accessToken}\naccess_expiry = ${accessTtl}\nrefresh_token = ${refreshToken}\n`
}
