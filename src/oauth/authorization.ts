// Makes the address for a login, and reads the answer that comes back. Sends nothing.
import type { AuthorizationResponseError } from 'oauth4webapi'
import { AGAIN, ANOTHER } from '../core/code-exchange.js'
import { ClientRefused, LoginRequired, ServerUnavailable, type TokenError } from '../core/errors.js'
import { Secret, withoutSecrets } from '../core/secret.js'
import { LONGEST_CODE, LONGEST_DESCRIPTION } from './answer.js'

export interface AuthorizationOptions {
  readonly authorizeUrl: URL
  readonly clientId: string
  readonly scope: string | null
  /** As configured or discovered; `null` if unknown. */
  readonly issuer: string | null
}

/** The address that a person opens in the browser, with the secrets that the answer is checked by. */
export interface AuthorizationRequest {
  readonly url: URL
  readonly state: Secret
  readonly verifier: Secret
  readonly redirectUri: string
}

/**
 * Makes the address of a login. Parameters that the authorization endpoint's address already has are kept.
 *
 * @see RFC 6749 sections 3.1 and 4.1.1, RFC 7636 section 4.3
 */
export async function authorizationRequest(
  { authorizeUrl, clientId, scope }: AuthorizationOptions,
  redirectUri: string,
): Promise<AuthorizationRequest> {
  const oauth = await import('oauth4webapi')
  const state = oauth.generateRandomState()
  const verifier = oauth.generateRandomCodeVerifier()
  const url = new URL(authorizeUrl)
  const parameters = {
    response_type: 'code',
    client_id: clientId,
    redirect_uri: redirectUri,
    ...(scope !== null && { scope }),
    // Without consent a server may leave out the refresh token: OpenID Connect Core section 11.
    ...(scope?.split(' ').includes('offline_access') === true && { prompt: 'consent' }),
    state,
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
  }
  for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value)
  return { url, state: new Secret(state), verifier: new Secret(verifier), redirectUri }
}

/** The answer that came back: the parameters of an address, or a code that somebody has cut out of one. */
export type Returned =
  | { readonly kind: 'address'; readonly parameters: URLSearchParams }
  | { readonly kind: 'code'; readonly code: Secret }

/**
 * Reads the text that a person pasted: the address of the page where the browser ended, or the code alone. It may
 * be broken into lines, quoted or have a fragment.
 *
 * @returns `undefined` if the text is neither.
 */
export function pasted(text: string): Returned | undefined {
  const one = text.replace(/\s+/g, '').replace(/^["'<]+|["'>]+$/g, '')
  const [, before = '', query, fragment] = /^([^?#]*)(?:\?([^#]*))?(?:#(.*))?$/.exec(one) ?? []
  for (const part of [
    query,
    fragment,
    before.includes('=') && !before.includes('://') ? before : undefined,
  ]) {
    const parameters = new URLSearchParams(part)
    if (parameters.has('code') || parameters.has('error')) return { kind: 'address', parameters }
  }
  // Send nothing else from somebody's clipboard: a code has no spaces and is no address.
  const code = unescaped(
    text
      .trim()
      .replace(/[\r\n]+\s*/g, '')
      .replace(/^["'<]+|["'>]+$/g, ''),
  )
  const isCode =
    query === undefined &&
    fragment === undefined &&
    /^[\x21-\x7e]+$/.test(code) &&
    !/:\/\/|^[\w.]+:\d/.test(code)
  return isCode ? { kind: 'code', code: new Secret(code) } : undefined
}

/** Decodes a code that was cut out of an address. */
function unescaped(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/**
 * The code in the parameters of a redirect.
 *
 * @param state The state of the login that waits for it.
 * @throws {LoginRequired} the person refused, the answer is not to this login, or it comes from another server
 * @throws {ClientRefused} the server does not accept the request
 * @throws {ServerUnavailable} the server failed
 * @see RFC 6749 section 4.1.2
 */
export async function codeFrom(
  parameters: URLSearchParams,
  state: Secret,
  { issuer, authorizeUrl, clientId }: Omit<AuthorizationOptions, 'scope'>,
): Promise<Secret> {
  const foreign = foreignAnswer(parameters, state, { issuer, authorizeUrl })
  if (foreign !== undefined) throw foreign
  const claimed = parameters.get('iss')
  const oauth = await import('oauth4webapi')
  try {
    const server = { issuer: claimed ?? issuer ?? authorizeUrl.origin }
    oauth.validateAuthResponse(server, { client_id: clientId }, parameters, state.reveal())
  } catch (error) {
    throw error instanceof oauth.AuthorizationResponseError
      ? refusal(error, authorizeUrl.host, state)
      : noCode(authorizeUrl.host, error)
  }
  const [code = '', second] = parameters.getAll('code')
  if (code === '' || second !== undefined) throw noCode(authorizeUrl.host)
  return new Secret(code)
}

/**
 * Why an answer is not the server's answer to the login that waits. Such an answer says nothing about that login,
 * which waits on. Without the state anybody can make one up. If an answer names another server, it comes from a
 * mix-up attack, or from a server that calls itself otherwise; the real answer may still come.
 *
 * @returns `undefined` if it is the answer.
 * @see RFC 6749 section 10.12, RFC 9207 section 2.4
 */
export function foreignAnswer(
  parameters: URLSearchParams,
  state: Secret,
  { issuer, authorizeUrl }: Pick<AuthorizationOptions, 'issuer' | 'authorizeUrl'>,
): LoginRequired | undefined {
  const states = parameters.getAll('state')
  if (states.length === 0)
    return new LoginRequired('this answer has no state, so hq-token cannot tell which login it belongs to', {
      hint: 'if it is the answer to your login, paste only its code, which follows code= in the address: hq-token login --complete -',
    })
  if (states.length > 1 || states.some((one) => !state.equals(new Secret(one))))
    return new LoginRequired('this answer does not belong to the login that waits (its state is another)', {
      hint: ANOTHER,
    })
  if (parameters.getAll('iss').every((claimed) => isFrom(claimed, issuer, authorizeUrl))) return undefined
  return new LoginRequired(
    `this answer says that it comes from another server than ${issuer ?? authorizeUrl.origin}`,
    {
      hint: 'if it is the same server, set issuer in the configuration to the iss of the answer, then: hq-token login',
    },
  )
}

/**
 * Whether an answer comes from the expected issuer. If no issuer is configured, any name at the known address is
 * accepted.
 */
function isFrom(claimed: string, issuer: string | null, authorizeUrl: URL): boolean {
  if (issuer !== null) return claimed === issuer
  return URL.canParse(claimed) && new URL(claimed).origin === authorizeUrl.origin
}

function noCode(host: string, cause?: unknown): LoginRequired {
  return new LoginRequired(`the answer of ${host} holds no code, or more than one`, { hint: AGAIN, cause })
}

function refusal(error: AuthorizationResponseError, host: string, state: Secret): TokenError {
  const code = error.error.slice(0, LONGEST_CODE)
  const description = error.error_description?.slice(0, LONGEST_DESCRIPTION)
  const what = withoutSecrets(description === undefined ? code : `${code}: ${description}`, [state])
  switch (code) {
    case 'access_denied':
      return new LoginRequired(`the login was denied at ${host} (${what})`, { hint: AGAIN })
    case 'server_error':
    case 'temporarily_unavailable':
      return new ServerUnavailable(`${host} could not answer the login (${what})`, {
        hint: `later: hq-token login`,
      })
    case 'login_required':
    case 'interaction_required':
    case 'consent_required':
      return new LoginRequired(`${host} needs another step from the person who logs in (${what})`, {
        hint: AGAIN,
      })
    default:
      return new ClientRefused(`${host} does not accept the request (${what})`, {
        hint: 'check client_id, redirect_uri and scope in the configuration, then: hq-token login',
      })
  }
}
