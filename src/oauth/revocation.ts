import * as oauth from 'oauth4webapi'
import type { Dispatcher } from 'undici'
import { ClientRefused, ServerUnavailable } from '../core/errors.js'
import type { Secret } from '../core/secret.js'
import { fetchThrough } from './fetch-through.js'

/** Milliseconds. */
const TIMEOUT_MS = 15_000

export interface RevocationOptions {
  readonly revocationUrl: URL
  readonly clientId: string
  readonly authentication: oauth.ClientAuth
  readonly dispatcher: Dispatcher
}

/**
 * Ends a grant at the server. A token that it does not know any more counts as revoked.
 *
 * @throws {ClientRefused | ServerUnavailable}
 * @see RFC 7009 section 2
 */
export async function revoke(refreshToken: Secret, options: RevocationOptions): Promise<void> {
  const { revocationUrl, clientId, authentication, dispatcher } = options
  try {
    const server = { issuer: revocationUrl.origin, revocation_endpoint: revocationUrl.href }
    const answer = await oauth.revocationRequest(
      server,
      { client_id: clientId },
      authentication,
      refreshToken.reveal(),
      {
        additionalParameters: { token_type_hint: 'refresh_token' },
        signal: AbortSignal.timeout(TIMEOUT_MS),
        // eslint-disable-next-line @typescript-eslint/no-deprecated -- it is not; the mark is there to stand out
        [oauth.allowInsecureRequests]: revocationUrl.protocol === 'http:',
        [oauth.customFetch]: fetchThrough(dispatcher),
      },
    )
    await oauth.processRevocationResponse(answer)
  } catch (error) {
    throw failure(error, revocationUrl.host)
  } finally {
    void dispatcher.destroy()
  }
}

function failure(error: unknown, host: string): ClientRefused | ServerUnavailable {
  const hint = 'run hq-token logout again later; to forget the tokens all the same: hq-token logout --local'
  if (error instanceof oauth.ResponseBodyError)
    return new ClientRefused(`${host} refused to revoke the grant (${error.error})`, { hint, cause: error })
  const { cause, name } = error as { cause?: { status?: number; code?: string }; name: string }
  const what = cause?.status === undefined ? (cause?.code ?? name) : `HTTP ${cause.status}`
  return new ServerUnavailable(`${host} did not revoke the grant (${what})`, { hint, cause: error })
}
