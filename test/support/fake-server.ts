import type { NamedClient } from '../../src/core/client.js'
import type { Clock } from '../../src/core/clock.js'
import type {
  AuthorizationServer,
  CodeGrant,
  RawAnswer,
  Reading,
  RequestLimits,
} from '../../src/core/ports.js'
import { Secret } from '../../src/core/secret.js'
import { moment } from './token-sets.js'

/** What a server says: an answer, but for when it was asked. */
export type Said = Omit<RawAnswer, 'sentAt'>

/** Answers one request; may take its time. */
export type Script = (refreshToken: string, timeoutMs: number) => Said | Promise<Said>

/**
 * A scripted authorization server. An answer's body holds what it means, so that a body which
 * comes back from a rescue file in another process reads as it did in this one.
 */
export class FakeServer implements AuthorizationServer {
  readonly host = 'auth.example.com'
  /** The refresh tokens and codes sent, in order. */
  readonly sent: string[] = []
  /** Milliseconds that each request was given. */
  readonly timeouts: number[] = []
  /** Whom it takes requests for. */
  named: NamedClient = { tokenUrl: 'https://auth.example.com/token', issuer: null, clientId: '1012' }
  /** What gathering the client's secret does. */
  preparation: () => Promise<void> = () => Promise.resolve()
  /** What happens while it is being connected to. */
  connecting: () => void = () => undefined
  clientHint: string | null = null
  #script: Said[] | Script
  readonly #clock: Clock
  readonly #event: (name: string) => void

  /** @param event Told of everything just before it happens; see `MemoryStore`. */
  constructor(clock: Clock, script: Said[] | Script = [], event: (name: string) => void = () => undefined) {
    this.#clock = clock
    this.#script = script
    this.#event = event
  }

  get requests(): number {
    return this.sent.length
  }

  /** From here on it answers this. */
  answers(...said: Said[]): this
  answers(script: Script): this
  answers(...said: [Script] | Said[]): this {
    const [first] = said
    this.#script = typeof first === 'function' ? first : [...(said as Said[])]
    return this
  }

  client(): Promise<NamedClient> {
    return Promise.resolve(this.named)
  }

  async prepare(): Promise<void> {
    this.#event('prepare')
    await this.preparation()
  }

  refresh(refreshToken: Secret, limits: RequestLimits): Promise<RawAnswer> {
    return this.#asked(refreshToken, limits)
  }

  redeem({ code }: CodeGrant, limits: RequestLimits): Promise<RawAnswer> {
    return this.#asked(code, limits)
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- so that it rejects and never throws
  async read({ body }: RawAnswer): Promise<Reading> {
    this.#event('read')
    return reading(body)
  }

  async #asked(secret: Secret, { timeoutMs, lastLook }: RequestLimits): Promise<RawAnswer> {
    const token = secret.reveal()
    this.connecting()
    const why = lastLook?.() ?? null
    if (why !== null) return { sentAt: this.#clock(), ...notSent(why) }
    this.#event(`request with ${token}`)
    this.sent.push(token)
    this.timeouts.push(timeoutMs)
    const sentAt = this.#clock()
    const said =
      typeof this.#script === 'function' ? await this.#script(token, timeoutMs) : this.#script.shift()
    if (said === undefined) throw new Error(`request ${this.requests} with ${token} is not in the script`)
    return { sentAt, ...said }
  }
}

interface Tokens {
  readonly expiresIn?: number | null
  readonly refreshExpiresIn?: number | null
  readonly tokenType?: string | null
  readonly scope?: string | null
  readonly user?: string | null
  readonly isRefreshTokenUnusable?: true
  readonly isLifetimeUnusable?: true
}

/** A new pair; `refresh` `null` where the server sends none, or an empty one. */
export function granted(access: string, refresh: string | null, rest: Tokens = {}): Said {
  return said(200, {
    kind: 'tokens',
    accessToken: access,
    refreshToken: refresh,
    ...{ expiresIn: 3600, refreshExpiresIn: null, tokenType: 'Bearer', scope: null, user: null, ...rest },
  })
}

/** An answer that breaks off, before or behind a whole refresh token. */
export function cutOff(salvaged: string | null = null, status = 200): Said {
  return { ...said(status, { kind: 'unreadable', salvaged }), complete: false, failure: 'UND_ERR_SOCKET' }
}

/** A whole answer that makes no sense. */
export function garbage(httpStatus = 200, rest: object = {}): Said {
  return said(httpStatus, { kind: 'unreadable', salvaged: null, ...rest })
}

/** A status and no body. */
export function status(httpStatus: number, retryAfter: string | null = null): Said {
  return { ...nothing, status: httpStatus, retryAfter, complete: true, failure: null }
}

export function html(httpStatus = 200): Said {
  return said(httpStatus, { kind: 'html' })
}

/** An error as of RFC 6749 section 5.2. */
export function refusal(code: string, description: string | null = null, httpStatus = 400): Said {
  return said(httpStatus, { kind: 'error', code, description })
}

export const invalidGrant = (description: string | null = null): Said => refusal('invalid_grant', description)
export const invalidClient = (): Said => refusal('invalid_client', null, 401)

/** Nothing left this machine. */
export const notSent = (failure: string): Said => ({ ...nothing, sent: false, failure })

/** It was sent, and nothing came back. */
export const silence = (failure = 'UND_ERR_HEADERS_TIMEOUT'): Said => ({ ...nothing, failure })

const nothing: Said = {
  sent: true,
  status: null,
  contentType: null,
  contentEncoding: null,
  retryAfter: null,
  date: null,
  body: new Uint8Array(0),
  complete: false,
  failure: 'UND_ERR_SOCKET',
}

function said(httpStatus: number, means: object): Said {
  return { ...status(httpStatus), body: new TextEncoder().encode(JSON.stringify(means)) }
}

/** The answer as it came, taken at the instant at which these tests' tokens are issued. */
export function raw(answer: Said, sentAt = moment()): RawAnswer {
  return { sentAt, ...answer }
}

/** What a body of this server means. */
export function reading(body: Uint8Array): Reading {
  if (body.byteLength === 0) return { kind: 'unreadable', salvaged: null }
  return JSON.parse(Buffer.from(body).toString('utf8'), (key, value: unknown) =>
    SECRETS.has(key) && typeof value === 'string' ? new Secret(value) : value,
  ) as Reading
}

const SECRETS = new Set(['accessToken', 'refreshToken', 'salvaged'])
