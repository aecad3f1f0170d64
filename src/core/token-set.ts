import type { Client } from './client.js'
import type { Host } from './host.js'
import type { ClockReading } from './clock.js'
import type { Secret } from './secret.js'

/** What one successful answer of the token endpoint gave (RFC 6749 section 5.1). */
export interface TokenPair {
  /** What API calls carry. */
  readonly accessToken: Secret
  /** What the next pair is asked for with. */
  readonly refreshToken: Secret
  /** As the server wrote it; compared without regard to case. */
  readonly tokenType: string
  readonly scope: string | null
  /** When the request was sent: a slow answer shortens the life we believe in, never lengthens it. */
  readonly obtained: ClockReading
  /** Seconds of life of the access token, counted from `obtained`. */
  readonly lifetime: number
  /** True where nobody said how long it lives: `lifetime` is then the configured default. */
  readonly isLifetimeGuessed: boolean
  /** Epoch seconds; `null` where the server does not say. Used for warnings only. */
  readonly refreshExpiresAt: number | null
}

/** Written before the refresh token is spent, so that an unfinished exchange is known as one. */
export interface Intent {
  /** The `sequence` of the event that this exchange is. */
  readonly attempt: number
  /** Epoch seconds. */
  readonly at: number
  /** Names the boot of the machine in which it was written. */
  readonly boot: string | null
  /** A refresh token read whole from a cut-off answer; tried before the stored one. */
  readonly salvaged: Secret | null
  /** The client that the request was made as; `null` where that is not known. */
  readonly client: Client | null
  /** Who is at it at this moment; missing where nobody is, and where the system has no name for it. */
  readonly holder?: Holder
}

/** A thread of a process that is at an exchange. */
export interface Holder {
  /** Names the boot of the machine. */
  readonly boot: string
  /** Names the set of processes in which `pid` is one: a container has its own. */
  readonly pidNamespace: string
  readonly pid: number
  /** When the thread started, in ticks since the boot: a number of a dead one is given to another. */
  readonly started: number
  /** Seconds since the boot: by then the exchange is over in any case. */
  readonly until: number
}

/** Why the last renewal failed. */
export interface Failure {
  /** Epoch seconds. */
  readonly at: number
  /** A `TokenError`'s code. */
  readonly code: string
  /** For people; holds no secret. */
  readonly message: string
}

/** All that the store remembers: the one token set, and what is known about renewing it. */
export interface TokenSet {
  /** Rises by one with every pair saved. Never falls, so that an old answer cannot replace a newer pair. */
  readonly generation: number
  /** Rises by one with every event (a seed, an attempt to refresh), also with failed ones. */
  readonly sequence: number
  readonly pair: TokenPair
  /** The pair before this one: for a person to recover by hand, never tried by itself. */
  readonly previous: TokenPair | null
  readonly user: string | null
  /** Fingerprint of the seed that this set began with: tells a new seed file from the old one. */
  readonly seed: string | null
  /** The file that this set was seeded from; `null` for a login, standard input, and a store of an older version. */
  readonly seedFile: SeedFile | null
  /** Random, made at a seed or a login and kept by every refresh; `null` in a store of an older version. */
  readonly grant: string | null
  /** Whose grant it is; `null` until the first refresh, where a seed was imported without a client. */
  readonly client: Client | null
  /** Whose grant `previous` was. */
  readonly previousClient: Client | null
  /** Epoch seconds; `null` before the first refresh. */
  readonly lastRefreshAt: number | null
  readonly lastFailure: Failure | null
  /** The client that the last failure, its pauses and a refusal are about; `null` where that is not known. */
  readonly failureClient: Client | null
  /** Failures since the last success. */
  readonly failures: number
  /** Epoch seconds. Our own back-off: until then a token that is still good is served without trying to renew it. */
  readonly backoffUntil: number | null
  /** Epoch seconds. The server's word (`Retry-After`): until then nobody asks it. */
  readonly notBefore: number | null
  /** Epoch seconds: when the server answered `invalid_grant`. */
  readonly refusedAt: number | null
  /** Epoch seconds: since when the server has answered nothing but a bare 400 or 401, without an OAuth2 error. */
  readonly bareSince: number | null
  readonly intent: Intent | null
  /**
   * Epoch seconds: when a token was last renewed because the API had refused it, until something shows that this
   * helped: a refusal for want of permission must not cost a refresh at every call.
   */
  readonly rejectedAt: number | null
  /** The machine that it is used on; `null` where that is not known. */
  readonly host: Host | null
  /** The machine before this one: the store was moved here, or copied. */
  readonly cameFrom: Origin | null
}

/** A seed file, and what became of its refresh token. */
export interface SeedFile {
  /** Absolute. */
  readonly path: string
  /** Epoch seconds: when an answer replaced its refresh token, which is no good since; `null` before. */
  readonly spentAt: number | null
  /** Whether a mark beside the file says so. */
  readonly isMarked: boolean
}

/** Where a store was before, and when that was noticed. */
export interface Origin {
  readonly name: string
  /** Epoch seconds. */
  readonly at: number
}

/** The `source` of a seed that has no path. */
export const STANDARD_INPUT = 'standard input'

/** A first token set, as a person obtained it. */
export interface Seed {
  /** The tokens, and since when they count. */
  readonly pair: TokenPair
  /** Whose they are, for people; `null` where that is not known. */
  readonly user: string | null
  /** Where it came from, for messages: a path, or `standard input`. */
  readonly source: string
  /** The file that it came from, absolute; `null` or missing for what leaves no file behind, such as a pipe. */
  readonly file?: string | null
  /**
   * Epoch seconds: when its refresh token was spent, by the mark beside its file; `null` or missing where no mark
   * says so.
   */
  readonly spentAt?: number | null
}

/** A refresh token that a seed file holds, and that is no good any more. */
export interface SpentSeed {
  /** Of the refresh token. */
  readonly fingerprint: string
  /** Epoch seconds. */
  readonly spentAt: number
}
