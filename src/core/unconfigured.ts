/** What every command says where nobody has configured anything. */
import { ConfigInvalid } from './errors.js'

/** What of a configuration tells: there is no file, and no client in the environment. */
interface Configured {
  readonly file: string | null
  readonly clientId: string | null
}

export function isUnconfigured({ file, clientId }: Configured): boolean {
  return file === null && clientId === null
}

export function notConfigured(): ConfigInvalid {
  return new ConfigInvalid('there is no config file, and HQ_TOKEN_CLIENT_ID is not set', {
    hint: 'hq-token init',
  })
}
