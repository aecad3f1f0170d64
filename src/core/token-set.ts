// The types of everything that the store remembers. Types only: nothing here runs but one constant.
import type { Client } from './client.js'
import type { Host } from './host.js'
import type { ClockReading } from './clock.js'
import type { Secret } from './secret.js'

/** The content of one successful answer of the token endpoint (RFC 6749 section 5.1). */
export interface TokenPair {
  /** The token that API calls carry. */
  readonly accessToken: Secret
  /** The token that buys the next pair. */
  readonly refreshToken: Secret
  /** As the server wrote it; compare without regard to case. */
  readonly tokenType: string
  readonly scope: string | null
  /** When the request was sent, because a slow answer may shorten the life that we count, never lengthen it. */
  readonly obtained: ClockReading
  /** Seconds that the access token lives, counted from `obtained`. */
  readonly lifetime: number
  /** True if the server did not name a lifetime: `lifetime` is the configured default then. */
  readonly isLifetimeGuessed: boolean
  /** Epoch seconds; `null` if the server does not say. Used in warnings and messages only. */
  readonly refreshExpiresAt: number | null
}

/** Written before the refresh token is spent, so that the next process sees an unfinished exchange. */
export interface Intent {
  /** The `sequence` of this exchange's event. */
  readonly attempt: number
  /** Epoch seconds. */
  readonly at: number
  /** Names the machine's boot in which the intent was written. */
  readonly boot: string | null
  /** A refresh token read whole from a cut-off answer; sent before the stored one. */
  readonly salvaged: Secret | null
  /** The client that the request was made as; `null` if unknown. */
  readonly client: Client | null
  /**
   * The thread that works on the exchange at this moment; missing if there is none, or if the system has no name
   * for it.
   */
  readonly holder?: Holder
}

/** A thread of a process that works on an exchange. */
export interface Holder {
  /** Names the machine's boot. */
  readonly boot: string
  /** Names the pid namespace of `pid`: a container has its own. */
  readonly pidNamespace: string
  readonly pid: number
  /**
   * When the thread started, in ticks since the boot, because the system gives a dead thread's number to a new one.
   */
  readonly started: number
  /** Seconds since the boot by which the exchange is over in any case. */
  readonly until: number
}

/** Why the last renewal failed. */
export interface Failure {
  /** Epoch seconds. */
  readonly at: number
  /** A `TokenError`'s code. */
  readonly code: string
  /** For people; without secrets. */
  readonly message: string
}

/** Everything that the store remembers: the one token set, and what is known about renewing it. */
export interface TokenSet {
  /** Rises by one with every saved pair and never falls, so that an old answer cannot replace a newer pair. */
  readonly generation: number
  /** Rises by one with every event (a seed, an attempt to refresh), also with a failed one. */
  readonly sequence: number
  readonly pair: TokenPair
  /** The pair before this one, kept so that a person can recover it by hand. The program never uses it. */
  readonly previous: TokenPair | null
  readonly user: string | null
  /** Fingerprint of the seed that this set began with; tells a new seed file from the old one. */
  readonly seed: string | null
  /**
   * The file that this set was seeded from; `null` after a login, for standard input, and in a store of an older
   * version.
   */
  readonly seedFile: SeedFile | null
  /** Random id, made by a seed or a login and kept by every refresh; `null` in a store of an older version. */
  readonly grant: string | null
  /** The client of the grant; `null` until the first refresh if a seed was imported without a client. */
  readonly client: Client | null
  /** The client of `previous`. */
  readonly previousClient: Client | null
  /** Epoch seconds; `null` before the first refresh. */
  readonly lastRefreshAt: number | null
  readonly lastFailure: Failure | null
  /** The client that the last failure, its pauses and a refusal are about; `null` if unknown. */
  readonly failureClient: Client | null
  /** Failures since the last success. */
  readonly failures: number
  /**
   * Epoch seconds: our own back-off. Until then a token that is still good is served without an attempt to renew
   * it.
   */
  readonly backoffUntil: number | null
  /**
   * Epoch seconds: the server's `Retry-After`, or the pause after an unreadable answer. Until then nobody asks the
   * server.
   */
  readonly notBefore: number | null
  /** Epoch seconds: when the server refused the refresh token. */
  readonly refusedAt: number | null
  /** Epoch seconds: since when the server has answered nothing but a bare 400 or 401, without an OAuth2 error. */
  readonly bareSince: number | null
  readonly intent: Intent | null
  /**
   * Epoch seconds: when a token was last renewed because the API had refused it; cleared once something shows that
   * renewing helped. It keeps a refusal for missing permissions from costing a refresh at every call.
   */
  readonly rejectedAt: number | null
  /** The machine that the set is used on; `null` if unknown. */
  readonly host: Host | null
  /** The machine before this one, if the store was moved or copied here. */
  readonly cameFrom: Origin | null
}

/** A seed file, and the state of its refresh token. */
export interface SeedFile {
  /** Absolute path. */
  readonly path: string
  /** Epoch seconds: when an answer replaced its refresh token, which is useless since; `null` before. */
  readonly spentAt: number | null
  /** Whether a mark beside the file says that. */
  readonly isMarked: boolean
}

/** The machine that a store was on before, and when the move was noticed. */
export interface Origin {
  readonly name: string
  /** Epoch seconds. */
  readonly at: number
}

/** The `source` of a seed without a path. */
export const STANDARD_INPUT = 'standard input'

/** A first token set, as a person obtained it. */
export interface Seed {
  /** The tokens, and since when they are valid. */
  readonly pair: TokenPair
  /** The user that the tokens belong to, for people; `null` if unknown. */
  readonly user: string | null
  /** The origin of the seed, for messages: a path, or `standard input`. */
  readonly source: string
  /** The seed's file, absolute; `null` or missing if no file stays behind, as with a pipe. */
  readonly file?: string | null
  /**
   * Epoch seconds: when the seed's refresh token was spent, by the mark beside its file; `null` or missing if no
   * mark says so.
   */
  readonly spentAt?: number | null
}

/** A refresh token in a seed file that is spent and useless. */
export interface SpentSeed {
  /** The refresh token's. */
  readonly fingerprint: string
  /** Epoch seconds. */
  readonly spentAt: number
}
