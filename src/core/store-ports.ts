// What the core asks of a store: one row that many processes share, and the file of answers beside it.
import type { Client } from './client.js'
import type { Discovered, RawAnswer } from './ports.js'
import type { Secret } from './secret.js'
import type { Holder, TokenSet } from './token-set.js'

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

/** What tells whether others have renewed a set, or failed to. */
export type Seen = Pick<TokenSet, 'generation' | 'failures'>

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
