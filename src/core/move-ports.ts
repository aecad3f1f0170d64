// The core's port to the two stores of a move. Types only: nothing here runs.
import type { Host } from './host.js'
import type { Discovered } from './ports.js'
import type { HeldStore, HistoryEntry, TokenStore } from './store-ports.js'
import type { TokenSet } from './token-set.js'

/** A store's address, as a person types it: an absolute path, or a URL without a password and the name of the row. */
export type StoreAddress = FileAddress | RowAddress

export interface FileAddress {
  readonly path: string
}

export interface RowAddress {
  /** Without parameters. */
  readonly url: string
  /** As it was typed, with its parameters; missing if it was not. */
  readonly typed?: string | undefined
  readonly name: string
}

/** What a move notes in a store. While it stands there, nobody but a move may use the store. */
export interface MoveNote {
  /** `to`: the token set goes away from here, or is gone. `from`: it comes here. */
  readonly direction: 'to' | 'from'
  /** The address of the other store. */
  readonly other: StoreAddress
  /** The host that the move was begun on, because a path means a file of that host. Its boot does not outlast the note. */
  readonly host: Pick<Host, 'name' | 'id'>
  /** The id that the grant gets in the new store. It names the move: a store that knows it has received the set. */
  readonly grant: string
  /** Epoch seconds. */
  readonly at: number
}

/** What a store keeps beside the token set and the login. */
export interface Belongings {
  readonly discovered: Discovered | undefined
  /** Newest first. */
  readonly history: readonly HistoryEntry[]
}

/** A store of a move while this process alone may change it. */
export interface HeldMovable extends HeldStore {
  /** `undefined` if nobody has closed the store. */
  moveNote(): Promise<MoveNote | undefined>
  belongings(): Promise<Belongings>
  /**
   * Closes the store to everybody but a move, and keeps what it holds. Programs of older versions refuse it too.
   * Replaces an earlier note. Durable when it returns.
   *
   * @throws {StoreUnusable | StoreUnreachable}
   */
  close(note: MoveNote, entry: HistoryEntry | null): Promise<void>
  /** Opens the store again, as it was. Durable when it returns. @throws As `close`. */
  reopen(): Promise<void>
  /**
   * Saves a set that comes from another store, with its history, and opens the store: all at once. Durable when it
   * returns.
   *
   * @param history Entries to add; one of the same sequence is replaced.
   * @throws As `close`.
   */
  receive(next: TokenSet, history: readonly HistoryEntry[]): Promise<void>
}

/** A store that a token set can be moved from, and to. */
export interface MovableStore extends TokenStore {
  readonly address: StoreAddress
  /** Names the store itself: the same for each spelling of its address. */
  identity(): Promise<string>
  /**
   * Runs `critical` as `exclusive` does, also in a store that a move has closed. `forget` leaves its note.
   *
   * @throws As `exclusive`.
   */
  exclusiveForMove<T>(critical: (held: HeldMovable) => Promise<T>, waitMs: number): Promise<T>
}
