// The shared row while this process holds its lease: what it may write under the lease, and what it may save without
// one. Sends nothing to the authorization server.
import { Overtaken, StoreUnreachable, StoreUnusable, TokenError } from '../../core/errors.js'
import { landing } from '../../core/landing.js'
import { closedByMove } from '../../core/move-notes.js'
import type { Belongings, HeldMovable, MoveNote } from '../../core/move-ports.js'
import type { Discovered } from '../../core/ports.js'
import type { Counters, HistoryEntry, Landed, PendingLogin, RescueFile } from '../../core/store-ports.js'
import type { TokenSet } from '../../core/token-set.js'
import { isOver } from '../../core/policy.js'
import type { OpenRescue, Turn } from '../seat.js'
import { pauses } from '../pauses.js'
import { shiftDiscovered, shiftEntry, shiftLogin, thereSet, type Look } from './database-time.js'
import { instant, type Lease } from './lease.js'
import type { PostgresStoreOptions } from './options.js'
import type { Holding, Registry } from './registry.js'
import { afterLook, afterUnsaved, isPutBack, settlesIn } from './remembered.js'
import { SharedRescue } from './shared-rescue.js'
import type { Memory } from './seat-memory.js'

/** Milliseconds for which a received pair is offered to a database that is out of reach. */
const LAND_MS = 60_000

export interface HeldRowParts {
  readonly registry: Registry
  readonly memory: Memory
  readonly rescue: OpenRescue
  readonly lease: Lease
  readonly turn: Turn
  readonly options: PostgresStoreOptions
  readonly look: () => Promise<Look>
  /** The row as the lease was taken. */
  readonly first: Look
}

export class HeldRow implements HeldMovable {
  readonly rescue: RescueFile
  readonly #parts: HeldRowParts
  readonly #answers: SharedRescue
  readonly #lease: Lease
  #latest: Look
  /** The row as the lease was taken is good for one read. */
  #isFirst = true
  /** The attempt of the intent, or the fingerprint of the code, that this process has noted. */
  #noted: number | string | undefined

  constructor(parts: HeldRowParts) {
    this.#parts = parts
    this.#lease = parts.lease
    this.#latest = parts.first
    const { rescue, registry, memory, lease } = parts
    this.#answers = new SharedRescue(rescue, registry, memory, lease.holding.seat, () => this.#latest)
    this.rescue = this.#answers
  }

  async read(): Promise<TokenSet | undefined> {
    if (!this.#isFirst) this.#latest = await this.#parts.look()
    this.#isFirst = false
    return this.#latest.set
  }

  async counters(): Promise<Counters> {
    const { generation, sequence } = this.#latest.seen
    // A person's new grant in a database that was put back goes on from what this host has seen.
    const known = await this.#parts.memory.load()
    const isLower = known.registry === this.#latest.seen.registryId && generation < known.generation
    return isLower ? { generation: known.generation, sequence: known.sequence } : { generation, sequence }
  }

  isAssured(what: number | string, ms: number): boolean {
    return this.#parts.turn.lock.isInPlace() && this.#lease.lasts(ms) && this.#noted === what
  }

  /** No other process can be at an exchange while this one has the lock and the lease. */
  holder(): undefined {
    return undefined
  }

  async note(next: TokenSet, after: number, entry: HistoryEntry): Promise<void> {
    const { intent } = next
    await this.#leased()
    if (intent !== null && intent.attempt === next.sequence) await this.#assertMaySpend()
    const { set, seen } = this.#latest
    if ((set?.generation ?? 0) !== after) throw this.#bypassed()
    const isNoted = await this.#underLease(
      (holding, offset) =>
        this.#parts.registry.note(
          holding,
          seen.generation,
          thereSet(next, offset),
          shiftEntry(entry, -offset),
        ),
      ({ set: now }) => now?.sequence === next.sequence && now.generation === next.generation,
    )
    if (!isNoted) throw new Overtaken()
    if (intent !== null) this.#noted = intent.attempt
    this.#latest = this.#with(next)
    await this.#remember()
  }

  async land(next: TokenSet, after: number, entry: HistoryEntry): Promise<Landed> {
    const { registry, options } = this.#parts
    const { elapsed, sleep } = options.time
    for (let giveUp = elapsed() + LAND_MS, pause = pauses(50, 4000); ;) {
      const { set, seen, offset } = this.#latest
      this.#assertOpen()
      const verdict = landing(set, next, after, entry.event === 'login')
      if (verdict === 'overtaken' && set !== undefined) return { overtakenBy: set }
      if (verdict === 'stray' || verdict === 'overtaken') throw this.#bypassed()
      try {
        if (verdict === 'save') {
          const stands = { generation: seen.generation, grant: set?.grant }
          const there = thereSet(next, offset)
          if (!(await registry.land(options, stands, there, shiftEntry(entry, -offset)))) {
            this.#latest = await this.#parts.look()
            continue
          }
        }
        this.#lease.end()
        this.#latest = this.#with(next)
        await this.#answers.landed(after, () => this.#remember())
        return verdict === 'already' ? 'already' : 'saved'
      } catch (error) {
        // A password that could not be had for a moment must cost no pair either.
        if (!(error instanceof TokenError)) throw error
        if (elapsed() >= giveUp) {
          await this.#rememberUnsaved(next)
          throw error
        }
        await sleep(pause.next().value)
        // The commit may have happened, and only its word was lost.
        this.#latest = await this.#parts.look().catch(() => this.#latest)
      }
    }
  }

  async login(): Promise<PendingLogin | undefined> {
    const { seen, offset } = this.#latest
    return Promise.resolve(seen.login && shiftLogin(seen.login, offset))
  }

  async saveLogin(login: PendingLogin | null): Promise<void> {
    await this.#leased()
    const isSaved = await this.#underLease(
      (holding, offset) => this.#parts.registry.saveLogin(holding, login && shiftLogin(login, -offset)),
      ({ seen }) =>
        seen.login?.state.reveal() === login?.state.reveal() && seen.login?.spent === login?.spent,
    )
    if (!isSaved) throw new Overtaken()
    if (login?.spent != null) this.#noted = login.spent
    const { seen, offset } = this.#latest
    const there = login === null ? undefined : shiftLogin(login, -offset)
    this.#latest = { ...this.#latest, seen: { ...seen, login: there } }
  }

  async pin(discovered: Discovered): Promise<void> {
    await this.#leased()
    const isPinned = await this.#underLease(
      (holding, offset) => this.#parts.registry.pin(holding, shiftDiscovered(discovered, -offset)),
      ({ seen }) => seen.discovered?.issuer === discovered.issuer,
    )
    if (!isPinned) throw new Overtaken()
  }

  async forget(entry: HistoryEntry | null): Promise<void> {
    const { registry, rescue, memory } = this.#parts
    await this.#leased()
    // Erase answers first: one that stayed could be taken for the next login's.
    rescue.erase()
    const { generation } = this.#latest.seen
    const isForgotten = await this.#underLease(
      (holding, offset) => registry.forget(holding, generation, entry && shiftEntry(entry, -offset)),
      ({ seen, set }) => seen.generation === generation + 1 && set === undefined,
    )
    if (!isForgotten) throw new Overtaken()
    this.#latest = await this.#parts.look()
    // A logout ends what this host has seen, also of a row that was put back.
    await memory.change((known) => ({ ...known, set: undefined, answers: [], generation: 0, sequence: 0 }))
    await this.#remember()
  }

  async moveNote(): Promise<MoveNote | undefined> {
    return Promise.resolve(this.#latest.seen.move)
  }

  async belongings(): Promise<Belongings> {
    const { seen, offset } = this.#latest
    const history = await this.#parts.registry.history()
    return {
      discovered: seen.discovered && shiftDiscovered(seen.discovered, offset),
      history: history.map((entry) => shiftEntry(entry, offset)),
    }
  }

  async close(note: MoveNote, entry: HistoryEntry | null): Promise<void> {
    const { generation } = this.#latest.seen
    // First, so that a process which is killed in between leaves no token here that this host would hand out.
    await this.#parts.memory.change((known) => ({ ...known, set: undefined }))
    return this.#moves(
      (holding, offset) =>
        this.#parts.registry.closeForMove(holding, generation, note, entry && shiftEntry(entry, -offset)),
      ({ move }) => move?.grant === note.grant && move.direction === note.direction,
    )
  }

  reopen(): Promise<void> {
    const { generation } = this.#latest.seen
    return this.#moves(
      (holding) => this.#parts.registry.reopen(holding, generation),
      ({ move }) => move === undefined,
    )
  }

  receive(next: TokenSet, history: readonly HistoryEntry[]): Promise<void> {
    const { generation } = this.#latest.seen
    return this.#moves(
      (holding, offset) =>
        this.#parts.registry.receive(
          holding,
          generation,
          thereSet(next, offset),
          history.map((entry) => shiftEntry(entry, -offset)),
        ),
      ({ move, set }) => move === undefined && set?.grant === next.grant,
    )
  }

  /** Runs a statement of a move, and looks what stands in the row after it. */
  async #moves(
    run: (holding: Holding, offset: number) => Promise<boolean>,
    isDone: (seen: Look['seen']) => boolean,
  ): Promise<void> {
    await this.#leased()
    if (!(await this.#underLease(run, ({ seen }) => isDone(seen)))) throw new Overtaken()
    this.#latest = await this.#parts.look()
    await this.#remember()
  }

  /** @throws {ConfigInvalid} a move has closed the row */
  #assertOpen(): void {
    const { registry, options } = this.#parts
    const { seen, set } = this.#latest
    if (seen.move === undefined) return
    const store = { name: registry.name, address: options.address }
    throw closedByMove(store, seen.move, set === undefined, options.here)
  }

  /**
   * Runs a statement that needs the lease, again where the database's word was lost, for as long as the lease lasts.
   *
   * @param isDone Whether a row shows that the statement took effect before.
   * @returns False if the lease is another's.
   */
  async #underLease(
    run: (holding: Holding, offset: number) => Promise<boolean>,
    isDone: (look: Look) => boolean,
  ): Promise<boolean> {
    const { time } = this.#parts.options
    for (const pause of pauses(50, 2000)) {
      try {
        if (await run(this.#lease.holding, this.#latest.offset)) return true
        const look = await this.#parts.look()
        const isOurs = look.seen.lease.term === this.#lease.holding.term
        if (!isOurs) this.#lease.end()
        return isOurs && isDone(look)
      } catch (error) {
        if (!(error instanceof StoreUnreachable)) throw error
        // Another host may have it by now: the section begins anew, and waits for the database.
        if (this.#lease.left <= pause) throw new Overtaken()
        await time.sleep(pause)
      }
    }
    return false
  }

  /** Takes the lease again after a pair has landed, which ends it. */
  async #leased(): Promise<void> {
    if (this.#lease.left > 0) return
    const { registry, options, turn } = this.#parts
    const { seat, host } = this.#lease.holding
    // Without the lock file another process of this host may have the lease.
    if (!turn.lock.isInPlace()) throw new Overtaken()
    const { lease } = (await this.#parts.look()).seen
    const sent = instant(options.time)
    const isFree = lease.seat === null || lease.seat === seat
    const seen = isFree ? await registry.take(lease, { seat, host }, options.leaseMs) : undefined
    const { generation, sequence } = this.#latest.seen
    if (seen?.generation !== generation || seen.sequence !== sequence) throw new Overtaken()
    this.#lease.goOn(seen.lease.term, sent)
  }

  /**
   * Refuses to spend a token that may be spent already: where the database is older than what this host has seen, and
   * for a while after a fail-over that may have lost the newest pair.
   */
  async #assertMaySpend(): Promise<void> {
    const { registry, memory, options } = this.#parts
    const { seen, set } = this.#latest
    const at = options.time.clock()
    const known = await memory.load()
    if (isPutBack(known, seen, set))
      throw new StoreUnreachable(
        `${registry.name} is older than what this host has seen: a backup or a fail-over has put it back`,
        { hint: 'a host that has the newer token set heals it; if there is none: hq-token login' },
      )
    const seconds = settlesIn(seen, set === undefined || isOver(set.pair, at))
    if (seconds > 0)
      throw new StoreUnreachable(
        `${registry.name} has failed over since the last refresh, and may have lost it: hq-token waits ${Math.ceil(seconds)} s for a host that has it`,
        {
          hint: 'run the same command again later; hq-token doctor says how to make a fail-over lose nothing',
        },
      )
  }

  #with(set: TokenSet): Look {
    const { seen, offset } = this.#latest
    const { generation, sequence } = set
    return { ...this.#latest, set, seen: { ...seen, generation, sequence, set: thereSet(set, offset) } }
  }

  /** Shows the other processes of this host what this one has saved. A seat that cannot be written costs them a look. */
  async #remember(): Promise<void> {
    const { memory, options, registry } = this.#parts
    const { seen, set } = this.#latest
    const at = options.time.clock()
    try {
      await memory.change((known) => afterLook(known, seen, set, at, registry.name))
    } catch (error) {
      if (!(error instanceof TokenError)) throw error
    }
  }

  /** The other processes of this host can hand out a token that the database has not got, and know that it has not. */
  async #rememberUnsaved(next: TokenSet): Promise<void> {
    const { memory, options } = this.#parts
    const unreachableAt = options.time.clock()
    await memory.change((known) => afterUnsaved(known, next, unreachableAt)).catch(() => undefined)
  }

  #bypassed(): StoreUnusable {
    return new StoreUnusable(
      `another program changed ${this.#parts.registry.name}; nothing was overwritten`,
      {
        hint: 'find out what else writes to the database (a restored backup?), then run the same command again',
      },
    )
  }
}
