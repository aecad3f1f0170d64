// The sandbox's token endpoint: checks the client, asks `Grants`, and lets faults strike. Keeps no tokens.
import { Secret } from '../core/secret.js'
import type { Reply } from './answers.js'
import { refusal, tokenFields, written } from './answers.js'
import type { FaultQueue } from './faults.js'
import type { Grants, Granted, Refused } from './grants.js'
import type { Endpoint, Handled, Received } from './request.js'
import { isForm, parametersOf } from './request.js'

export interface Registration {
  readonly clientId: string
  readonly clientSecret: string
}

interface EndpointParts {
  readonly grants: Grants
  readonly faults: FaultQueue
  readonly registration: Registration
  /** Epoch seconds. */
  readonly clock: () => number
}

const FORM = 'application/x-www-form-urlencoded'

type Parameters = ReadonlyMap<string, string>

/** @see RFC 6749 sections 3.2, 4.1.3 and 6 */
export function tokenEndpoint({ grants, faults, registration, clock }: EndpointParts): Endpoint {
  return (request) => {
    const { format } = request
    if (request.method !== 'POST')
      return refuse(refusal('invalid_request', 'Use POST', format), 405, { allow: 'POST' })
    if (!isForm(request.contentType))
      return refuse(refusal('invalid_request', `Send ${FORM}`, format), 415, { accept: FORM })
    const parameters = parametersOf(new URLSearchParams(request.body))
    if (parameters === null) return refuse(refusal('invalid_request', 'A parameter is given twice', format))

    const handled = refusedClient(request, parameters, registration) ?? granted(request, parameters)
    return { grantType: parameters.get('grant_type') ?? null, ...handled }
  }

  function granted({ format }: Received, parameters: Parameters): Handled {
    const missing = (name: string): Handled =>
      refuse(refusal('invalid_request', `${name} is missing`, format))
    switch (parameters.get('grant_type')) {
      case undefined:
        return missing('grant_type')
      case 'refresh_token': {
        const refreshToken = parameters.get('refresh_token')
        return refreshToken === undefined ? missing('refresh_token') : refreshed(refreshToken, format)
      }
      case 'authorization_code': {
        const code = parameters.get('code')
        return code === undefined ? missing('code') : exchanged(code, parameters, format)
      }
      default:
        return refuse(refusal('unsupported_grant_type', 'Use authorization_code or refresh_token', format))
    }
  }

  function exchanged(code: string, parameters: Parameters, format: Received['format']): Handled {
    const grant = grants.exchange({
      code,
      clientId: registration.clientId,
      redirectUri: parameters.get('redirect_uri') ?? null,
      verifier: parameters.get('code_verifier') ?? null,
    })
    if (grant.kind === 'refused') return refusedGrant(grant, format)
    const answer = written(tokenFields(grant.tokens, format), format)
    return { answer, outcome: 'issued', issued: fingerprint(grant.tokens.refreshToken) }
  }

  function refreshed(refreshToken: string, format: Received['format']): Handled {
    const presented = fingerprint(refreshToken)
    const fault = faults.next()
    if (fault?.grant === 'untouched') {
      faults.struck()
      return { answer: fault.answer(format, clock()), outcome: `fault:${fault.name}`, presented }
    }

    const grant = grants.refresh(refreshToken, { rotate: fault?.grant !== 'kept' })
    // A fault that follows a grant waits for a grant that is given.
    if (grant.kind === 'refused') return { ...refusedGrant(grant, format), presented }
    const fields = tokenFields(grant.tokens, format)
    const issued = grant.outcome === 'kept' ? null : fingerprint(grant.tokens.refreshToken)
    if (fault === undefined)
      return { answer: written(fields, format), outcome: ordinary(grant), presented, issued }
    faults.struck()
    return {
      answer: fault.answer(fields, format, clock()),
      outcome: `fault:${fault.name}`,
      presented,
      issued,
    }
  }
}

/** The refusal of a client that is not the one registered; `undefined` where it is. */
function refusedClient(
  request: Received,
  parameters: Parameters,
  registration: Registration,
): Handled | undefined {
  const basic = basicCredentials(request.authorization)
  if (basic !== undefined && parameters.has('client_secret'))
    return refuse(refusal('invalid_request', 'Authenticate in one way, not in two', request.format))
  const sent = basic ?? {
    clientId: parameters.get('client_id') ?? '',
    clientSecret: parameters.get('client_secret') ?? '',
  }
  if (sent.clientId === registration.clientId && sent.clientSecret === registration.clientSecret)
    return undefined
  const refused = refusal('invalid_client', 'The client is not known, or its secret is wrong', request.format)
  const challenge = { 'www-authenticate': 'Basic realm="hq-token sandbox"' }
  return refuse(refused, 401, basic === undefined ? {} : challenge)
}

function ordinary({ outcome }: Granted): 'rotated' | 'grace' {
  return outcome === 'grace' ? 'grace' : 'rotated'
}

function refuse(answer: Reply, status = answer.status, headers: Reply['headers'] = {}): Handled {
  return { answer: { ...answer, status, headers: { ...answer.headers, ...headers } }, outcome: 'refused' }
}

function refusedGrant({ error, description, outcome }: Refused, format: Received['format']): Handled {
  return { answer: refusal(error, description, format), outcome }
}

/** `undefined` if the client does not use HTTP Basic. @see RFC 6749 section 2.3.1 */
function basicCredentials(authorization: string | undefined): Registration | undefined {
  const [, encoded] = /^Basic +(\S+)$/i.exec(authorization ?? '') ?? []
  if (encoded === undefined) return undefined
  const [clientId = '', ...secret] = Buffer.from(encoded, 'base64').toString().split(':')
  return { clientId: formDecoded(clientId), clientSecret: formDecoded(secret.join(':')) }
}

function formDecoded(text: string): string {
  return new URLSearchParams(`v=${text.replaceAll('&', '%26')}`).get('v') ?? ''
}

function fingerprint(token: string): string {
  return new Secret(token).fingerprint
}
