// The ports of the core to the authorization server, to seed files and to the listener for notices. Types only:
// nothing here runs.
import type { NamedClient } from './client.js'
import type { ClockReading } from './clock.js'
import type { Secret } from './secret.js'
import type { Seed, SpentSeed } from './token-set.js'

/** An answer of the token endpoint, byte for byte as it came, before anything has read it. */
export interface RawAnswer {
  /** The time before the request was sent. */
  readonly sentAt: ClockReading
  /** False only if it is certain that no byte of the request left this machine. */
  readonly sent: boolean
  /** HTTP status; `null` if none arrived. */
  readonly status: number | null
  readonly contentType: string | null
  readonly contentEncoding: string | null
  readonly retryAfter: string | null
  /**
   * The server's `Date`. It is compared with this machine's clock, and an instant in the answer is counted from it.
   */
  readonly date: string | null
  /**
   * The bytes that arrived, still content-encoded, also of a broken-off answer. At most 1 MiB, 2 MiB with the head.
   */
  readonly body: Uint8Array
  /** True if the answer arrived to its end. */
  readonly complete: boolean
  /**
   * True if the server named the length and met it, or sent a last chunk: a complete body is whole then. False if
   * only the end of the connection ended it. Missing in a record of an older version.
   */
  readonly isFramed?: boolean
  /**
   * True if `body` holds all that came on the connection, head included, because the parser refused it, saw no end
   * of the head, or something follows the named length.
   */
  readonly isRaw?: boolean
  /** The target of a redirect, without its query; `null` for another origin, and if there was none. */
  readonly location?: string | null
  /**
   * Why no whole answer arrived: an error code such as `ECONNREFUSED`, never a message, because messages quote
   * bodies.
   */
  readonly failure: string | null
}

/** The content of an answer, once read. */
export type Reading =
  | {
      readonly kind: 'tokens'
      readonly accessToken: Secret
      /** `null` if absent, empty or blank (the old one stays valid, RFC 6749 section 6), and if unusable. */
      readonly refreshToken: Secret | null
      /** The answer holds a refresh token that cannot be sent, and is its only copy. */
      readonly isRefreshTokenUnusable?: true
      /** Seconds; `null` if absent or unusable. */
      readonly expiresIn: number | null
      /** The answer names a lifetime of the access token, and the value cannot be one. */
      readonly isLifetimeUnusable?: true
      /** Seconds; `null` if absent or unusable. */
      readonly refreshExpiresIn: number | null
      readonly tokenType: string | null
      readonly scope: string | null
      readonly user: string | null
    }
  | { readonly kind: 'error'; readonly code: string; readonly description: string | null }
  /** A web page without anything that looks like a token. */
  | { readonly kind: 'html' }
  | {
      readonly kind: 'unreadable'
      /** A refresh token that stands whole in an answer that was cut off after it. */
      readonly salvaged: Secret | null
      /** The answer has no end: more was to come. */
      readonly isCut?: true
      /** The answer has nothing long enough to be a token. */
      readonly isIdle?: true
      /** Something in it is named like a token and has a value, whatever the status. */
      readonly holdsTokens?: true
      /** The shape of the answer, by the names in it and never a value. */
      readonly shape?: string
      /** The server's own words, if the answer has no `error`. */
      readonly said?: Words
    }

/** A server's words, for a verdict: RFC 6749 section 5.2 calls them `error` and `error_description`. */
export interface Words {
  readonly code: string | null
  readonly description: string | null
}

/** An authorization code with what its exchange needs. */
export interface CodeGrant {
  readonly code: Secret
  /** @see RFC 7636 section 4.1 */
  readonly verifier: Secret
  /** The same as in the authorization request. */
  readonly redirectUri: string
}

/** Limits for one request. */
export interface RequestLimits {
  /** Milliseconds in all, from connecting to the last byte. */
  readonly timeoutMs: number
  /**
   * Asked once the connection stands and right before the request is handed to it, with nothing awaited between,
   * because connecting may take long. Returns a code that says why the request must not leave, or `null`.
   */
  readonly lastLook?: () => string | null
  /** Aborts a connection that is still being made; `lastLook` says why. */
  readonly stop?: AbortSignal
}

/** The authorization server's token endpoint. */
export interface AuthorizationServer {
  /** The token endpoint's host, for messages. */
  readonly host: string
  /** The hint for an answer of `invalid_client`; `null` if nothing points to a cause. */
  readonly clientHint?: string | null
  /** Host and port of the proxy that the request may go through, for messages. Default: unknown. */
  readonly proxy?: string | null
  /**
   * The client that requests are made as: in full after `prepare`, and before it as far as is known without a
   * request.
   */
  client(): Promise<NamedClient>
  /**
   * Gathers what a request needs before anything is spent: the client's secret, and an issuer's endpoints if they
   * were never asked for.
   *
   * @param held Keeps those endpoints; without it they are asked for again the next time.
   * @throws {ConfigInvalid}
   * @throws {ServerUnavailable} the issuer could not be asked
   */
  prepare(held?: Pins): Promise<void>
  /**
   * Sends one refresh grant, after `prepare`: one request on a connection of its own. Never throws, never follows a
   * redirect and never repeats the request: the answer says what happened.
   *
   * @see RFC 6749 section 6
   */
  refresh(refreshToken: Secret, limits: RequestLimits): Promise<RawAnswer>
  /**
   * Sends one authorization code grant; in all else like `refresh`.
   *
   * @see RFC 6749 section 4.1.3
   */
  redeem(grant: CodeGrant, limits: RequestLimits): Promise<RawAnswer>
  /** Reads any answer. Total: an answer that cannot be read is `unreadable`. */
  read(answer: RawAnswer): Promise<Reading>
}

/** The endpoints in a server's metadata when it was last asked. @see RFC 8414 */
export interface Discovered {
  readonly issuer: string
  readonly authorizeUrl: string | null
  readonly tokenUrl: string
  readonly revocationUrl: string | null
  /** Epoch seconds. */
  readonly at: number
}

/** Keeps discovered endpoints: a store under its lock. */
export interface Pins {
  /** Durable when it returns. */
  pin(discovered: Discovered): Promise<void>
}

/**
 * A message to the person that is no error: the command line prints it, a library may log it.
 *
 * @category Start here
 */
export interface Notice {
  readonly level: 'warning' | 'info'
  readonly message: string
  readonly hint?: string
  /** An address for the person to open. */
  readonly address?: string
  /** True for news that comes once in the life of a token set: it is printed without `--verbose` too. */
  readonly isNews?: true
  /** The event of a seed file, for a program. */
  readonly event?: 'seed_imported' | 'seed_disregarded'
}

/** Reads the configured seed file; `undefined` if none is configured or the file does not exist. */
export type SeedSource = () => Promise<Seed | undefined>

/** The marks beside seed files that say that a refresh token is spent. */
export interface SeedMarks {
  /** The configured seed file, absolute; `null` if there is none. */
  readonly configured: string | null
  /**
   * When this refresh token was spent, by the mark beside the file that held it. Never throws.
   *
   * @param fingerprint The refresh token's.
   * @returns Epoch seconds; `null` if no mark says so.
   */
  spentAt(path: string, fingerprint: string): Promise<number | null>
  /** Puts a mark beside a file that still holds this refresh token. Never throws. */
  put(path: string, spent: SpentSeed): Promise<Marking>
}

/**
 * `there`: it was marked before. `gone`: the file no longer holds this refresh token. `failure`: why the file is
 * not marked, for people.
 */
export type Marking = 'put' | 'there' | 'gone' | { readonly failure: string }
