import * as oauth from 'oauth4webapi'
import { ConfigInvalid } from '../core/errors.js'
import type { Secret } from '../core/secret.js'

export interface ClientCredentials {
  readonly authMethod: 'client_secret_post' | 'client_secret_basic' | 'none'
  readonly clientSecret: () => Promise<Secret | undefined>
}

/**
 * How the client proves itself, to any endpoint of its server.
 *
 * @throws What `clientSecret` throws, and {@link ConfigInvalid} when it gives none.
 * @see RFC 6749 section 2.3
 */
export async function clientAuthentication({ authMethod, clientSecret }: ClientCredentials): Promise<{
  authentication: oauth.ClientAuth
  secret: Secret | undefined
}> {
  if (authMethod === 'none') return { authentication: oauth.None(), secret: undefined }
  const secret = await clientSecret()
  if (secret === undefined) throw new ConfigInvalid(`${authMethod} needs a client secret, and there is none`)
  const prove = authMethod === 'client_secret_basic' ? oauth.ClientSecretBasic : oauth.ClientSecretPost
  return { authentication: prove(secret.reveal()), secret }
}
