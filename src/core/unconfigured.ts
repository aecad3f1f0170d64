/** What every command says where nobody has configured anything. */
import { ConfigInvalid } from './errors.js'

/** What of a configuration tells: its file, the client, and its server. */
interface Configured {
  readonly file: string | null
  readonly clientId: string | null
  readonly tokenUrl: URL | null
  readonly issuer: string | null
}

/** Where the environment names a client or a server, what is missing beside it is said instead. */
export function isUnconfigured({ file, clientId, tokenUrl, issuer }: Configured): boolean {
  return [file, clientId, tokenUrl, issuer].every((one) => one === null)
}

export function notConfigured(): ConfigInvalid {
  return new ConfigInvalid('there is no config file, and HQ_TOKEN_CLIENT_ID is not set', {
    hint: 'hq-token init',
  })
}
