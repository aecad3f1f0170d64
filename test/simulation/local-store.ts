// The protocol of `src/store/sqlite/sqlite-store.ts` on a simulated disk: the same steps in the same order, and the same
// fences, without SQLite. `tokenStoreContract` and a comparison with the real store hold the two together.
import { Overtaken, StoreUnusable } from '../../src/core/errors.js'
import { landing } from '../../src/core/landing.js'
import type { Discovered } from '../../src/core/ports.js'
import type {
  Counters,
  ExclusiveOptions,
  HeldStore,
  HistoryEntry,
  Landed,
  PendingLogin,
  TokenStore,
} from '../../src/core/store-ports.js'
import type { Holder, TokenSet } from '../../src/core/token-set.js'
import { LOOK_EVERY_MS } from '../../src/store/seat.js'
import { EMPTY_ROW, type Disk, type RowFile } from './disk.js'
import { notInTime, SimulatedSeat, type Actor, type SimulatedTurn } from './seat.js'

/** What the system knows of processes. */
export interface Names {
  /** Names this process; `undefined` if the system has no such names. */
  holder(lastsMs: number): Holder | undefined
  isMe(holder: Holder): boolean
  isOtherAlive(holder: Holder): boolean
}

/** A process's connection to the file that had the database's name when it was opened. */
type Opened = NonNullable<Disk['row']>

export interface LocalActor extends Actor {
  /** A set has given way to another in the database. */
  saves(before: TokenSet | undefined, after: TokenSet | undefined): void
}

export class LocalStore implements TokenStore {
  readonly name = 'token.db'
  readonly isShared = false
  readonly isBehind = false
  readonly #disk: Disk
  readonly #actor: LocalActor
  readonly #names: Names
  readonly #seat: SimulatedSeat

  constructor(disk: Disk, actor: LocalActor, names: Names) {
    this.#disk = disk
    this.#actor = actor
    this.#names = names
    this.#seat = new SimulatedSeat(disk, actor)
  }

  read(): Promise<TokenSet | undefined> {
    return this.#read('read the set', ({ set }) => set)
  }

  history(): Promise<readonly HistoryEntry[]> {
    return this.#read('read the history', entriesOf)
  }

  isUntouched(): Promise<boolean> {
    return this.#actor.step('look for files', () => {
      const { row, rescue } = this.#disk
      return row === undefined && rescue === undefined
    })
  }

  login(): Promise<PendingLogin | undefined> {
    return this.#read('read the login', ({ login }) => login)
  }

  discovered(): Promise<Discovered | undefined> {
    return this.#read('read the endpoints', ({ discovered }) => discovered)
  }

  sharing(): Promise<null> {
    return Promise.resolve(null)
  }

  exclusive<T>(critical: (held: HeldStore) => Promise<T>, options: ExclusiveOptions<T>): Promise<T> {
    const look = async (): Promise<T | undefined> => options.meanwhile?.(await this.read())
    return this.#seat.exclusive((turn) => this.#hold(critical, turn, options), options.waitMs, look)
  }

  close(): Promise<void> {
    return Promise.resolve()
  }

  async #hold<T>(
    critical: (held: HeldStore) => Promise<T>,
    turn: SimulatedTurn,
    options: ExclusiveOptions<T>,
  ): Promise<T> {
    const db = await this.#actor.step('open the database', () => {
      if (this.#disk.row === undefined) this.#disk.assertWritable()
      return (this.#disk.row ??= { content: EMPTY_ROW })
    })
    const answered = await this.#afterOthers(db, turn, options)
    if (answered !== undefined) return answered
    const rescue = turn.openRescue()
    try {
      return await critical(new HeldRow(db, rescue, turn, this.#disk, this.#actor, this.#names))
    } finally {
      rescue.close()
    }
  }

  async #afterOthers<T>(
    db: Opened,
    { deadline }: SimulatedTurn,
    options: ExclusiveOptions<T>,
  ): Promise<T | undefined> {
    for (;;) {
      const { set, login } = await this.#actor.step('look for others at an exchange', () => db.content)
      const holders = [set?.intent?.holder, login?.holder]
      const isOther = (holder: Holder | undefined): boolean =>
        holder !== undefined && this.#names.isOtherAlive(holder)
      if (!holders.some(isOther)) return undefined
      if (performance.now() >= deadline) throw notInTime()
      await this.#actor.sleep(LOOK_EVERY_MS)
      const answered = options.meanwhile?.(db.content.set)
      if (answered !== undefined) return answered
    }
  }

  #read<T>(name: string, select: (row: RowFile) => T): Promise<T> {
    return this.#actor.step(name, () => select(this.#disk.row?.content ?? EMPTY_ROW))
  }
}

class HeldRow implements HeldStore {
  readonly rescue: ReturnType<SimulatedTurn['openRescue']>
  readonly #db: Opened
  readonly #turn: SimulatedTurn
  readonly #disk: Disk
  readonly #actor: LocalActor
  readonly #names: Names
  /** The sequence that this section has seen. */
  #known: number | undefined

  constructor(
    db: Opened,
    rescue: HeldRow['rescue'],
    turn: SimulatedTurn,
    disk: Disk,
    actor: LocalActor,
    names: Names,
  ) {
    this.#db = db
    this.rescue = rescue
    this.#turn = turn
    this.#disk = disk
    this.#actor = actor
    this.#names = names
  }

  read(): Promise<TokenSet | undefined> {
    return this.#actor.step('read under the lock', () => {
      const { set } = this.#db.content
      this.#known = set?.sequence
      return set
    })
  }

  note(next: TokenSet, after: number, entry: HistoryEntry): Promise<void> {
    return this.#actor.step(`note (${entry.outcome})`, () => {
      const { set } = this.#db.content
      if ((set?.generation ?? 0) !== after) throw bypassed()
      if (this.#known !== undefined && set?.sequence !== this.#known) throw new Overtaken()
      this.#save(next, entry)
      this.#known = next.sequence
    })
  }

  land(next: TokenSet, after: number, entry: HistoryEntry): Promise<Landed> {
    return this.#actor.step('land', () => {
      const { set } = this.#db.content
      const verdict = landing(set, next, after, entry.event === 'login')
      if (verdict === 'save') {
        this.#save(next, entry)
        this.#known = next.sequence
      }
      if (!this.#isInPlace) throw new StoreUnusable('the database was replaced')
      if (verdict === 'overtaken' && set !== undefined) return { overtakenBy: set }
      if (verdict !== 'save' && verdict !== 'already') throw bypassed()
      return verdict === 'save' ? 'saved' : verdict
    })
  }

  counters(): Promise<Counters> {
    return this.#actor.step('read the counters', () => {
      const { set } = this.#db.content
      if (set !== undefined) return { generation: set.generation, sequence: set.sequence }
      const entries = entriesOf(this.#db.content)
      const most = (of: (entry: HistoryEntry) => number): number => Math.max(0, ...entries.map(of))
      return {
        generation: most(({ generation }) => generation),
        sequence: most(({ sequence }) => sequence),
      }
    })
  }

  login(): Promise<PendingLogin | undefined> {
    return this.#actor.step('read the login', () => this.#db.content.login)
  }

  saveLogin(login: PendingLogin | null): Promise<void> {
    return this.#change('save the login', (row) => ({ ...row, login: login ?? undefined }))
  }

  pin(discovered: Discovered): Promise<void> {
    return this.#change('save the endpoints', (row) => ({ ...row, discovered }))
  }

  forget(entry: HistoryEntry | null): Promise<void> {
    this.rescue.erase()
    return this.#change('forget', ({ discovered, history }) => ({
      ...{ set: undefined, login: undefined, discovered },
      history: entry === null ? history : new Map([...history, [entry.sequence, entry]]),
    }))
  }

  holder(lastsMs: number): Holder | undefined {
    return this.#names.holder(lastsMs)
  }

  isAssured(what: number | string): boolean {
    const { set, login } = this.#db.content
    if (!this.#isInPlace || !this.#turn.lock.isInPlace()) return false
    const isMine = (holder: Holder | undefined): boolean => holder === undefined || this.#names.isMe(holder)
    if (typeof what === 'string') return login?.spent === what && isMine(login.holder)
    return set?.sequence === what && set.intent?.attempt === what && isMine(set.intent.holder)
  }

  /** Whether the database's name still leads to the file that was opened. */
  get #isInPlace(): boolean {
    return this.#disk.row === this.#db
  }

  #change(name: string, change: (row: RowFile) => RowFile): Promise<void> {
    return this.#actor.step(name, () => {
      this.#disk.assertWritable()
      this.#db.content = change(this.#db.content)
    })
  }

  #save(set: TokenSet, entry: HistoryEntry): void {
    this.#disk.assertWritable()
    const { content } = this.#db
    const history = new Map([...content.history, [entry.sequence, entry]])
    this.#db.content = { ...content, set, history }
    // In a file that was replaced nobody finds it.
    if (this.#isInPlace) this.#actor.saves(content.set, set)
  }
}

/** Newest first. */
function entriesOf({ history }: RowFile): readonly HistoryEntry[] {
  return [...history.values()].sort((one, other) => other.sequence - one.sequence)
}

function bypassed(): StoreUnusable {
  return new StoreUnusable('another program changed the store without its lock; nothing was overwritten')
}
