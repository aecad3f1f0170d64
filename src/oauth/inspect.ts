// Findings about the OAuth2 endpoints, from harmless requests. Sends no secret.
import type { Dispatcher } from 'undici'
import { fail, ok, warn, type Finding } from '../core/finding.js'
import { ConfigInvalid, ServerUnavailable } from '../core/errors.js'
import { readAnswer } from './answer.js'
import { discover } from './discovery.js'

/** The answer to a request that can have no effect. */
export interface IdleAnswer {
  readonly status: number
  readonly contentType: string | null
  readonly body: Uint8Array
}

/**
 * A request that a token endpoint must refuse, and that cannot count against anybody, because it names no client
 * and brings no token.
 *
 * @see RFC 6749 sections 5.2 and 6
 */
export const IDLE_TOKEN_REQUEST = {
  method: 'POST',
  headers: { accept: 'application/json', 'content-type': 'application/x-www-form-urlencoded' },
  body: 'grant_type=refresh_token',
} as const

export const TOKEN_URL = 'token URL'
export const AUTHORIZE_URL = 'authorize URL'
const CHECK_URL = 'check instance, or token_url, in [client] of the config'

/** Whether the answer to `IDLE_TOKEN_REQUEST` comes from a token endpoint. */
export async function inspectTokenUrl(url: URL, answer: IdleAnswer): Promise<Finding> {
  const shown = url.origin + url.pathname
  const { status } = answer
  const reading = await readAnswer({
    ...{ ...answer, sentAt: { now: 0, boot: null, uptime: 0 }, sent: true, complete: true, failure: null },
    ...{ contentEncoding: null, retryAfter: null, date: null },
  })
  if (reading.kind === 'error')
    return ok(
      TOKEN_URL,
      `${shown} answers as a token endpoint (${reading.code}, as it should without a client)`,
    )
  if (status === 404 || status === 410)
    return fail(
      TOKEN_URL,
      new ConfigInvalid(`there is no token endpoint at ${shown} (HTTP ${status})`, { hint: CHECK_URL }),
    )
  if (status >= 300 && status < 400)
    return fail(
      TOKEN_URL,
      new ServerUnavailable(`${shown} redirects elsewhere (HTTP ${status})`, { hint: CHECK_URL }),
    )
  if (status === 429 || status >= 500)
    return fail(TOKEN_URL, new ServerUnavailable(`${shown} answers with HTTP ${status}`))
  if (reading.kind === 'html')
    return fail(
      TOKEN_URL,
      new ServerUnavailable(
        `${shown} answers with a web page (HTTP ${status}): a proxy’s, a firewall’s, or a wrong URL`,
        {
          hint: `open it in a browser to see whose; ${CHECK_URL}`,
        },
      ),
    )
  // RFC 6749 section 5.2 requires one of these two, and some servers (glewlwyd) send no body to a request without a
  // client.
  if ((status === 400 || status === 401) && Buffer.from(answer.body).toString('latin1').trim() === '')
    return ok(TOKEN_URL, `${shown} refuses a request without a client, as it should (HTTP ${status})`)
  return warn(TOKEN_URL, `${shown} answers with HTTP ${status}, and not in the form of RFC 6749`, CHECK_URL)
}

/** Whether the answer to a request without parameters may come from the page where people log in. */
export function inspectAuthorizeUrl(url: URL, { status }: IdleAnswer): Finding {
  const shown = url.origin + url.pathname
  if (status === 404 || status === 410)
    return fail(
      AUTHORIZE_URL,
      new ConfigInvalid(`there is no page to log in at ${shown} (HTTP ${status})`, {
        hint: 'check instance, or authorize_url, in [client] of the config',
      }),
    )
  if (status >= 500)
    return warn(AUTHORIZE_URL, `${shown} answers with HTTP ${status}`, 'open it in a browser')
  return ok(AUTHORIZE_URL, `${shown} answers (HTTP ${status})`)
}

export const ISSUER = 'issuer'

/**
 * The address of an issuer's metadata, which shows whether the issuer can be reached.
 *
 * @see OpenID Connect Discovery 1.0 section 4
 */
export function metadataUrl(issuer: string): URL {
  return new URL(`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`)
}

/**
 * Whether the next login or refresh will find the issuer's endpoints. Asks for them in the same way.
 *
 * @param login A login also needs the authorization endpoint, and only the metadata names it.
 */
export async function inspectIssuer(
  issuer: string,
  dispatcher: Dispatcher,
  now: number,
  login: boolean,
): Promise<Finding> {
  try {
    const { authorizeUrl } = await discover(issuer, dispatcher, now)
    if (login && authorizeUrl === null)
      throw new ConfigInvalid(`the metadata of ${issuer} does not say where to log in`, {
        hint: 'set authorize_url in [client] of the configuration',
      })
    return ok(ISSUER, `${issuer} publishes its endpoints`)
  } catch (error) {
    return fail(ISSUER, error)
  }
}
