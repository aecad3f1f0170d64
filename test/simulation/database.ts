// The shared row in memory, with the conditions of `src/store/postgres/statements.ts`. Each change is a commit, and a
// commit can be lost again. `stores.test.ts` compares it with PostgreSQL. Delays and loses no statement.
import type { Discovered } from '../../src/core/ports.js'
import type { HistoryEntry, PendingLogin } from '../../src/core/store-ports.js'
import type { TokenSet } from '../../src/core/token-set.js'
import type { Holding, KeptAnswer, Seen, SeenLease } from '../../src/store/postgres/registry.js'

/** The row, its answers and its history. A change makes a new one. */
export interface Row {
  readonly generation: number
  readonly sequence: number
  readonly set: TokenSet | undefined
  readonly login: PendingLogin | undefined
  readonly discovered: Discovered | undefined
  readonly lease: SeenLease
  readonly timeline: string | null
  /** On which timeline it was when the lease was last taken, and since when. */
  readonly found: { readonly timeline: string; readonly at: number } | null
  readonly answers: readonly KeptAnswer[]
  /** By sequence. */
  readonly history: ReadonlyMap<number, HistoryEntry>
}

const NEW_ROW: Row = {
  ...{ generation: 0, sequence: 0, set: undefined, login: undefined, discovered: undefined },
  lease: { seat: null, host: null, term: 0, beat: 0, ms: 0, at: null },
  ...{ timeline: null, found: null, answers: [], history: new Map() },
}

export class Database {
  readonly #now: () => number
  /** Every commit since the database was made, the newest last. */
  readonly commits: Row[] = [NEW_ROW]
  readonly isSynchronous: boolean
  startedAt: number
  #timeline = 1

  /** @param now Its clock, in epoch seconds with fractions. */
  constructor(now: () => number, { isSynchronous = false } = {}) {
    this.#now = now
    this.isSynchronous = isSynchronous
    this.startedAt = now()
  }

  get row(): Row {
    return this.commits.at(-1) ?? NEW_ROW
  }

  get timeline(): string {
    return String(this.#timeline).padStart(8, '0')
  }

  /** The last commits are lost. @param isFailover A replica takes over, on a timeline of its own. */
  putBack(commits: number, isFailover: boolean): void {
    this.commits.length = Math.max(1, this.commits.length - commits)
    if (isFailover) this.#timeline++
  }

  look(): Seen {
    const { generation, sequence, set, login, discovered, lease, timeline, found } = this.row
    const { isSynchronous, startedAt } = this
    return {
      ...{ generation, sequence, set, login, discovered, lease, timeline, isSynchronous, startedAt },
      timelineSince: found?.timeline === this.timeline ? found.at : null,
      ...{ registryId: 'registry-1', timelineNow: this.timeline, now: this.#now(), move: undefined },
    }
  }

  take(
    { term, beat }: Pick<SeenLease, 'term' | 'beat'>,
    { seat, host }: Omit<Holding, 'term'>,
    ms: number,
  ): Seen | undefined {
    const { lease, found } = this.row
    if (lease.term !== term || lease.beat !== beat) return undefined
    const at = Math.min(found?.timeline === this.timeline ? found.at : Infinity, this.#now())
    this.#commit({
      found: { timeline: this.timeline, at },
      lease: { seat, host, ms, term: term + 1, beat: beat + 1, at: this.#now() },
    })
    return this.look()
  }

  beat(holding: Holding): boolean {
    return this.#isHeld(holding) && this.#commit({})
  }

  release(holding: Holding): boolean {
    return this.#isHeld(holding) && this.#commit({ lease: { ...this.row.lease, seat: null } })
  }

  note(holding: Holding, generation: number, next: TokenSet, entry: HistoryEntry): boolean {
    const { row } = this
    const isLate = row.sequence > next.sequence
    if (!this.#isHeld(holding) || row.generation !== generation || isLate) return false
    return this.#commit(
      {
        ...{ generation: next.generation, sequence: next.sequence, set: next },
        timeline: row.generation === next.generation ? row.timeline : this.timeline,
      },
      entry,
      holding.host,
    )
  }

  saveLogin(holding: Holding, login: PendingLogin | null): boolean {
    return this.#isHeld(holding) && this.#commit({ login: login ?? undefined })
  }

  pin(holding: Holding, discovered: Discovered): boolean {
    return this.#isHeld(holding) && this.#commit({ discovered })
  }

  land(
    { host }: Pick<Holding, 'host'>,
    seen: { readonly generation: number; readonly grant: string | null | undefined },
    next: TokenSet,
    entry: HistoryEntry,
  ): boolean {
    const { row } = this
    const { generation, set } = row
    if (generation !== seen.generation || set?.grant !== seen.grant) return false
    return this.#commit(
      {
        ...{ generation: next.generation, sequence: Math.max(row.sequence, next.sequence) },
        ...{ set: { ...next, sequence: Math.max(row.sequence, next.sequence) } },
        ...{ timeline: this.timeline, lease: { ...row.lease, seat: null } },
        answers: row.answers.filter((answer) => answer.generation >= next.generation - 1),
      },
      entry,
      host,
    )
  }

  keep(answer: KeptAnswer): void {
    const { answers } = this.row
    if (!answers.some((kept) => areSame(kept, answer))) this.#write({ answers: [...answers, answer] })
  }

  drop(dropped: readonly Pick<KeptAnswer, 'bytes'>[], generation: number): void {
    const { answers } = this.row
    if (this.row.generation >= generation)
      this.#write({ answers: answers.filter((kept) => !dropped.some((one) => areSame(kept, one))) })
  }

  forget(holding: Holding, generation: number, entry: HistoryEntry | null): boolean {
    const { row } = this
    if (!this.#isHeld(holding) || row.generation !== generation) return false
    return this.#commit(
      {
        ...{ generation: generation + 1, sequence: Math.max(row.sequence, entry?.sequence ?? 0) },
        ...{ set: undefined, login: undefined, timeline: this.timeline, answers: [] },
      },
      entry,
      holding.host,
    )
  }

  /** Newest first. */
  history(): readonly HistoryEntry[] {
    return [...this.row.history.values()].sort((one, other) => other.sequence - one.sequence)
  }

  #isHeld({ term, seat }: Holding): boolean {
    const { lease } = this.row
    return lease.term === term && lease.seat === seat
  }

  /** Every change of the row itself is a sign of life. */
  #commit(change: Partial<Row>, entry: HistoryEntry | null = null, host = ''): true {
    const lease = change.lease ?? this.row.lease
    const isTaken = lease.term !== this.row.lease.term
    const history =
      entry === null ? {} : { history: new Map([...this.row.history, [entry.sequence, { ...entry, host }]]) }
    this.#write({
      ...change,
      ...history,
      lease: isTaken ? lease : { ...lease, beat: lease.beat + 1, at: this.#now() },
    })
    return true
  }

  #write(change: Partial<Row>): void {
    this.commits.push({ ...this.row, ...change })
  }
}

function areSame(one: Pick<KeptAnswer, 'bytes'>, other: Pick<KeptAnswer, 'bytes'>): boolean {
  return one.bytes === other.bytes || Buffer.compare(one.bytes, other.bytes) === 0
}
