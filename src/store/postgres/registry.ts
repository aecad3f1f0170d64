// The shared row of a token set: one statement for each method, each a transaction of its own. Decides nothing.
import type { AlertChange, AlertRecord } from '../../core/alerts.js'
import type { MoveNote } from '../../core/move-ports.js'
import type { Discovered } from '../../core/ports.js'
import type { HistoryEntry, PendingLogin } from '../../core/store-ports.js'
import type { TokenSet } from '../../core/token-set.js'

/** The row, and the database that it was read from. Instants are the database's time. */
export interface Seen {
  /** Names the registry; a copy that was restored from a dump has the same. */
  readonly registryId: string
  /** The fence: rises with every saved pair and every logout, and never falls unless the database is put back. */
  readonly generation: number
  readonly sequence: number
  readonly set: TokenSet | undefined
  /** The note of a move that has closed the row; `undefined` if it is open. */
  readonly move: MoveNote | undefined
  readonly login: PendingLogin | undefined
  readonly discovered: Discovered | undefined
  readonly lease: SeenLease
  /** The database's timeline when the newest pair was saved; `null` if none was. */
  readonly timeline: string | null
  readonly timelineNow: string | null
  /** When a holder of the lease first found the database on `timelineNow`; `null` if none has. */
  readonly timelineSince: number | null
  /** Whether a commit waits for a standby (`synchronous_standby_names`): then a fail-over loses none. */
  readonly isSynchronous: boolean
  /** When the database was started, in its own epoch seconds. */
  readonly startedAt: number
  /** Epoch seconds with fractions, by the database's clock. */
  readonly now: number
}

export interface SeenLease {
  /** The seat that holds it; `null` if it is free. */
  readonly seat: string | null
  readonly host: string | null
  /** Rises with every holder. */
  readonly term: number
  /** Rises with every sign of life. */
  readonly beat: number
  /** Milliseconds, as the holder has promised. */
  readonly ms: number
  /** Epoch seconds, for people: nothing is decided by it. */
  readonly at: number | null
}

/** The holder of the lease, as it names itself in each statement. */
export interface Holding {
  readonly seat: string
  readonly host: string
  readonly term: number
}

/** An answer as it is kept: bytes that the rescue file's format gives. */
export interface KeptAnswer {
  readonly generation: number
  readonly attempt: number
  readonly seat: string
  readonly bytes: Uint8Array
}

/**
 * All methods throw `StoreUnreachable` where the outcome is unknown or nothing happened, `StoreUnusable` where the
 * schema is newer or a right is missing, and `ConfigInvalid` where the address or the login is wrong.
 */
export interface Registry {
  /** The store's name, for messages: the URL without a password. */
  readonly name: string
  /**
   * The row as it stands: all zero and empty if it was never made; `undefined` if the schema is not there. Writes
   * nothing.
   */
  look(): Promise<Seen | undefined>
  /** Brings the schema up to date. @throws {StoreUnusable} this user may not create it */
  migrate(): Promise<void>
  /**
   * Takes the lease if term and beat still stand; makes the row if it is missing (term and beat 0).
   *
   * @returns The row as it stands then; `undefined` if another was quicker.
   */
  take(
    seen: Pick<SeenLease, 'term' | 'beat'>,
    holder: Omit<Holding, 'term'>,
    leaseMs: number,
  ): Promise<Seen | undefined>
  /** @returns False if the lease is another's. */
  beat(holding: Holding): Promise<boolean>
  /** Ends the lease, if it still is this holder's. */
  release(holding: Holding): Promise<void>
  /**
   * Replaces the set, under generation and lease. The row's generation and sequence become those of `next`.
   *
   * @param generation That must stand in the row.
   * @returns False if another generation stands there, or the lease is another's. Nothing is changed then.
   */
  note(holding: Holding, generation: number, next: TokenSet, entry: HistoryEntry): Promise<boolean>
  /** Replaces the login that waits; `null` forgets it. Under the lease. */
  saveLogin(holding: Holding, login: PendingLogin | null): Promise<boolean>
  /** Under the lease. */
  pin(holding: Holding, discovered: Discovered): Promise<boolean>
  /**
   * Saves a pair that was received, whoever holds the lease, if the row is as it was seen. Ends the lease, whoever
   * holds it, because what it was taken for is done. Sets the timeline; deletes the answers to all generations
   * before `next.generation - 1` and the history older than 512 entries.
   *
   * @param seen Generation and grant id that must stand in the row (`grant: undefined`: no set stands there).
   * @returns False if they do not. Nothing is changed then.
   */
  land(
    by: Pick<Holding, 'host'>,
    seen: { readonly generation: number; readonly grant: string | null | undefined },
    next: TokenSet,
    entry: HistoryEntry,
  ): Promise<boolean>
  /** Keeps an answer. The same bytes are kept once; two answers to one attempt are two. */
  keep(answer: KeptAnswer, timeoutMs: number): Promise<void>
  /** Oldest first. */
  answers(): Promise<readonly KeptAnswer[]>
  /**
   * Deletes answers, which are told apart by their bytes.
   *
   * @param generation That the row has reached at least: a database that was put back keeps its answers.
   */
  drop(answers: readonly Pick<KeptAnswer, 'bytes'>[], generation: number): Promise<void>
  /**
   * Forgets set, login and answers, under generation and lease; the generation rises, so that other hosts see it. The
   * note of a move stays.
   *
   * @returns As `note`.
   */
  forget(holding: Holding, generation: number, entry: HistoryEntry | null): Promise<boolean>
  /**
   * Closes the row, under generation and lease: the set is put where no other program looks for it. Replaces an
   * earlier note.
   *
   * @returns As `note`.
   */
  closeForMove(
    holding: Holding,
    generation: number,
    note: MoveNote,
    entry: HistoryEntry | null,
  ): Promise<boolean>
  /** Opens a row that was closed, as it was. Under generation and lease. */
  reopen(holding: Holding, generation: number): Promise<boolean>
  /**
   * Saves a set that comes from another store, with its history, and opens the row. Sets the timeline.
   *
   * @returns As `note`.
   */
  receive(
    holding: Holding,
    generation: number,
    next: TokenSet,
    history: readonly HistoryEntry[],
  ): Promise<boolean>
  /** The records of alerts, and the database's time in epoch seconds with fractions. */
  alerts(): Promise<{ readonly records: readonly AlertRecord[]; readonly now: number }>
  /** @returns False if the record is no longer as it was read. */
  saveAlert(change: AlertChange): Promise<boolean>
  /** Newest first; each entry names its host. */
  history(): Promise<readonly HistoryEntry[]>
  close(): Promise<void>
}
