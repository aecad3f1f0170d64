// Decides whether an address is the server's that the token is for. Asks nobody.
import { ConfigInvalid } from '../../../core/errors.js'

/**
 * Whether an address is the server's that the token is for. An address that two programs could read in two ways is
 * not.
 *
 * @throws {ConfigInvalid} if nothing says which server that is.
 */
export function isOurs(address: string, apiUrl: URL | null): boolean {
  if (apiUrl === null)
    throw new ConfigInvalid('nothing says which server the token is for', {
      hint: 'add to [client] of the config: api_url = https://HOST/',
    })
  return /^[!-[\]-~]+$/.test(address) && URL.canParse(address) && new URL(address).origin === apiUrl.origin
}
