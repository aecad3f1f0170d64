/** The error of every command if nothing is configured. Pure. */
import { ConfigInvalid } from './errors.js'

/** The parts of a configuration that show that there is one: its file, the client, and its server. */
interface Configured {
  readonly file: string | null
  readonly clientId: string | null
  readonly tokenUrl: URL | null
  readonly issuer: string | null
}

/**
 * Whether nothing is configured. If the environment names a client or a server, another error names the missing
 * part.
 */
export function isUnconfigured({ file, clientId, tokenUrl, issuer }: Configured): boolean {
  return [file, clientId, tokenUrl, issuer].every((one) => one === null)
}

export function notConfigured(): ConfigInvalid {
  return new ConfigInvalid('there is no config file, and HQ_TOKEN_CLIENT_ID is not set', {
    hint: 'hq-token init',
  })
}
