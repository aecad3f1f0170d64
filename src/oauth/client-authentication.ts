/** How a client proves itself to the endpoints of its server. Sends nothing. */
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
  /** Puts the proof on a request. */
  readonly prove: (body: URLSearchParams, headers: { set(name: string, value: string): unknown }) => void
  /** What a server might quote, as it is sent. */
  readonly secrets: readonly Secret[]
  /** What to try where the server does not know the client; `null` where nothing speaks for anything. */
  readonly hint: string | null
}

/**
 * Gathers what a request needs to prove whose it is.
 *
 * @throws What `clientSecret` throws, and {@link ConfigInvalid} when it gives none, or one that the method cannot send.
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
 * As forms are written, which leaves `* - . _` alone: of the encodings that a server may expect here it is the one
 * that changes the least.
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
