// The sandbox's memory of codes and tokens: it gives, rotates and revokes. Speaks no HTTP.
import { createHash, randomBytes } from 'node:crypto'

/** Seconds for which an authorization code lives at HighQ. */
const CODE_TTL = 1_800

export interface GrantsOptions {
  /** Seconds of life of an access token. */
  readonly accessTtl: number
  /** Seconds of life of a refresh token, counted from its own issue. */
  readonly refreshTtl: number
  /** Milliseconds after its rotation for which a refresh token still works. */
  readonly graceMs: number
  /** Epoch seconds, also fractional. */
  readonly clock: () => number
}

/** The tokens of one grant. Plain strings, because they open nothing but the sandbox that made them. */
export interface IssuedTokens {
  readonly accessToken: string
  /** The refresh token that was sent, if the grant did not rotate. */
  readonly refreshToken: string
  /** Seconds. */
  readonly expiresIn: number
  /** Seconds. */
  readonly refreshExpiresIn: number
  readonly user: string
}

export interface Granted {
  readonly kind: 'granted'
  /** `grace`: a second rotation of the same token, in time. `kept`: a new access token without a new refresh token. */
  readonly outcome: 'issued' | 'rotated' | 'grace' | 'kept'
  readonly tokens: IssuedTokens
}

export interface Refused {
  readonly kind: 'refused'
  /** `reused`: this request has just revoked the whole family. */
  readonly outcome: 'reused' | 'refused'
  /** @see RFC 6749 section 5.2 */
  readonly error: 'invalid_grant' | 'unauthorized_client'
  readonly description: string
}

export type Grant = Granted | Refused

/** The access that a person allowed on the authorize page. */
export interface Authorization {
  readonly clientId: string
  readonly redirectUri: string
  /** PKCE, always S256; `null` if the client sent none. */
  readonly challenge: string | null
  readonly user: string
}

export interface CodeExchange {
  readonly code: string
  readonly clientId: string
  readonly redirectUri: string | null
  readonly verifier: string | null
}

/** All tokens that descend from one authorization. */
interface Family {
  readonly user: string
  revoked: boolean
}

interface AccessToken {
  readonly family: Family
  readonly expiresAt: number
}

interface RefreshToken extends AccessToken {
  rotatedAt: number | null
}

interface Code {
  readonly authorization: Authorization
  readonly expiresAt: number
  readonly family: Family
  used: boolean
}

/**
 * The authorization server's memory: codes, and families of rotating tokens with reuse detection.
 *
 * @see RFC 9700 section 4.14.2 for rotation and reuse
 */
export class Grants {
  /** While true, no grant is given, as when an administrator shuts a client out. */
  archived = false
  readonly #options: GrantsOptions
  readonly #codes = new Map<string, Code>()
  readonly #accessTokens = new Map<string, AccessToken>()
  readonly #refreshTokens = new Map<string, RefreshToken>()
  #rotations = 0
  #revokedFamilies = 0

  constructor(options: GrantsOptions) {
    this.#options = options
  }

  /** The number of rotations, those within the grace period included. */
  get rotations(): number {
    return this.#rotations
  }

  get revokedFamilies(): number {
    return this.#revokedFamilies
  }

  /** A first token set, as if `user` had logged in. */
  issue(user: string): IssuedTokens {
    return this.#pair({ user, revoked: false })
  }

  /** A code for the redirect, good once and for 30 minutes. */
  authorize(authorization: Authorization): string {
    const code = randomToken('code')
    this.#codes.set(code, {
      authorization,
      expiresAt: this.#options.clock() + CODE_TTL,
      family: { user: authorization.user, revoked: false },
      used: false,
    })
    return code
  }

  /**
   * Exchanges a code. The first try spends it, even one that fails; a second try revokes what the first gave.
   *
   * @see RFC 6749 sections 4.1.2 and 4.1.3, RFC 7636 section 4.6
   */
  exchange({ code, clientId, redirectUri, verifier }: CodeExchange): Grant {
    if (this.archived) return ARCHIVED
    const known = this.#codes.get(code)
    if (known === undefined) return refused('The authorization code is not known')
    const { authorization, family } = known
    if (known.used) return this.#reused(family, 'The authorization code was used before')
    known.used = true
    if (this.#options.clock() >= known.expiresAt) return refused('The authorization code has expired')
    if (authorization.clientId !== clientId) return refused('The authorization code is for another client')
    if (authorization.redirectUri !== redirectUri)
      return refused('redirect_uri is not that of the authorization')
    if (!verifies(authorization.challenge, verifier))
      return refused('code_verifier does not fit the code_challenge')
    return { kind: 'granted', outcome: 'issued', tokens: this.#pair(family) }
  }

  /**
   * Refreshes. A refresh token that was rotated longer ago than the grace period revokes its family.
   *
   * @param options.rotate False to give a new access token only; the refresh token stays as it was.
   * @see RFC 6749 section 6
   */
  refresh(refreshToken: string, { rotate = true }: { readonly rotate?: boolean } = {}): Grant {
    if (this.archived) return ARCHIVED
    const known = this.#refreshTokens.get(refreshToken)
    if (known === undefined) return refused('The refresh token is not known')
    const { family, rotatedAt } = known
    if (family.revoked) return refused('The grant was revoked')
    const now = this.#options.clock()
    // Not negative, because a clock set back must not open a grace period.
    const elapsedMs = rotatedAt === null ? null : Math.max(0, (now - rotatedAt) * 1_000)
    if (elapsedMs !== null && elapsedMs >= this.#options.graceMs)
      return this.#reused(family, 'The refresh token was used before')
    if (now >= known.expiresAt) return refused('The refresh token has expired')

    if (!rotate) {
      const tokens = this.#answer(family, refreshToken, Math.floor(known.expiresAt - now))
      return { kind: 'granted', outcome: 'kept', tokens }
    }
    known.rotatedAt ??= now
    this.#rotations++
    return { kind: 'granted', outcome: rotatedAt === null ? 'rotated' : 'grace', tokens: this.#pair(family) }
  }

  /** The user of a token; `undefined` if it is unknown, expired or revoked. */
  userOf(accessToken: string): string | undefined {
    const known = this.#accessTokens.get(accessToken)
    const works = known !== undefined && !known.family.revoked && this.#options.clock() < known.expiresAt
    return works ? known.family.user : undefined
  }

  #reused(family: Family, description: string): Refused {
    if (!family.revoked) this.#revokedFamilies++
    family.revoked = true
    return { ...refused(description), outcome: 'reused' }
  }

  #pair(family: Family): IssuedTokens {
    const { refreshTtl, clock } = this.#options
    const refreshToken = randomToken('refresh')
    this.#refreshTokens.set(refreshToken, { family, expiresAt: clock() + refreshTtl, rotatedAt: null })
    return this.#answer(family, refreshToken, refreshTtl)
  }

  #answer(family: Family, refreshToken: string, refreshExpiresIn: number): IssuedTokens {
    const { accessTtl, clock } = this.#options
    const accessToken = randomToken('access')
    this.#accessTokens.set(accessToken, { family, expiresAt: clock() + accessTtl })
    return { accessToken, refreshToken, expiresIn: accessTtl, refreshExpiresIn, user: family.user }
  }
}

const ARCHIVED: Refused = {
  kind: 'refused',
  outcome: 'refused',
  error: 'unauthorized_client',
  description: 'The registration of this client is archived',
}

function refused(description: string): Refused {
  return { kind: 'refused', outcome: 'refused', error: 'invalid_grant', description }
}

function verifies(challenge: string | null, verifier: string | null): boolean {
  // A verifier without a challenge is a downgrade: RFC 9700 section 2.1.1.
  if (challenge === null || verifier === null) return challenge === verifier
  return createHash('sha256').update(verifier).digest('base64url') === challenge
}

function randomToken(kind: 'access' | 'refresh' | 'code'): string {
  return `${kind}-${randomBytes(32).toString('base64url')}`
}
