import type { Client, NamedClient } from './client.js'
import type { ClockReading } from './clock.js'
import type { Secret } from './secret.js'
import type { Holder, Seed, SpentSeed, TokenSet } from './token-set.js'

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
  prepare(held?: Pick<HeldStore, 'pin'>): Promise<void>
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

/** A login that a person has begun in a browser, and not finished. One at a time: a newer one takes its place. */
export interface PendingLogin {
  /** Comes back with the code: tells its answer from anybody else's. @see RFC 6749 section 10.12 */
  readonly state: Secret
  readonly verifier: Secret
  readonly redirectUri: string
  /** Epoch seconds. */
  readonly begunAt: number
  /** Fingerprint of the code that was sent to the token endpoint: it works once. `null` before. */
  readonly spent: string | null
  /** The id that the grant will have; `null` in a store of an older version. */
  readonly grant: string | null
  /** The client that it was begun for; `null` in a store of an older version. */
  readonly client: Client | null
  /** Who is exchanging the code at this moment; as in an intent. */
  readonly holder?: Holder
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

/** An answer kept on disk before it was looked at. */
export interface Rescued {
  readonly generation: number
  /** The `attempt` of the intent that it answers. */
  readonly attempt: number
  /** Fingerprint of the refresh token, or the authorization code, that was sent. */
  readonly spent: string
  /** True for a code. */
  readonly login?: true
  /** The id of the grant; missing in a record of an older version. */
  readonly grant?: string | null
  /** The client that the request was made as; missing in a record of an older version. */
  readonly client?: Client | null
  readonly answer: RawAnswer
}

/** Where answers go before anyone parses them. */
export interface RescueFile {
  /** What was kept and not yet scrubbed, oldest first. A half-written record is none. */
  records(): Promise<readonly Rescued[]>
  /**
   * Durable when it returns: here, or as a last copy on another file system.
   *
   * @throws {StoreUnusable} when it could be kept nowhere.
   */
  keep(record: Rescued): Promise<void>
  /** Overwrites everything that was kept. Never throws: a record that stays is recognised as old. */
  scrub(): Promise<void>
}

/** One line of the history; the same `sequence` twice is the same event, told anew. */
export interface HistoryEntry {
  readonly sequence: number
  /** Epoch seconds. */
  readonly at: number
  readonly event: 'seed' | 'login' | 'refresh' | 'logout'
  /** `unfinished`, `done`, or the code of the failure. */
  readonly outcome: string
  readonly generation: number
  /** Fingerprints, never tokens. */
  readonly access: string
  readonly refresh: string
  readonly note: string | null
  /** The id of the grant; `null` in an entry of an older version. */
  readonly grant: string | null
  /** Whose grant it was, for people: `1012 at https://…`. */
  readonly client: string | null
}

/** How far a store has come; see {@link TokenSet}. */
export interface Counters {
  readonly generation: number
  readonly sequence: number
}

/**
 * The store, while this process alone may change it. A lock can be lost all the same (its file removed, or read by
 * this very process, which makes the kernel drop it): what another process writes then is noticed.
 */
export interface HeldStore {
  /** The token set as it stands. */
  read(): Promise<TokenSet | undefined>
  /**
   * Durable when it returns.
   *
   * @param after The generation that must stand in the store; 0 for none. Another one there means
   *   that somebody went around the lock: nothing is overwritten.
   * @throws {StoreUnusable}
   * @throws {Overtaken} another process has begun something since the set was read here; a new pair is saved all the
   *   same.
   */
  save(next: TokenSet, after: number, entry: HistoryEntry): Promise<void>
  /** Where the numbers stand, also when the token set was forgotten: they never begin anew. */
  counters(): Promise<Counters>
  /** The login that waits for its answer, if any. */
  login(): Promise<PendingLogin | undefined>
  /**
   * Durable when it returns; `null` forgets it.
   *
   * @throws {StoreUnusable}
   */
  saveLogin(login: PendingLogin | null): Promise<void>
  /** Durable when it returns. @throws {StoreUnusable} */
  pin(discovered: Discovered): Promise<void>
  /**
   * Leaves no byte of a token, a code's verifier or an answer in any file; what happened stays known.
   *
   * @throws {StoreUnusable}
   */
  forget(entry: HistoryEntry | null): Promise<void>
  readonly rescue: RescueFile
  /**
   * Names this process as the one at an exchange; `undefined` where the system has no such names.
   *
   * @param lastsMs Milliseconds that it lasts at most.
   */
  holder(lastsMs: number): Holder | undefined
  /**
   * The last look before a token or a code is sent: whether the store still says that this process does it, and the
   * lock is where others meet it. Synchronous, so that nothing comes between it and the request.
   *
   * @param what The `attempt` of the intent, or the fingerprint of the code.
   * @throws {StoreUnusable}
   */
  isStillOurs(what: number | string): boolean
}

/** How a critical section waits for its turn. */
export interface ExclusiveOptions<T> {
  /** Milliseconds to wait for the lock. */
  readonly waitMs: number
  /**
   * Asked with the token set as it stands at every turn of waiting; an answer other than `undefined` ends
   * the wait and is returned, `critical` is then not run.
   */
  readonly meanwhile?: (set: TokenSet | undefined) => T | undefined
}

/** Where the token set lives. */
export interface TokenStore {
  /** Where it is, for messages. */
  readonly name: string
  /**
   * The token set as last committed. Takes no lock and never waits for one.
   *
   * @throws {StoreUnusable}
   */
  read(): Promise<TokenSet | undefined>
  /**
   * Runs `critical` while no other process can run theirs. A process that dies lets go of the lock.
   * The lock has no handle: it cannot be kept, forgotten or released twice.
   *
   * @throws {LockTimeout} when the lock is not free within `waitMs`.
   * @throws {StoreUnusable}
   */
  exclusive<T>(critical: (held: HeldStore) => Promise<T>, options: ExclusiveOptions<T>): Promise<T>
  /**
   * What happened to the token set, newest first.
   *
   * @throws {StoreUnusable}
   */
  history(): Promise<readonly HistoryEntry[]>
  /** True where nothing was ever kept: no set, no login, no answer. Makes nothing. */
  isUntouched(): Promise<boolean>
  /** The login that waits for its answer, if any. Takes no lock. */
  login(): Promise<PendingLogin | undefined>
  /** The endpoints as last discovered, if ever. Takes no lock. */
  discovered(): Promise<Discovered | undefined>
  /** Lets go of what is held open between calls, if anything is. */
  close(): Promise<void>
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

/** What was done about the store's lock before the program was loaded that needs it. */
export interface Handover {
  /** Names the store, as its own `name`. */
  readonly store: string
  /** The set before the wait: what failed since has failed for this process too. */
  readonly seen: Seen
  /** Milliseconds. */
  readonly waitedMs: number
  readonly lock: EarlyLock
}

/** A lock for the first critical section, if it is held; whoever says something lets go of it before. */
export interface EarlyLock {
  readonly isHeld: boolean
  /** Whether others still meet it: nobody has removed the file that is locked. */
  readonly isInPlace: () => boolean
  /** Does nothing the second time. */
  readonly release: () => void
}

/** What tells whether others have renewed a set, or failed to. */
export type Seen = Pick<TokenSet, 'generation' | 'failures'>
