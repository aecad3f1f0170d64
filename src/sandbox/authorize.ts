// The sandbox's authorize page and what a person decides there. Redirects only to loopback and https addresses.
import { isLoopback } from '../core/address.js'
import { randomBytes } from 'node:crypto'

import type { Reply } from './answers.js'
import { reply } from './answers.js'
import type { Grants } from './grants.js'
import { authorizePage, errorPage } from './pages.js'
import type { Endpoint, Handled, Received } from './request.js'
import { isForm, parametersOf } from './request.js'

/** Seconds for which the page may stand open. */
const PATIENCE = 1_800

interface AuthorizeParts {
  readonly grants: Grants
  readonly clientId: string
  /** Returned as `iss`. @see RFC 9207 */
  readonly issuer: string
  readonly user: string
  /** Epoch seconds. */
  readonly clock: () => number
}

/** A request that waits for a decision. */
interface Pending {
  readonly redirectUri: URL
  /** The redirect URI as the client wrote it, because the token request is compared with it. */
  readonly redirectText: string
  readonly state: string | undefined
  readonly challenge: string | null
  readonly expiresAt: number
}

/** @see RFC 6749 section 4.1.1 and 4.1.2, RFC 7636 section 4.3 */
export function authorizeEndpoint({ grants, clientId, issuer, user, clock }: AuthorizeParts): Endpoint {
  /** By the nonce in the page's form, which another site cannot read. */
  const waiting = new Map<string, Pending>()

  return (request) => {
    if (request.method === 'GET') return asked(request)
    if (request.method === 'POST') return decided(request)
    return refuse(405, 'Open this address in a browser.')
  }

  function asked({ query }: Received): Handled {
    const parameters = parametersOf(query)
    if (parameters === null) return refuse(400, 'A parameter is given twice.')
    if (parameters.get('client_id') !== clientId)
      return refuse(400, 'No client is registered by this client_id.')
    if (grants.archived) return refuse(403, 'The registration of this client is archived.')
    const redirectText = parameters.get('redirect_uri') ?? ''
    const redirectUri = redirectable(redirectText)
    if (redirectUri === undefined)
      return refuse(400, 'The redirect_uri must be a loopback or an https address.')

    const state = parameters.get('state')
    const back = (error: string): Handled => ({
      answer: redirected({ redirectUri, state }, { error }),
      outcome: 'refused',
    })
    if (parameters.get('response_type') !== 'code') return back('unsupported_response_type')
    const challenge = parameters.get('code_challenge') ?? null
    if (challenge !== null && !isS256(challenge, parameters.get('code_challenge_method')))
      return back('invalid_request')

    forgetExpired()
    const nonce = randomBytes(32).toString('base64url')
    waiting.set(nonce, { redirectUri, redirectText, state, challenge, expiresAt: clock() + PATIENCE })
    return { answer: authorizePage({ clientId, user, redirectUri, nonce }), outcome: 'asked' }
  }

  function decided({ contentType, body }: Received): Handled {
    const parameters = isForm(contentType) ? parametersOf(new URLSearchParams(body)) : null
    const nonce = parameters?.get('nonce') ?? ''
    forgetExpired()
    const pending = waiting.get(nonce)
    if (pending === undefined) return refuse(400, 'This page was used before, or has expired. Begin again.')
    waiting.delete(nonce)
    if (parameters?.get('decision') !== 'allow')
      return { answer: redirected(pending, { error: 'access_denied' }), outcome: 'denied' }
    const { redirectText, challenge } = pending
    const code = grants.authorize({ clientId, redirectUri: redirectText, challenge, user })
    return { answer: redirected(pending, { code }), outcome: 'allowed' }
  }

  function forgetExpired(): void {
    for (const [nonce, { expiresAt }] of waiting) if (clock() >= expiresAt) waiting.delete(nonce)
  }

  function redirected(
    { redirectUri, state }: Pick<Pending, 'redirectUri' | 'state'>,
    result: Readonly<Record<string, string>>,
  ): Reply {
    const location = new URL(redirectUri)
    const parameters = { ...result, ...(state === undefined ? {} : { state }), iss: issuer }
    for (const [name, value] of Object.entries(parameters)) location.searchParams.append(name, value)
    // 303, because 307 would post the form on to the client: RFC 9700 section 4.12.
    return reply(303, 'text/plain', '', { location: location.href })
  }
}

function refuse(status: number, what: string): Handled {
  return { answer: errorPage(status, what), outcome: 'refused' }
}

/** Any loopback or https address, because the caller's own registration has its own. */
function redirectable(text: string): URL | undefined {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || text.includes('#')) return undefined
  const isHere = url.protocol === 'http:' && isLoopback(url.hostname)
  return isHere || url.protocol === 'https:' ? url : undefined
}

function isS256(challenge: string, method: string | undefined): boolean {
  return method === 'S256' && /^[\w-]{43}$/.test(challenge)
}
