/**
 * The token endpoint, over HTTP.
 *
 * @module hq-token/oauth
 */
import * as oauth from 'oauth4webapi'

import type { NamedClient } from '../core/client.js'
import type { Clock } from '../core/moment.js'
import type { AuthorizationServer, CodeGrant, RawAnswer, Reading, RequestLimits } from '../core/ports.js'
import { Secret, withoutSecrets } from '../core/secret.js'
import { readAnswer } from './answer.js'
import { clientAuthentication } from './client-authentication.js'
import { sendOnce, type Connect } from './exchange-request.js'

export type { Connect }

/** A client as it is registered at a token endpoint. */
export interface TokenEndpointOptions {
  /** Plain `http:` is taken as it is: whoever reads the configuration allows it for loopback only. */
  readonly tokenUrl: URL
  /** As registered (RFC 6749 section 2.2). */
  readonly clientId: string
  /** Asked anew at every `prepare`, and not at all where `authMethod` is `none`. */
  readonly clientSecret: () => Promise<Secret | undefined>
  /** How the client proves that it is itself (RFC 6749 section 2.3.1); `none` for a public client. */
  readonly authMethod: 'client_secret_post' | 'client_secret_basic' | 'none'
  /** Never sent with a refresh: omitted, it means the scope as granted (RFC 6749 section 6). */
  readonly scope: string | null
  /** Tells the time: `machineClock`. */
  readonly clock: Clock
  /** For `User-Agent`. */
  readonly userAgent: string
  /** Default: straight, with the authorities that Node trusts. */
  readonly connect?: Connect
}

/** A token endpoint over HTTP. */
export class TokenEndpoint implements AuthorizationServer {
  /** The token endpoint's host, for messages. */
  readonly host: string
  readonly #options: TokenEndpointOptions
  #authentication: oauth.ClientAuth | undefined
  #secret: Secret | undefined

  /** Sends nothing, and asks for no secret yet. */
  constructor(options: TokenEndpointOptions) {
    this.#options = options
    this.host = options.tokenUrl.host
  }

  client(): Promise<NamedClient> {
    const { tokenUrl, clientId } = this.#options
    return Promise.resolve({ tokenUrl: tokenUrl.href, issuer: null, clientId })
  }

  /** @throws What `clientSecret` throws, and `ConfigInvalid` when it gives none. */
  async prepare(): Promise<void> {
    this.#authentication = await this.#clientAuthentication()
  }

  /**
   * @throws What `prepare` throws, before anything is sent, if that was not called. Nothing else.
   * @see RFC 6749 sections 2.3.1 and 6
   */
  refresh(refreshToken: Secret, limits: RequestLimits): Promise<RawAnswer> {
    return this.#post(limits.timeoutMs, (server, client, authentication, how) =>
      oauth.refreshTokenGrantRequest(server, client, authentication, refreshToken.reveal(), how),
    )
  }

  /**
   * @throws As `refresh`.
   * @see RFC 6749 section 4.1.3, RFC 7636 section 4.5
   */
  redeem({ code, verifier, redirectUri }: CodeGrant, limits: RequestLimits): Promise<RawAnswer> {
    return this.#post(limits.timeoutMs, (server, client, authentication, how) => {
      // The library wants to have seen the answer of the browser: whoever took it checked its state and issuer.
      const seen = oauth.validateAuthResponse(
        server,
        client,
        new URLSearchParams({ code: code.reveal() }),
        oauth.skipStateCheck,
      )
      return oauth.authorizationCodeGrantRequest(
        ...([server, client, authentication, seen, redirectUri, verifier.reveal(), how] as const),
      )
    })
  }

  /** Reads any answer. Total: what cannot be read is `unreadable`. */
  async read(answer: RawAnswer): Promise<Reading> {
    const reading = await readAnswer(answer)
    if (reading.kind !== 'error' || this.#secret === undefined) return reading
    const { clientId } = this.#options
    const basic = new Secret(Buffer.from(`${clientId}:${this.#secret.reveal()}`).toString('base64'))
    const safe = (text: string): string =>
      withoutSecrets(text, [basic, ...(this.#secret ? [this.#secret] : [])])
    const { code, description } = reading
    return { ...reading, code: safe(code), description: description === null ? null : safe(description) }
  }

  async #post(timeoutMs: number, build: Build): Promise<RawAnswer> {
    const { tokenUrl, clock, userAgent, connect } = this.#options
    this.#authentication ??= await this.#clientAuthentication()
    const { headers, body } = await this.#request(build, this.#authentication)
    const request = {
      url: tokenUrl,
      headers: {
        ...headers,
        accept: 'application/json',
        // A few hundred bytes gain nothing, and a compressed answer that is cut off is lost whole.
        'accept-encoding': 'identity',
        'user-agent': userAgent,
      },
      body: Buffer.from(body.toString()),
    }
    const sentAt = clock()
    return { sentAt, ...(await sendOnce(request, timeoutMs, connect)) }
  }

  /** The library builds the request and is handed an empty answer: its own reading throws before one can save. */
  #request(build: Build, authentication: oauth.ClientAuth): Promise<BuiltRequest> {
    const { tokenUrl, clientId } = this.#options
    const server = { issuer: tokenUrl.origin, token_endpoint: tokenUrl.href }
    return new Promise((resolve, reject) => {
      build(server, { client_id: clientId }, authentication, {
        // eslint-disable-next-line @typescript-eslint/no-deprecated -- it is not; the mark is there to stand out
        [oauth.allowInsecureRequests]: tokenUrl.protocol === 'http:',
        [oauth.customFetch]: (_url, request) => {
          resolve(request)
          return Promise.resolve(new Response())
        },
      }).catch(reject)
    })
  }

  async #clientAuthentication(): Promise<oauth.ClientAuth> {
    const { authentication, secret } = await clientAuthentication(this.#options)
    this.#secret = secret
    return authentication
  }
}

type Build = (
  server: oauth.AuthorizationServer,
  client: oauth.Client,
  authentication: oauth.ClientAuth,
  how: oauth.TokenEndpointRequestOptions,
) => Promise<Response>

type BuiltRequest = oauth.CustomFetchOptions<'POST', URLSearchParams>
