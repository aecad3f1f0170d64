// The core's port to a store: one row that many processes share, and the file of answers beside it. Types only:
// nothing here runs.
import type { Client } from './client.js'
import type { Discovered, RawAnswer } from './ports.js'
import type { Secret } from './secret.js'
import type { Holder, TokenSet } from './token-set.js'

/** A login that a person has begun in a browser and not finished. There is one at a time: a newer one replaces it. */
export interface PendingLogin {
  /** Comes back with the code, and tells this login's answer from any other. @see RFC 6749 section 10.12 */
  readonly state: Secret
  readonly verifier: Secret
  readonly redirectUri: string
  /** Epoch seconds. */
  readonly begunAt: number
  /** Fingerprint of the code that was sent to the token endpoint, because a code works once; `null` before. */
  readonly spent: string | null
  /** The id that the grant will have; `null` in a store of an older version. */
  readonly grant: string | null
  /** The client that the login was begun for; `null` in a store of an older version. */
  readonly client: Client | null
  /** The process that is exchanging the code at this moment, as in an intent. */
  readonly holder?: Holder
}

/** An answer that was put on disk before anything read it. */
export interface Rescued {
  readonly generation: number
  /** The `attempt` of the intent that was answered. */
  readonly attempt: number
  /** Fingerprint of the refresh token or authorization code that was sent. */
  readonly spent: string
  /** True if an authorization code was sent. */
  readonly login?: true
  /** The id of the grant; missing in a record of an older version. */
  readonly grant?: string | null
  /** The client that the request was made as; missing in a record of an older version. */
  readonly client?: Client | null
  readonly answer: RawAnswer
}

/** Keeps answers on disk before anything parses them. */
export interface RescueFile {
  /** The records that were kept and not yet scrubbed, oldest first. Leaves out a half-written one. */
  records(): Promise<readonly Rescued[]>
  /**
   * Durable when it returns: in the rescue file, or as a last copy on another file system.
   *
   * @throws {StoreUnusable} no place took it
   */
  keep(record: Rescued): Promise<void>
  /**
   * Overwrites answers that hold nothing which the store lacks. Never throws, because a record that stays is
   * recognised as old.
   */
  drop(isSettled: (record: Rescued) => boolean): Promise<void>
}

/** One line of the history. An entry with the same `sequence` replaces the one before. */
export interface HistoryEntry {
  readonly sequence: number
  /** Epoch seconds. */
  readonly at: number
  readonly event: 'seed' | 'login' | 'refresh' | 'logout' | 'move'
  /** `unfinished`, `done`, or the code of the failure. */
  readonly outcome: string
  readonly generation: number
  /** Fingerprints, never tokens. */
  readonly access: string
  readonly refresh: string
  readonly note: string | null
  /** The id of the grant; `null` in an entry of an older version. */
  readonly grant: string | null
  /** The client of the grant, for people: `1012 at https://…`. */
  readonly client: string | null
  /** The host that made the entry; only in a store that hosts share. */
  readonly host?: string
}

/** The counters of a store; see {@link TokenSet}. */
export interface Counters {
  readonly generation: number
  readonly sequence: number
}

/**
 * The outcome of saving a pair that was received. `already`: it is in the store, by a commit of this process whose
 * word was lost, or by another process that found the answer. `overtakenBy`: the store has another pair for this
 * generation, and is left as it is.
 */
export type Landed = 'saved' | 'already' | { readonly overtakenBy: TokenSet }

/**
 * The store while this process alone may change it. A lock can be lost all the same (its file is removed, this very
 * process reads it, which makes the kernel drop the lock, or its holder is out of reach of a shared store for longer
 * than its lease), so writes of other processes are noticed.
 */
export interface HeldStore {
  /** The token set in the store. */
  read(): Promise<TokenSet | undefined>
  /**
   * Saves what this process knows or is about to do: an intent, a failure, a seed, a flag. Durable when it returns.
   *
   * @param after The generation that must stand in the store; 0 for none. Another generation means that a process
   *   has bypassed the lock: nothing is overwritten.
   * @throws {StoreUnusable | StoreUnreachable}
   * @throws {Overtaken} another process has begun something since the set was read here
   */
  note(next: TokenSet, after: number, entry: HistoryEntry): Promise<void>
  /**
   * Saves a pair that was received, whoever has the lock by now: it is worth more than anything that another process
   * has begun on the old one. `landing` decides what the pair may replace. Durable when it returns.
   *
   * @param after The generation that the pair follows.
   * @throws {StoreUnusable | StoreUnreachable}
   */
  land(next: TokenSet, after: number, entry: HistoryEntry): Promise<Landed>
  /** The counters, also after the token set was forgotten: they never start again. */
  counters(): Promise<Counters>
  /** The login that waits for its answer; `undefined` if there is none. */
  login(): Promise<PendingLogin | undefined>
  /**
   * Saves the login that waits; `null` forgets it. Durable when it returns.
   *
   * @throws {StoreUnusable}
   */
  saveLogin(login: PendingLogin | null): Promise<void>
  /** Saves discovered endpoints. Durable when it returns. @throws {StoreUnusable} */
  pin(discovered: Discovered): Promise<void>
  /**
   * Erases every byte of a token, a code's verifier or an answer from all files. The history stays.
   *
   * @throws {StoreUnusable}
   */
  forget(entry: HistoryEntry | null): Promise<void>
  readonly rescue: RescueFile
  /**
   * Names this process as the one at an exchange; `undefined` if the system has no such names.
   *
   * @param lastsMs Milliseconds that the exchange lasts at most.
   */
  holder(lastsMs: number): Holder | undefined
  /**
   * Checks, right before a token or a code is sent, that this process alone may act, for the next moment too.
   * Synchronous, so that nothing comes between the check and the request.
   *
   * @param what The `attempt` of the intent, or the fingerprint of the code.
   * @param ms Milliseconds that a lease must still last. A store whose lock ends with the process has no lease.
   * @throws {StoreUnusable}
   */
  isAssured(what: number | string, ms: number): boolean
}

/** How a critical section waits for the lock. */
export interface ExclusiveOptions<T> {
  /** Milliseconds to wait for the lock. */
  readonly waitMs: number
  /**
   * Called with the token set in the store before each new try. A result other than `undefined` ends the wait and
   * is returned; `critical` does not run then.
   */
  readonly meanwhile?: (set: TokenSet | undefined) => T | undefined
}

/** Who uses a shared store at this moment. */
export interface Sharing {
  /** The host that is refreshing, and its last sign of life in epoch seconds. */
  readonly holder: { readonly host: string; readonly at: number } | null
  /** The host that saved the newest pair. */
  readonly saver: string | null
}

/** The place where the token set is kept. */
export interface TokenStore {
  /** The store's place, for messages. */
  readonly name: string
  /** Whether many hosts use it at once: then a set that another host has renewed is nothing to warn about. */
  readonly isShared: boolean
  /**
   * The token set as last committed. Takes no lock and waits for none. A shared store may answer from what this host
   * has seen a moment ago, and while the store is out of reach.
   *
   * @param options.anew Ask the store itself.
   * @throws {StoreUnusable}
   * @throws {StoreUnreachable} a shared store is out of reach, and this host has seen no set that could serve
   */
  read(options?: { readonly anew?: boolean }): Promise<TokenSet | undefined>
  /**
   * Whether the last `read` has found a shared store to be older than what this machine knows: an answer may wait here
   * whose pair the store lacks, and the recovery of any section saves it.
   */
  readonly isBehind: boolean
  /**
   * Runs `critical` while no other process can run theirs; on a shared store unless its holder was out of reach for
   * longer than its lease, which `isAssured` tells. If a process dies, its lock is free, a lease at its end. The lock
   * has no handle, so it cannot be kept, forgotten or released twice.
   *
   * @throws {LockTimeout} the lock was not free within `waitMs`
   * @throws {StoreUnusable | StoreUnreachable}
   */
  exclusive<T>(critical: (held: HeldStore) => Promise<T>, options: ExclusiveOptions<T>): Promise<T>
  /**
   * The events of the token set, newest first.
   *
   * @throws {StoreUnusable}
   */
  history(): Promise<readonly HistoryEntry[]>
  /** True if nothing was ever kept: no set, no login, no answer. Creates nothing. */
  isUntouched(): Promise<boolean>
  /** The login that waits for its answer; `undefined` if there is none. Takes no lock. */
  login(): Promise<PendingLogin | undefined>
  /** The endpoints as last discovered; `undefined` if never. Takes no lock. */
  discovered(): Promise<Discovered | undefined>
  /** `null` if one machine has the store to itself, or the store is out of reach. */
  sharing(): Promise<Sharing | null>
  /** Closes whatever is held open between calls. */
  close(): Promise<void>
}

/** The counters that tell whether other processes have renewed a set, or failed to. */
export type Seen = Pick<TokenSet, 'generation' | 'failures'>

/** The state of the store's lock when the warm path hands over to the program. */
export interface Handover {
  /** The store's `name`. */
  readonly store: string
  /** The set before the wait: a failure since then is this process's failure too. */
  readonly seen: Seen
  /** Milliseconds. */
  readonly waitedMs: number
  readonly lock: EarlyLock
}

/** A lock for the first critical section, if it is held. It must be released before anything is printed. */
export interface EarlyLock {
  readonly isHeld: boolean
  /** Whether the locked file is still in place: if it was removed, others no longer meet the lock. */
  readonly isInPlace: () => boolean
  /** Releases the lock; a second call does nothing. */
  readonly release: () => void
}
