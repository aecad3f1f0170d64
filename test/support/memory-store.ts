import { LockTimeout, Overtaken, StoreUnusable } from '../../src/core/errors.js'
import { landing } from '../../src/core/landing.js'
import { closedByMove } from '../../src/core/move-notes.js'
import type { HeldMovable, MovableStore, MoveNote, StoreAddress } from '../../src/core/move-ports.js'
import type {
  Counters,
  ExclusiveOptions,
  HeldStore,
  HistoryEntry,
  Landed,
  PendingLogin,
  RescueFile,
  Rescued,
} from '../../src/core/store-ports.js'
import type { Discovered } from '../../src/core/ports.js'
import type { TokenSet } from '../../src/core/token-set.js'

/** Asked with the how-manieth call this is, from 1 on. */
export type Fails = (nth: number) => boolean

const never: Fails = () => false

/** Fails at these calls, and at no others. */
export const at =
  (...calls: number[]): Fails =>
  (nth) =>
    calls.includes(nth)

/** Fails from the n-th call on. */
export const from =
  (first: number): Fails =>
  (nth) =>
    nth >= first

/**
 * A token store in memory, which two guards share as two processes share a file. Keeps the contract
 * of every store (`tokenStoreContract`), fails where it is told to, and tells `event` what it does
 * just before it does it: an `event` that throws is a process that dies there.
 */
export class MemoryStore implements MovableStore {
  readonly name: string
  address: StoreAddress
  isShared = false
  isBehind = false
  /** How a process that is at an exchange is called. */
  holder: HeldStore['holder'] = () => undefined
  /** What the last look finds. */
  stillOurs: (what: number | string) => boolean = () => true
  savesFail = never
  keepsFail = never
  /** Runs before a caller reaches for the lock: what others do between its look and its lock. */
  beforeLock: () => Promise<void> = () => Promise.resolve()
  /** How often the token set was read without the lock. */
  reads = 0
  /** How often the lock was taken. */
  locks = 0
  readonly #event: (name: string) => void
  readonly #history = new Map<number, HistoryEntry>()
  #set: TokenSet | undefined
  #login: PendingLogin | undefined
  #discovered: Discovered | undefined
  #rescued: Rescued[] = []
  #note: MoveNote | undefined
  #held = false
  /** Rises when the lock is taken, or stolen. */
  #term = 0
  #saves = 0
  #keeps = 0

  constructor(event: (name: string) => void = () => undefined, name = 'memory') {
    this.#event = event
    this.name = name
    this.address = { path: name }
  }

  identity(): Promise<string> {
    return Promise.resolve(this.name)
  }

  /** What is in it, closed or not. */
  get content(): { readonly set: TokenSet | undefined; readonly note: MoveNote | undefined } {
    return { set: this.#set, note: this.#note }
  }

  get isHeld(): boolean {
    return this.#held
  }

  /** What is kept and not scrubbed, as another process would find it. */
  get rescued(): readonly Rescued[] {
    return this.#rescued
  }

  /** Puts a set in place as if it had always been there, and a disk back in order. */
  put(set: TokenSet | undefined): this {
    this.#set = set
    this.#saves = this.#keeps = 0
    this.savesFail = this.keepsFail = never
    return this
  }

  /** Frees the lock although a section runs: its holder was away for too long. */
  stealLock(): void {
    this.#held = false
    this.#term++
  }

  /** Leaves an answer behind as a process would that died before it was saved. */
  leave(...records: Rescued[]): this {
    this.#rescued.push(...records)
    return this
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- so that it rejects and never throws
  async read(): Promise<TokenSet | undefined> {
    this.reads++
    this.#assertOpen()
    return this.#set
  }

  async exclusive<T>(critical: (held: HeldStore) => Promise<T>, options: ExclusiveOptions<T>): Promise<T> {
    const section = (held: HeldMovable): Promise<T> => {
      this.#assertOpen()
      return critical(held)
    }
    return this.#exclusive(section, options)
  }

  exclusiveForMove<T>(critical: (held: HeldMovable) => Promise<T>, waitMs: number): Promise<T> {
    return this.#exclusive(critical, { waitMs })
  }

  #assertOpen(): void {
    if (this.#note !== undefined) throw closedByMove(this, this.#note, this.#set === undefined)
  }

  async #exclusive<T>(
    critical: (held: HeldMovable) => Promise<T>,
    { waitMs, meanwhile }: ExclusiveOptions<T>,
  ): Promise<T> {
    await this.beforeLock()
    for (const deadline = performance.now() + waitMs; this.#held;) {
      if (performance.now() >= deadline) throw new LockTimeout('the lock was not free in time')
      await new Promise((resolve) => setTimeout(resolve, 1))
      const answered = meanwhile?.(this.#set)
      if (answered !== undefined) return answered
    }
    this.#held = true
    this.locks++
    const term = ++this.#term
    const isHeld = (): boolean => this.#term === term
    try {
      return await critical({
        read: () => Promise.resolve(this.#set),
        note: async (next, after, entry) => {
          await this.#beforeSave(entry)
          if (!isHeld()) throw new Overtaken()
          if ((this.#set?.generation ?? 0) !== after) throw new StoreUnusable('somebody went around the lock')
          this.#save(next, entry)
        },
        land: (next, after, entry) => this.#land(next, after, entry),
        counters: () => Promise.resolve(this.#counters()),
        login: () => Promise.resolve(this.#login),
        saveLogin: (login) => this.#saveLogin(login),
        // eslint-disable-next-line @typescript-eslint/require-await -- as below
        pin: async (discovered) => {
          this.#event('pin')
          this.#discovered = discovered
        },
        forget: (entry) => this.#forget(entry),
        rescue: this.#rescue,
        holder: (lastsMs) => this.holder(lastsMs),
        isAssured: (what) => isHeld() && this.stillOurs(what),
        moveNote: () => Promise.resolve(this.#note),
        belongings: async () => ({ discovered: this.#discovered, history: await this.#events() }),
        // eslint-disable-next-line @typescript-eslint/require-await -- as below
        close: async (note, entry) => {
          this.#event(`close ${note.direction}`)
          this.#note = note
          if (this.#set === undefined || entry === null) return
          this.#save({ ...this.#set, sequence: entry.sequence }, entry)
        },
        // eslint-disable-next-line @typescript-eslint/require-await -- as below
        reopen: async () => {
          this.#event('reopen')
          this.#note = undefined
        },
        // eslint-disable-next-line @typescript-eslint/require-await -- as below
        receive: async (next, history) => {
          this.#event('receive')
          for (const entry of history) this.#save(next, entry)
          this.#note = undefined
        },
      })
    } finally {
      if (isHeld()) this.#held = false
    }
  }

  async history(): Promise<readonly HistoryEntry[]> {
    this.#assertOpen()
    return this.#events()
  }

  #events(): Promise<readonly HistoryEntry[]> {
    return Promise.resolve([...this.#history.values()].sort((a, b) => b.sequence - a.sequence))
  }

  isUntouched(): Promise<boolean> {
    const kept = [this.#set, this.#login, ...this.#rescued, ...this.#history.values()]
    return Promise.resolve(kept.every((one) => one === undefined))
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- as above
  async login(): Promise<PendingLogin | undefined> {
    this.#assertOpen()
    return this.#login
  }

  discovered(): Promise<Discovered | undefined> {
    return Promise.resolve(this.#discovered)
  }

  sharing(): Promise<null> {
    return Promise.resolve(null)
  }

  close(): Promise<void> {
    return Promise.resolve()
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- so that it rejects and never throws
  async #beforeSave({ outcome }: HistoryEntry): Promise<void> {
    this.#event(`save ${outcome}`)
    if (this.savesFail(++this.#saves)) throw new StoreUnusable('the disk is full')
  }

  async #land(next: TokenSet, after: number, entry: HistoryEntry): Promise<Landed> {
    await this.#beforeSave(entry)
    const verdict = landing(this.#set, next, after, entry.event === 'login')
    if (verdict === 'already') return verdict
    if (verdict === 'overtaken' && this.#set !== undefined) return { overtakenBy: this.#set }
    if (verdict !== 'save') throw new StoreUnusable('somebody went around the lock')
    this.#save(next, entry)
    return 'saved'
  }

  #save(next: TokenSet, entry: HistoryEntry): void {
    this.#set = next
    this.#history.set(entry.sequence, entry)
  }

  #counters(): Counters {
    if (this.#set !== undefined) return this.#set
    const last = [...this.#history.values()].sort((a, b) => b.sequence - a.sequence)[0]
    return { generation: last?.generation ?? 0, sequence: last?.sequence ?? 0 }
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- as above
  async #saveLogin(login: PendingLogin | null): Promise<void> {
    this.#event(
      login === null ? 'forget the login' : `note the login${login.spent === null ? '' : ', spent'}`,
    )
    if (this.savesFail(++this.#saves)) throw new StoreUnusable('the disk is full')
    this.#login = login ?? undefined
  }

  async #forget(entry: HistoryEntry | null): Promise<void> {
    // Answers first, as every store does it.
    await this.#rescue.drop(() => true)
    this.#event('forget')
    this.#set = this.#login = undefined
    if (entry !== null) this.#history.set(entry.sequence, entry)
  }

  readonly #rescue: RescueFile = {
    records: () => Promise.resolve([...this.#rescued]),
    // eslint-disable-next-line @typescript-eslint/require-await -- as above
    keep: async (record) => {
      this.#event('keep')
      if (this.keepsFail(++this.#keeps)) throw new StoreUnusable('no file system takes it')
      this.#rescued.push({
        ...record,
        answer: { ...record.answer, body: Uint8Array.from(record.answer.body) },
      })
    },
    // eslint-disable-next-line @typescript-eslint/require-await -- as above
    drop: async (isSettled) => {
      this.#event('drop')
      this.#rescued = this.#rescued.filter((record) => !isSettled(record))
    },
  }
}
