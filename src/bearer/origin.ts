// Which origin may see the token. Asks nobody.
import { ConfigInvalid } from '../core/errors.js'
import type { TokenSource } from './tokens.js'

/**
 * The one origin that may see the token. Plain `http:` is accepted here. A configuration allows it only for this
 * machine itself, and so should you.
 *
 * @param origin Any URL of it. Default: the one of the guard's configuration (`instance` or `api_url`).
 * @throws {ConfigInvalid} if neither names one.
 */
export function originFor({ apiUrl }: TokenSource, origin: string | URL | null = apiUrl): string {
  const hint = "give { origin: 'https://…' }, or set instance or api_url in the configuration"
  if (origin === null) throw new ConfigInvalid('nothing says which origin the token is for', { hint })
  const found = originOf(origin)
  if (found === null) throw new ConfigInvalid(`not the URL of a server: ${String(origin)}`, { hint })
  return found
}

/** `null` for a URL of a scheme that has no origin to compare. */
export function originOf(url: string | URL): string | null {
  if (!URL.canParse(String(url))) return null
  const { protocol, origin } = new URL(url)
  return /^https?:$/.test(protocol) ? origin : null
}
