import * as oauth from 'oauth4webapi'
import type { Dispatcher } from 'undici'
import { ConfigInvalid, ServerUnavailable } from '../core/errors.js'
import type { Discovered } from '../core/ports.js'
import { fetchThrough, networkCode } from './fetch-through.js'

/** Milliseconds for one document. */
const TIMEOUT_MS = 15_000

/**
 * Asks a server for its endpoints: OpenID Connect's metadata, else RFC 8414's.
 *
 * @param now Epoch seconds.
 * @throws {ConfigInvalid} there is no metadata, or it is that of another issuer
 * @throws {ServerUnavailable} the network or the server failed
 * @see RFC 8414 section 3, OpenID Connect Discovery 1.0 section 4
 */
export async function discover(issuer: string, dispatcher: Dispatcher, now: number): Promise<Discovered> {
  try {
    return await asked(issuer, dispatcher, now)
  } finally {
    void dispatcher.destroy()
  }
}

async function asked(issuer: string, dispatcher: Dispatcher, now: number): Promise<Discovered> {
  const url = new URL(issuer)
  let first: unknown
  for (const algorithm of ['oidc', 'oauth2'] as const) {
    const answer = await metadata(url, algorithm, dispatcher)
    try {
      const found = await read(url, answer)
      const { authorization_endpoint, token_endpoint, revocation_endpoint } = found
      if (token_endpoint === undefined)
        throw new ConfigInvalid(`the metadata of ${url.href} names no token endpoint`, { hint: BY_HAND })
      return {
        issuer,
        authorizeUrl: checked(authorization_endpoint, url),
        tokenUrl: checked(token_endpoint, url) ?? '',
        revocationUrl: checked(revocation_endpoint, url),
        at: now,
      }
    } catch (error) {
      // A server that has but one of the two may answer for the other with anything.
      if (!(error instanceof ConfigInvalid)) throw error
      first ??= error
    }
  }
  throw first
}

const BY_HAND = 'check issuer, or set authorize_url and token_url instead'

async function metadata(url: URL, algorithm: 'oidc' | 'oauth2', dispatcher: Dispatcher): Promise<Response> {
  try {
    return await oauth.discoveryRequest(url, {
      algorithm,
      signal: AbortSignal.timeout(TIMEOUT_MS),
      // eslint-disable-next-line @typescript-eslint/no-deprecated -- it is not; the mark is there to stand out
      [oauth.allowInsecureRequests]: url.protocol === 'http:',
      [oauth.customFetch]: fetchThrough(dispatcher),
    })
  } catch (error) {
    throw new ServerUnavailable(`the metadata of ${url.host} could not be had (${networkCode(error)})`, {
      hint: 'check the network and issuer, then run the same command again',
      cause: error,
    })
  }
}

async function read(url: URL, answer: Response): Promise<oauth.AuthorizationServer> {
  if (answer.status >= 500 || answer.status === 429 || answer.status === 408)
    throw new ServerUnavailable(`the metadata of ${url.host} could not be had (HTTP ${answer.status})`)
  if (answer.status === 404)
    throw new ConfigInvalid(`${url.href} publishes no metadata (RFC 8414 or OpenID Connect)`, {
      hint: BY_HAND,
    })
  try {
    return await oauth.processDiscoveryResponse(url, answer)
  } catch (error) {
    const isOther = (error as { code?: string }).code === oauth.JSON_ATTRIBUTE_COMPARISON
    throw new ConfigInvalid(
      isOther
        ? `the metadata at ${url.href} is that of another issuer`
        : `the metadata of ${url.href} cannot be read (HTTP ${answer.status})`,
      { hint: BY_HAND, cause: error },
    )
  }
}

/** Whoever reads the metadata must not be led to send a secret in the clear. */
function checked(endpoint: string | undefined, issuer: URL): string | null {
  if (endpoint === undefined) return null
  const isFit = URL.canParse(endpoint) && ['https:', issuer.protocol].includes(new URL(endpoint).protocol)
  if (!isFit)
    throw new ConfigInvalid(`the metadata of ${issuer.href} names an endpoint that is no https URL`, {
      hint: BY_HAND,
    })
  return endpoint
}
