// What the core asks of the authorization server, of seed files and of whoever hears its notices.
import type { NamedClient } from './client.js'
import type { ClockReading } from './clock.js'
import type { Secret } from './secret.js'
import type { Seed, SpentSeed } from './token-set.js'

/** What came back from the token endpoint, byte for byte and before anybody has looked at it. */
export interface RawAnswer {
  /** Taken before the request was sent. */
  readonly sentAt: ClockReading
  /** False only where it is certain that no byte of the request left this machine. */
  readonly sent: boolean
  /** HTTP status; `null` where none arrived. */
  readonly status: number | null
  readonly contentType: string | null
  readonly contentEncoding: string | null
  readonly retryAfter: string | null
  /** The server's `Date`: compared with this machine's clock, and what an instant in the answer is counted from. */
  readonly date: string | null
  /** At most 1 MiB, 2 MiB with the head; what arrived, also of a broken-off answer, still content-encoded. */
  readonly body: Uint8Array
  /** True when the answer arrived to its end. */
  readonly complete: boolean
  /**
   * True where the server told the length and met it, or sent a last chunk: then a body that is complete is whole.
   * False where only the end of the connection ended it. Missing in a record of an older version.
   */
  readonly isFramed?: boolean
  /**
   * True where `body` is all that came on the connection, head included: the parser refused it, or saw no end of the
   * head, or something stands behind the length that was told.
   */
  readonly isRaw?: boolean
  /** Where a redirect pointed, without its query; `null` for another origin, and where there was none. */
  readonly location?: string | null
  /** Why it did not: an error code such as `ECONNREFUSED`, never a message (messages quote bodies). */
  readonly failure: string | null
}

/** What an answer says, once read. */
export type Reading =
  | {
      readonly kind: 'tokens'
      readonly accessToken: Secret
      /** `null` where absent, empty or blank: the old one stays valid (RFC 6749 section 6). And where unusable. */
      readonly refreshToken: Secret | null
      /** There is a refresh token in the answer, and it is none that can be sent: the answer is its only copy. */
      readonly isRefreshTokenUnusable?: true
      /** Seconds; `null` where absent or unusable. */
      readonly expiresIn: number | null
      /** The answer says how long the access token lives, and it is nothing that a lifetime can be. */
      readonly isLifetimeUnusable?: true
      /** Seconds; `null` where absent or unusable. */
      readonly refreshExpiresIn: number | null
      readonly tokenType: string | null
      readonly scope: string | null
      readonly user: string | null
    }
  | { readonly kind: 'error'; readonly code: string; readonly description: string | null }
  /** A web page, and nothing in it that looks like a token. */
  | { readonly kind: 'html' }
  | {
      readonly kind: 'unreadable'
      /** A refresh token that stands whole in an answer that was cut off behind it. */
      readonly salvaged: Secret | null
      /** It has no end: more was to come. */
      readonly isCut?: true
      /** It is so short of anything like a token that it cannot hold one. */
      readonly isIdle?: true
      /** Something in it is named like a token and has a value, whatever the status. */
      readonly holdsTokens?: true
      /** What it looks like, by the names in it and never a value. */
      readonly shape?: string
      /** What it says in words of the server's own, where no `error` is. */
      readonly said?: Words
    }

/** A server's words, for a verdict: RFC 6749 section 5.2 calls them `error` and `error_description`. */
export interface Words {
  readonly code: string | null
  readonly description: string | null
}

/** What an authorization code is exchanged with. */
export interface CodeGrant {
  readonly code: Secret
  /** @see RFC 7636 section 4.1 */
  readonly verifier: Secret
  /** As it was in the authorization request. */
  readonly redirectUri: string
}

/** How long one request may take. */
export interface RequestLimits {
  /** Milliseconds in all, from connecting to the last byte. */
  readonly timeoutMs: number
  /**
   * Asked where the connection is made and the request is about to be handed to it, with nothing awaited between: a
   * code that says why it must not leave any more, `null` where it may. Connecting takes long at times.
   */
  readonly lastLook?: () => string | null
  /** Ends a connection that is still being made; `lastLook` says why. */
  readonly stop?: AbortSignal
}

/** The authorization server's token endpoint. */
export interface AuthorizationServer {
  /** The token endpoint's host, for messages. */
  readonly host: string
  /** What to try where it answers `invalid_client`, for a hint; `null` where nothing speaks for anything. */
  readonly clientHint?: string | null
  /** Host and port of the proxy that the way may lead through, for messages. Default: not known. */
  readonly proxy?: string | null
  /**
   * The client that requests are made as: after `prepare` in full, before it as far as is known without asking
   * anybody.
   */
  client(): Promise<NamedClient>
  /**
   * Gathers what a request needs before anything is spent: the client's secret, and the endpoints of an issuer that
   * was never asked for them.
   *
   * @param held Keeps those endpoints; without it they are asked for anew the next time.
   * @throws {ConfigInvalid}
   * @throws {ServerUnavailable} the issuer could not be asked
   */
  prepare(held?: Pins): Promise<void>
  /**
   * One refresh grant, one request on a connection of its own, after `prepare`. Never throws, never
   * follows a redirect, never asks twice: whatever happened is in the answer.
   *
   * @see RFC 6749 section 6
   */
  refresh(refreshToken: Secret, limits: RequestLimits): Promise<RawAnswer>
  /**
   * The authorization code grant, in all else as `refresh`.
   *
   * @see RFC 6749 section 4.1.3
   */
  redeem(grant: CodeGrant, limits: RequestLimits): Promise<RawAnswer>
  /** Reads any answer. Total: what cannot be read is `unreadable`. */
  read(answer: RawAnswer): Promise<Reading>
}

/** The endpoints that a server's metadata named when it was last asked. @see RFC 8414 */
export interface Discovered {
  readonly issuer: string
  readonly authorizeUrl: string | null
  readonly tokenUrl: string
  readonly revocationUrl: string | null
  /** Epoch seconds. */
  readonly at: number
}

/** Who keeps the endpoints that are discovered: a store under its lock. */
export interface Pins {
  /** Durable when it returns. */
  pin(discovered: Discovered): Promise<void>
}

/**
 * A word to the person that is no error: the CLI prints it, a library may log it.
 *
 * @category Start here
 */
export interface Notice {
  readonly level: 'warning' | 'info'
  readonly message: string
  readonly hint?: string
  /** For a person to open. */
  readonly address?: string
  /** True for what is worth knowing and comes once in the life of a token set: it is said without `--verbose` too. */
  readonly isNews?: true
  /** For a program: what has happened to a seed file. */
  readonly event?: 'seed_imported' | 'seed_disregarded'
}

/** Reads the configured seed file; `undefined` where none is configured or it does not exist. */
export type SeedSource = () => Promise<Seed | undefined>

/** The marks beside seed files, which say that a refresh token is spent. */
export interface SeedMarks {
  /** The configured seed file, absolute; `null` where there is none. */
  readonly configured: string | null
  /**
   * When this refresh token was spent, by the mark beside the file that held it.
   *
   * @param fingerprint Of the refresh token.
   * @returns Epoch seconds; `null` where no mark says so. Never throws.
   */
  spentAt(path: string, fingerprint: string): Promise<number | null>
  /** Puts a mark beside a file that still holds this refresh token. Never throws. */
  put(path: string, spent: SpentSeed): Promise<Marking>
}

/** `there`: marked before. `gone`: the file holds this refresh token no more. A failure is for people: why it is not marked. */
export type Marking = 'put' | 'there' | 'gone' | { readonly failure: string }
