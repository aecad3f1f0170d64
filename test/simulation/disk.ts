// The files of one machine, as the processes on it find them. A file that is replaced lives on for whoever has it open.
import { StoreUnusable } from '../../src/core/errors.js'
import type { Discovered } from '../../src/core/ports.js'
import type { HistoryEntry, PendingLogin, Rescued } from '../../src/core/store-ports.js'
import type { TokenSet } from '../../src/core/token-set.js'
import type { Remembered } from '../../src/store/postgres/remembered.js'

/** `token.lock`. The kernel's lock on it belongs to a process, and ends with it. */
export interface LockFile {
  owner: object | undefined
}

/** `token.rescue`. */
export interface AnswerFile {
  records: readonly Rescued[]
  /** The content that a power cut leaves. */
  synced: readonly Rescued[]
}

/** `token.db`. A commit is durable. */
export interface RowFile {
  readonly set: TokenSet | undefined
  readonly login: PendingLogin | undefined
  readonly discovered: Discovered | undefined
  /** By sequence. */
  readonly history: ReadonlyMap<number, HistoryEntry>
}

export const EMPTY_ROW: RowFile = {
  ...{ set: undefined, login: undefined, discovered: undefined },
  history: new Map(),
}

/** The files of a store or a seat. */
export class Disk {
  lock: LockFile | undefined
  rescue: AnswerFile | undefined
  row: { content: RowFile } | undefined
  /** What a seat remembers; `null` in a file that was just made. */
  memory: Remembered | null | undefined
  /** The boot that has written it last. */
  memoryOf: string | undefined
  /** The last copies, on a file system that a restart empties. */
  lastCopies: readonly Rescued[] = []
  /** Whether the store's file system takes nothing. */
  isFull = false
  /** Whether no other file system takes anything either. */
  isAllFull = false
  /** Whether that was ever so. */
  wasAllFull = false

  assertWritable(): void {
    if (this.isFull) throw new StoreUnusable('the disk is full')
  }

  /** Power is cut: what was not synced is gone. */
  cutPower(): void {
    if (this.rescue !== undefined) this.rescue = { records: this.rescue.synced, synced: this.rescue.synced }
    this.lastCopies = []
    this.lock &&= { owner: undefined }
  }

  /** The whole folder is gone, as with a container's. */
  remove(): void {
    this.lock = this.rescue = this.row = this.memory = undefined
    this.lastCopies = []
  }

  /** All answers that are kept on this machine. */
  get answers(): readonly Rescued[] {
    return [...(this.rescue?.records ?? []), ...this.lastCopies, ...(this.memory?.answers ?? [])]
  }
}
