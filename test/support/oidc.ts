import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Provider, type Configuration } from 'oidc-provider'

export interface OidcServer {
  readonly issuer: string
  readonly tokenUrl: string
  readonly clientId: string
  readonly clientSecret: string
  /** A refresh token, as a person's login would have brought it. */
  issue(): Promise<string>
  /** How often the token endpoint was asked. */
  requests(): number
  close(): Promise<void>
}

/** `oidc-provider`, a certified server, with rotation: a refresh token that is used twice revokes its grant. */
export async function startOidcServer(
  method: 'client_secret_post' | 'client_secret_basic',
  { pages = false } = {},
): Promise<OidcServer> {
  const client = { id: 'hq token', secret: 'a+b/c d%&=:~' }
  const listener = createServer()
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve))
  const issuer = `http://127.0.0.1:${(listener.address() as AddressInfo).port}`
  const configuration: Configuration = {
    clients: [
      {
        client_id: client.id,
        client_secret: client.secret,
        grant_types: ['authorization_code', 'refresh_token'],
        // Of a native application: any port of this machine will do (RFC 8252 section 7.3).
        application_type: 'native',
        redirect_uris: ['http://127.0.0.1/callback'],
        response_types: ['code'],
        token_endpoint_auth_method: method,
      },
    ],
    // Its own pages for logging in and consent.
    features: { devInteractions: { enabled: pages }, revocation: { enabled: true } },
    pkce: { required: () => true },
    rotateRefreshToken: true,
    ttl: { AccessToken: 60, RefreshToken: 3600, Grant: 3600 },
    findAccount: (_, accountId) => ({ accountId, claims: () => ({ sub: accountId }) }),
  }
  const provider = new Provider(issuer, configuration)
  let requests = 0
  listener.on('request', (request, response) => {
    if (request.url === '/token') requests++
    void provider.callback()(request, response)
  })
  return {
    issuer,
    tokenUrl: `${issuer}/token`,
    clientId: client.id,
    clientSecret: client.secret,
    issue: async () => {
      const found = await provider.Client.find(client.id)
      if (found === undefined) throw new Error('the client is not registered')
      const grant = new provider.Grant({ accountId: 'someone', clientId: client.id })
      grant.addOIDCScope('openid offline_access')
      const grantId = await grant.save()
      const token = new provider.RefreshToken({
        accountId: 'someone',
        client: found,
        grantId,
        scope: 'openid offline_access',
        gty: 'authorization_code',
      })
      return token.save()
    },
    requests: () => requests,
    close: () =>
      new Promise((resolve) => {
        listener.close(() => {
          resolve()
        })
        listener.closeAllConnections()
      }),
  }
}
