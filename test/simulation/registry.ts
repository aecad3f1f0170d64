// The registry in memory: the conditions and effects of the SQL statements in src/store/postgres/statements.ts, on
// states that never change, so that the database can be put back to any earlier one.
import type { Discovered } from '../../src/core/ports.js'
import type { HistoryEntry, PendingLogin } from '../../src/core/store-ports.js'
import type { TokenSet } from '../../src/core/token-set.js'
import { recordsIn } from '../../src/store/rescue/records.js'
import type { Kept } from './host.js'
import type { Scheduler } from './scheduler.js'
import { refreshTokenIn } from './seat.js'
import type { Holding, KeptAnswer, Registry, Seen, SeenLease } from '../../src/store/postgres/registry.js'

/** All that the database has committed. */
export interface State {
  readonly generation: number
  readonly sequence: number
  readonly set: TokenSet | undefined
  readonly login: PendingLogin | undefined
  readonly discovered: Discovered | undefined
  readonly lease: SeenLease
  readonly saver: string | null
  readonly timeline: string | null
  readonly answers: readonly KeptAnswer[]
  readonly history: readonly HistoryEntry[]
  /** The pairs that were ever in it. */
  readonly ever: readonly Omit<Kept, 'by'>[]
}

const NEVER_USED: State = {
  ...{ generation: 0, sequence: 0, set: undefined, login: undefined, discovered: undefined },
  lease: { seat: null, host: null, term: 0, beat: 0, ms: 0, at: null },
  ...{ saver: null, timeline: null, answers: [], history: [], ever: [] },
}

/** The statements of a move, which is not simulated. */
type Move = 'closeForMove' | 'reopen' | 'receive'

/** The statements without a network: each takes effect at once. */
export type Statements = {
  [Name in Exclude<keyof Registry, 'name' | 'close' | 'migrate' | Move>]: (
    ...values: Parameters<Registry[Name]>
  ) => Awaited<ReturnType<Registry[Name]>>
}

export class Database implements Statements {
  state = NEVER_USED
  /** Earlier states, the oldest first, and the true time of each. */
  readonly past: State[] = []
  timeline = 1
  startedAt = 0
  /** True time in milliseconds until which it takes no connection. */
  downUntil = 0
  /** How often it was put back, and the true time of the last one. */
  restores = 0
  restoredAt = 0
  readonly #now: () => number
  readonly #scheduler: Scheduler

  /** @param now The database's clock, in epoch seconds with fractions. */
  constructor(scheduler: Scheduler, now: () => number) {
    this.#scheduler = scheduler
    this.#now = now
    this.startedAt = now() - 1_000_000
  }

  /** A first set, imported before the world began. */
  begin(set: TokenSet): void {
    const { generation, sequence } = set
    this.#commit({ generation, sequence, set, timeline: this.#timelineNow })
    this.past.length = 0
  }

  restart(): void {
    this.startedAt = this.#now()
  }

  /** Forgets the last commits. @param hasFailedOver Whether a replica took over; else a dump was restored. */
  putBack(commits: number, hasFailedOver: boolean): void {
    const before = this.past.splice(-commits)[0]
    if (before !== undefined) this.state = before
    if (hasFailedOver) this.timeline++
    this.restores++
    this.restoredAt = this.#scheduler.now
    this.restart()
  }

  look(): Seen {
    const { generation, sequence, set, login, discovered, lease, saver, timeline } = this.state
    return {
      ...{ generation, sequence, set, login, discovered, lease, saver, timeline },
      ...{ registryId: 'registry-1', timelineNow: this.#timelineNow, isSynchronous: false, move: undefined },
      ...{ startedAt: this.startedAt, now: this.#now() },
    }
  }

  take(
    { term, beat }: Pick<SeenLease, 'term' | 'beat'>,
    { seat, host }: Omit<Holding, 'term'>,
    ms: number,
  ): Seen | undefined {
    const { lease } = this.state
    if (lease.term !== term || lease.beat !== beat) return undefined
    this.#commit({ lease: { seat, host, term: term + 1, beat: beat + 1, ms, at: this.#now() } })
    return this.look()
  }

  beat(holding: Holding): boolean {
    return this.#ifHeld(holding, () => ({}))
  }

  release(holding: Holding): void {
    this.#ifHeld(holding, () => ({ lease: this.#beaten({ seat: null }) }))
  }

  note(holding: Holding, generation: number, next: TokenSet, entry: HistoryEntry): boolean {
    if (this.state.generation !== generation) return false
    const isSaved = next.generation !== generation
    return this.#ifHeld(holding, () => ({
      ...{ generation: next.generation, sequence: next.sequence, set: next },
      ...(isSaved && { timeline: this.#timelineNow, saver: holding.seat }),
      history: this.#told(entry, holding.host),
    }))
  }

  saveLogin(holding: Holding, login: PendingLogin | null): boolean {
    return this.#ifHeld(holding, () => ({ login: login ?? undefined }))
  }

  pin(holding: Holding, discovered: Discovered): boolean {
    return this.#ifHeld(holding, () => ({ discovered }))
  }

  land(
    { seat, host }: Omit<Holding, 'term'>,
    seen: { readonly generation: number; readonly grant: string | null | undefined },
    next: TokenSet,
    entry: HistoryEntry,
  ): boolean {
    const { generation, sequence, set, answers } = this.state
    if (generation !== seen.generation || set?.grant !== seen.grant) return false
    const last = Math.max(sequence, next.sequence)
    this.#commit({
      ...{ generation: next.generation, sequence: last, set: { ...next, sequence: last }, saver: seat },
      ...{ timeline: this.#timelineNow, lease: this.#beaten({ seat: null }) },
      answers: answers.filter((answer) => answer.generation >= next.generation - 1),
      history: this.#told(entry, host),
    })
    return true
  }

  keep(answer: KeptAnswer): void {
    const { answers } = this.state
    if (!answers.some(({ bytes }) => isSame(bytes, answer.bytes)))
      this.#commit({ answers: [...answers, answer] })
  }

  answers(): readonly KeptAnswer[] {
    return this.state.answers
  }

  drop(gone: readonly Pick<KeptAnswer, 'bytes'>[], least: number): void {
    const { answers, generation } = this.state
    if (generation < least) return
    this.#commit({ answers: answers.filter((one) => !gone.some(({ bytes }) => isSame(bytes, one.bytes))) })
  }

  forget(holding: Holding, generation: number, entry: HistoryEntry | null): boolean {
    if (this.state.generation !== generation) return false
    return this.#ifHeld(holding, ({ sequence }) => ({
      ...{ generation: generation + 1, sequence: Math.max(sequence, entry?.sequence ?? 0) },
      ...{ set: undefined, login: undefined, answers: [] },
      ...{ timeline: this.#timelineNow, saver: holding.seat },
      ...(entry !== null && { history: this.#told(entry, holding.host) }),
    }))
  }

  history(): readonly HistoryEntry[] {
    return this.state.history
  }

  get #timelineNow(): string {
    return String(this.timeline).padStart(8, '0')
  }

  /** Every write of the holder's is a sign of life. */
  #ifHeld({ term, seat }: Holding, change: (state: State) => Partial<State>): boolean {
    const { lease } = this.state
    if (lease.term !== term || lease.seat !== seat) return false
    this.#commit({ lease: this.#beaten({}), ...change(this.state) })
    return true
  }

  #beaten(change: Partial<SeenLease>): SeenLease {
    const { lease } = this.state
    return { ...lease, beat: lease.beat + 1, at: this.#now(), ...change }
  }

  #told(entry: HistoryEntry, host: string): readonly HistoryEntry[] {
    const others = this.state.history.filter(({ sequence }) => sequence !== entry.sequence)
    return [{ ...entry, host }, ...others].toSorted((one, other) => other.sequence - one.sequence)
  }

  #commit(change: Partial<State>): void {
    this.past.push(this.state)
    this.state = { ...this.state, ...change }
    const { answers, set } = change
    const news = [
      ...(set === undefined ? [] : [set.pair.refreshToken.reveal()]),
      ...(answers ?? []).flatMap(({ bytes }) => recordsIn(Buffer.from(bytes)).flatMap(refreshTokenIn)),
    ].filter((refresh) => !this.state.ever.some((kept) => kept.refresh === refresh))
    const kept = news.map((refresh) => ({ refresh, at: this.#scheduler.now }))
    if (kept.length > 0) this.state = { ...this.state, ever: [...this.state.ever, ...kept] }
  }
}

function isSame(one: Uint8Array, other: Uint8Array): boolean {
  return Buffer.compare(one, other) === 0
}
