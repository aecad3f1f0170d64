/** Proves the client to the endpoints of its server. Sends nothing. */
import type { AuthMethod } from '../core/auth-method.js'
import { isReadTwoWays } from '../core/client.js'
import { ConfigInvalid } from '../core/errors.js'
import { Secret } from '../core/secret.js'

export interface ClientCredentials {
  readonly clientId: string
  readonly authMethod: AuthMethod
  readonly clientSecret: () => Promise<Secret | undefined>
}

export interface ClientAuthentication {
  /** Adds the proof to a request. */
  readonly prove: (body: URLSearchParams, headers: { set(name: string, value: string): unknown }) => void
  /** Secrets as they are sent, because a server might quote them. */
  readonly secrets: readonly Secret[]
  /** The hint for a client that the server does not know; `null` if nothing points to a cause. */
  readonly hint: string | null
}

/**
 * Gathers everything that a request needs to prove the client.
 *
 * @throws What `clientSecret` throws, and {@link ConfigInvalid} if it gives none, or one that the method cannot
 *   send.
 * @see RFC 6749 sections 2.3.1 and appendix B
 */
export async function clientAuthentication(credentials: ClientCredentials): Promise<ClientAuthentication> {
  const { clientId, authMethod, clientSecret } = credentials
  if (authMethod === 'none')
    return {
      prove: (body) => {
        body.set('client_id', clientId)
      },
      secrets: [],
      hint: null,
    }
  const secret = await clientSecret()
  if (secret === undefined) throw new ConfigInvalid(`${authMethod} needs a client secret, and there is none`)
  const text = secret.reveal()
  if (authMethod === 'client_secret_post')
    return {
      prove: (body) => {
        body.set('client_id', clientId)
        body.set('client_secret', text)
      },
      secrets: [secret],
      hint: null,
    }
  const isPlain = authMethod === 'client_secret_basic_plain'
  if (isPlain) assertPlain(clientId, text)
  const pair = isPlain ? `${clientId}:${text}` : `${formEncoded(clientId)}:${formEncoded(text)}`
  const sent = new Secret(Buffer.from(pair).toString('base64'))
  const isDoubtful = isReadTwoWays(clientId) || isReadTwoWays(text)
  return {
    prove: (_, headers) => {
      headers.set('authorization', `Basic ${sent.reveal()}`)
    },
    secrets: [secret, sent],
    hint: isDoubtful
      ? `${READ_TWO_WAYS}: try auth_method = ${isPlain ? 'client_secret_basic' : 'client_secret_basic_plain'} in [client] of the config`
      : null,
  }
}

const READ_TWO_WAYS = 'the client id or the client secret holds a character that servers read in two ways'

/**
 * Encodes as forms do, which leaves `* - . _` alone: of the encodings that a server may expect here, this one
 * changes the least.
 *
 * @see RFC 6749 appendix B, and `application/x-www-form-urlencoded` in the WHATWG URL standard
 */
function formEncoded(text: string): string {
  return new URLSearchParams({ '': text }).toString().slice(1)
}

/** @see RFC 7617 section 2 */
function assertPlain(clientId: string, secret: string): void {
  if (clientId.includes(':'))
    throw new ConfigInvalid('client_secret_basic_plain cannot send a client_id that holds a colon', {
      hint: 'set auth_method = client_secret_basic or client_secret_post',
    })
  if (/\p{Cc}/u.test(clientId + secret))
    throw new ConfigInvalid(
      'client_secret_basic_plain cannot send a client_id or client secret that holds a control character',
      { hint: 'set auth_method = client_secret_basic or client_secret_post' },
    )
}
