// Revokes a grant at the server. Forgets nothing in the store.
import type { Dispatcher } from 'undici'
import { ClientRefused, ServerUnavailable } from '../core/errors.js'
import type { Secret } from '../core/secret.js'
import type { ClientAuthentication } from './client-authentication.js'
import { fetchThrough, networkCode } from './fetch-through.js'

/** Milliseconds in all. */
const TIMEOUT_MS = 15_000

export interface RevocationOptions {
  readonly revocationUrl: URL
  readonly clientId: string
  readonly prove: ClientAuthentication['prove']
  readonly dispatcher: Dispatcher
}

/**
 * Ends a grant at the server. A token that the server no longer knows counts as revoked.
 *
 * @throws {ClientRefused | ServerUnavailable}
 * @see RFC 7009 section 2
 */
export async function revoke(refreshToken: Secret, options: RevocationOptions): Promise<void> {
  const { revocationUrl, clientId, prove, dispatcher } = options
  // By `import()`, because the bundle is CommonJS and Node 22.0 cannot `require` an ES module.
  const oauth = await import('oauth4webapi')
  try {
    const server = { issuer: revocationUrl.origin, revocation_endpoint: revocationUrl.href }
    const answer = await oauth.revocationRequest(
      server,
      { client_id: clientId },
      (_server, _client, body, headers) => {
        prove(body, headers)
      },
      refreshToken.reveal(),
      {
        additionalParameters: { token_type_hint: 'refresh_token' },
        signal: AbortSignal.timeout(TIMEOUT_MS),
        // eslint-disable-next-line @typescript-eslint/no-deprecated -- it is not; the mark is there to stand out
        [oauth.allowInsecureRequests]: revocationUrl.protocol === 'http:',
        [oauth.customFetch]: fetchThrough(dispatcher),
      },
    )
    if (answer.ok) return
    if ([408, 429].includes(answer.status) || answer.status >= 500)
      throw busy(revocationUrl.host, `HTTP ${answer.status}`)
    await oauth.processRevocationResponse(answer)
  } catch (error) {
    if (error instanceof ServerUnavailable) throw error
    if (error instanceof oauth.ResponseBodyError && GONE.has(error.error)) return
    if (error instanceof oauth.ResponseBodyError)
      throw new ClientRefused(`${revocationUrl.host} refused to revoke the grant (${error.error})`, {
        hint: AGAIN,
        cause: error,
      })
    const { cause } = error as { cause?: { status?: number } }
    const what = cause?.status === undefined ? networkCode(error) : `HTTP ${cause.status}`
    throw busy(revocationUrl.host, what, error)
  } finally {
    void dispatcher.destroy()
  }
}

function busy(host: string, what: string, cause?: unknown): ServerUnavailable {
  return new ServerUnavailable(`${host} did not revoke the grant (${what})`, { hint: AGAIN, cause })
}

const AGAIN = 'run hq-token logout again later; to forget the tokens anyway: hq-token logout --local'

/** Codes that some servers send for a token that has ended before. */
const GONE = new Set(['invalid_token', 'invalid_grant'])
