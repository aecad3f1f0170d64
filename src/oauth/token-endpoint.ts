/**
 * The token endpoint, over HTTP.
 *
 * @module hq-token/oauth
 */
import type { NamedClient } from '../core/client.js'
import type { Clock } from '../core/clock.js'
import type { AuthorizationServer, CodeGrant, RawAnswer, Reading, RequestLimits } from '../core/ports.js'
import { withoutSecrets, type Secret } from '../core/secret.js'
import { sendOnce, type Way } from '../network/send-once.js'
import { STRAIGHT, type Credentials, type NetworkSettings } from '../network/settings.js'
import { tlsOptions } from '../network/tls.js'
import { readAnswer } from './answer.js'
import type { AuthMethod } from '../core/auth-method.js'
import { clientAuthentication, type ClientAuthentication } from './client-authentication.js'

export type { AuthMethod, Credentials, NetworkSettings }

/** A client as it is registered at a token endpoint. */
export interface TokenEndpointOptions {
  /** Accepts plain `http:`; the reader of the configuration allows it for loopback only. */
  readonly tokenUrl: URL
  /** As registered (RFC 6749 section 2.2). */
  readonly clientId: string
  /** Called at every `prepare`, and never if `authMethod` is `none`. */
  readonly clientSecret: () => Promise<Secret | undefined>
  /**
   * The way in which the client proves itself (RFC 6749 section 2.3.1); `none` for a public client.
   * `client_secret_basic` encodes id and secret as forms do, `client_secret_basic_plain` sends them as they are.
   */
  readonly authMethod: AuthMethod
  /** Not sent with a refresh: a missing scope means the scope as granted (RFC 6749 section 6). */
  readonly scope: string | null
  /** Tells the time: `machineClock`. */
  readonly clock: Clock
  /** The `User-Agent` header. */
  readonly userAgent: string
  /**
   * How the server is reached; `credentials` are read at every `prepare`. Default: directly, with Node's own
   * authorities.
   */
  readonly network?: NetworkSettings
}

/** The parts of a request that `prepare` has gathered. */
interface Prepared {
  readonly authentication: ClientAuthentication
  readonly way: Way
}

/** A token endpoint over HTTP. */
export class TokenEndpoint implements AuthorizationServer {
  /** The token endpoint's host, for messages. */
  readonly host: string
  readonly #options: TokenEndpointOptions
  #prepared: Prepared | undefined

  /** Sends nothing, and asks for no secret yet. */
  constructor(options: TokenEndpointOptions) {
    this.#options = options
    this.host = options.tokenUrl.host
  }

  client(): Promise<NamedClient> {
    const { tokenUrl, clientId } = this.#options
    return Promise.resolve({ tokenUrl: tokenUrl.href, issuer: null, clientId })
  }

  /**
   * The hint for a client that the server does not know; `null` before `prepare`, and if nothing points to a cause.
   */
  get clientHint(): string | null {
    return this.#prepared?.authentication.hint ?? null
  }

  /**
   * @throws What `clientSecret` and the network's `credentials` throw, and `ConfigInvalid` if there is no secret,
   *   or one that `authMethod` cannot send.
   */
  async prepare(): Promise<void> {
    this.#prepared = await this.#prepare()
  }

  /**
   * @throws What `prepare` throws, before anything is sent, if it was not called before. Nothing else.
   * @see RFC 6749 section 6
   */
  refresh(refreshToken: Secret, limits: RequestLimits): Promise<RawAnswer> {
    return this.#post({ grant_type: 'refresh_token', refresh_token: refreshToken.reveal() }, limits)
  }

  /**
   * @throws As `refresh`.
   * @see RFC 6749 section 4.1.3, RFC 7636 section 4.5
   */
  redeem({ code, verifier, redirectUri }: CodeGrant, limits: RequestLimits): Promise<RawAnswer> {
    const grant = { grant_type: 'authorization_code', code: code.reveal() }
    return this.#post({ ...grant, redirect_uri: redirectUri, code_verifier: verifier.reveal() }, limits)
  }

  /** Reads any answer. Total: an answer that cannot be read is `unreadable`. */
  async read(answer: RawAnswer): Promise<Reading> {
    const reading = await readAnswer(answer)
    const secrets = this.#prepared?.authentication.secrets ?? []
    if (reading.kind !== 'error' || secrets.length === 0) return reading
    const { code, description } = reading
    const safe = (text: string): string => withoutSecrets(text, secrets)
    return { ...reading, code: safe(code), description: description === null ? null : safe(description) }
  }

  async #post(parameters: Record<string, string>, limits: RequestLimits): Promise<RawAnswer> {
    const { tokenUrl, clock, userAgent } = this.#options
    this.#prepared ??= await this.#prepare()
    const { authentication, way } = this.#prepared
    const form = new URLSearchParams(parameters)
    const headers = new Map([
      ['accept', 'application/json'],
      // Compression gains nothing on a few hundred bytes, and a compressed answer that is cut off is lost
      // whole.
      ['accept-encoding', 'identity'],
      ['connection', 'close'],
      ['content-type', 'application/x-www-form-urlencoded'],
      ['user-agent', userAgent],
    ])
    authentication.prove(form, headers)
    const body = form.toString()
    headers.set('content-length', String(body.length))
    const sentAt = clock()
    return {
      sentAt,
      ...(await sendOnce({ url: tokenUrl, headers: Object.fromEntries(headers), body }, way, limits)),
    }
  }

  async #prepare(): Promise<Prepared> {
    const { proxy, noProxy, credentials } = this.#options.network ?? STRAIGHT
    const way = { proxy, noProxy, tls: tlsOptions(credentials()) }
    return { authentication: await clientAuthentication(this.#options), way }
  }
}
