// The store of the token set: a row in PostgreSQL that many hosts share, and this host's seat. Only one host at a time
// may spend, by a lease; on one host only one process, by the seat's lock.
import type { AlertChange, AlertMemory, AlertStore } from '../../core/alerts.js'
import {
  LockTimeout,
  Overtaken,
  StoreUnreachable,
  TokenError,
  type ConfigInvalid,
} from '../../core/errors.js'
import { rfc3339, type ClockReading } from '../../core/clock.js'
import { closedByMove } from '../../core/move-notes.js'
import type { HeldMovable, MovableStore, RowAddress } from '../../core/move-ports.js'
import type { Discovered } from '../../core/ports.js'
import type {
  ExclusiveOptions,
  HeldStore,
  HistoryEntry,
  PendingLogin,
  RescueFile,
  Sharing,
} from '../../core/store-ports.js'
import type { TokenSet } from '../../core/token-set.js'
import type { Seat, Turn } from '../seat.js'
import { pauses } from '../pauses.js'
import { offsetOf, shiftDiscovered, shiftEntry, shiftLogin, type Look } from './database-time.js'
import { HeldRow } from './held-row.js'
import { instant, Lease } from './lease.js'
import type { PostgresStoreOptions } from './options.js'
import { Looks } from './looks.js'
import { isRecent, wasUnreachable } from './recency.js'
import type { Registry } from './registry.js'
import { afterLook, canHeal, isPutBack, type Remembered } from './remembered.js'
import type { Memory } from './seat-memory.js'

/** Milliseconds for a database that is out of reach, where this host has no token to hand out. */
const READ_WAIT_MS = 15_000

/** One call for a critical section, which may begin anew. */
interface Entry {
  readonly isMove: boolean
  /** Whether the answers of this host were tried without the lease: those that the seat keeps … */
  hasHealed: boolean
  /** … and those in the rescue file. One that brings no pair needs the lease. */
  hasSearched: boolean
}

export class PostgresStore implements MovableStore, AlertStore {
  readonly name: string
  readonly address: RowAddress
  readonly isShared = true
  #isBehind = false
  readonly #seat: Pick<Seat, 'exclusive' | 'claim'>
  readonly #memory: Memory
  readonly #registry: Registry
  readonly #options: PostgresStoreOptions
  readonly #looks: Looks

  /** Neither opens nor asks anything yet. */
  constructor(
    seat: Pick<Seat, 'exclusive' | 'claim'>,
    memory: Memory,
    registry: Registry,
    options: PostgresStoreOptions,
  ) {
    this.name = registry.name
    this.address = options.address
    this.#seat = seat
    this.#memory = memory
    this.#registry = registry
    this.#options = options
    this.#looks = new Looks({ seat, memory, registry, time: options.time })
  }

  get isBehind(): boolean {
    return this.#isBehind
  }

  async read({ anew = false } = {}): Promise<TokenSet | undefined> {
    this.#isBehind = false
    const at = this.#options.time.clock()
    const known = await this.#looks.known()
    if (!anew && isRecent(known, at, this.#options.recheck)) return known.set
    let look: Look | undefined
    try {
      if (!anew && known.set !== undefined && wasUnreachable(known, at)) throw this.#outOfReach()
      // Without a token to hand out there is nothing better to do than to wait for a moment.
      const waitMs = known.set === undefined ? READ_WAIT_MS : 0
      look = await this.#looks.until(this.#options.time.elapsed() + waitMs)
    } catch (error) {
      return this.#remembered(known, error, at)
    }
    if (look === undefined) return undefined
    this.#isBehind = isPutBack(known, look.seen, look.set)
    if (this.#isBehind) return this.#remembered(known, this.#putBack(), at)
    const closed = this.#closed(look)
    await this.#looks.remember((before) => afterLook(before, look.seen, look.set, look.at, this.name))
    if (closed !== undefined) throw closed
    return look.set
  }

  /**
   * The set as it was seen last. A token that works is worth more than a database that cannot be asked, be it that it is
   * away, or that a person must mend the way to it.
   *
   * @throws What kept the database from being asked, where nothing is remembered.
   */
  async #remembered(
    { set, checkedAt }: Remembered,
    error: unknown,
    at: ClockReading,
  ): Promise<TokenSet | undefined> {
    if (!(error instanceof TokenError) || set === undefined) throw error
    await this.#looks.remember((before) => ({ ...before, unreachableAt: at }))
    this.#warn(
      `${error.message}; the token set is as of ${checkedAt === null ? 'an earlier look' : rfc3339(checkedAt.now)}`,
      error.hint,
    )
    return set
  }

  async exclusive<T>(critical: (held: HeldStore) => Promise<T>, options: ExclusiveOptions<T>): Promise<T> {
    await this.#seat.claim()
    // Another process of this host may have saved the set that is waited for.
    const look = async (): Promise<T | undefined> => options.meanwhile?.((await this.#looks.known()).set)
    const entry: Entry = { isMove: false, hasHealed: false, hasSearched: false }
    const section = (turn: Turn): Promise<T> => this.#underLease(critical, turn, options, entry)
    return this.#seat.exclusive(section, options.waitMs, look)
  }

  async exclusiveForMove<T>(critical: (held: HeldMovable) => Promise<T>, waitMs: number): Promise<T> {
    await this.#seat.claim()
    const entry: Entry = { isMove: true, hasHealed: false, hasSearched: false }
    const section = (turn: Turn): Promise<T> => this.#underLease(critical, turn, { waitMs }, entry)
    return this.#seat.exclusive(section, waitMs, () => Promise.resolve(undefined))
  }

  async identity(): Promise<string> {
    const seen = await this.#registry.look()
    // Of a database without a schema nobody else can hold a row.
    return `postgres:${seen === undefined ? this.name : `${seen.registryId}:${this.address.name}`}`
  }

  async history(): Promise<readonly HistoryEntry[]> {
    const look = await this.#openLook()
    if (look === undefined) return []
    return (await this.#registry.history()).map((entry) => shiftEntry(entry, look.offset))
  }

  async isUntouched(): Promise<boolean> {
    const seen = (await this.#openLook())?.seen
    return seen === undefined || (seen.generation === 0 && seen.login === undefined)
  }

  async login(): Promise<PendingLogin | undefined> {
    const look = await this.#openLook()
    return look?.seen.login && shiftLogin(look.seen.login, look.offset)
  }

  async discovered(): Promise<Discovered | undefined> {
    const known = await this.#looks.known()
    if (isRecent(known, this.#options.time.clock(), this.#options.recheck)) return known.discovered
    try {
      const look = await this.#openLook()
      return look?.seen.discovered && shiftDiscovered(look.seen.discovered, look.offset)
    } catch (error) {
      if (!(error instanceof TokenError) || known.set === undefined) throw error
      return known.discovered
    }
  }

  async sharing(): Promise<Sharing | null> {
    try {
      const look = await this.#openLook()
      if (look === undefined) return { holder: null, saver: null }
      const { seat, host, at } = look.seen.lease
      const entries = await this.#registry.history()
      const saved = entries.find(({ outcome, event }) => outcome === 'done' && event !== 'logout')
      return {
        holder:
          seat === null || host === null || at === null ? null : { host, at: Math.floor(at) + look.offset },
        saver: saved?.host ?? null,
      }
    } catch (error) {
      if (!(error instanceof StoreUnreachable)) throw error
      return null
    }
  }

  async alerts(): Promise<AlertMemory> {
    const { records, now } = await this.#registry.alerts()
    return { records, offset: offsetOf(this.#options.time.clock(), now) }
  }

  /** Needs no lease: the database compares the record, and changes nothing else. */
  saveAlert(change: AlertChange): Promise<boolean> {
    return this.#registry.saveAlert(change)
  }

  close(): Promise<void> {
    return this.#registry.close()
  }

  async #underLease<T>(
    critical: (held: HeldMovable) => Promise<T>,
    turn: Turn,
    options: ExclusiveOptions<T>,
    entry: Entry,
  ): Promise<T> {
    await this.#memory.create()
    const rescue = turn.openRescue()
    try {
      const taken = await this.#take(turn, options, entry, rescue)
      if ('answered' in taken) return taken.answered
      const { lease, look } = taken
      const row = new HeldRow({
        ...{ registry: this.#registry, memory: this.#memory, rescue, lease, turn, options: this.#options },
        look: () => this.#looks.again(),
        first: look,
      })
      try {
        return await lease.during(() => critical(row))
      } finally {
        await lease.release()
      }
    } finally {
      rescue.close()
    }
  }

  /** Waits until the lease is free, this seat's own, or has ended by this seat's clock; then takes it. */
  async #take<T>(
    turn: Turn,
    { meanwhile }: ExclusiveOptions<T>,
    entry: Entry,
    rescue: RescueFile,
  ): Promise<{ lease: Lease; look: Look } | { answered: T }> {
    const { time, leaseMs, host } = this.#options
    const deadline = time.elapsed() + turn.deadline - performance.now()
    // Once only: a database that waits for its standby may keep a session busy for each try.
    let hasFailed = false
    // A thousand hosts may wait for one, and each look is work for the database.
    for (const pause of pauses(100, 2000, 2)) {
      const look = await this.#looks.patient(deadline)
      const known = await this.#looks.observed(look)
      const closed = entry.isMove ? undefined : this.#closed(look)
      if (closed !== undefined) throw closed
      const answered = meanwhile?.(look.set)
      if (answered !== undefined) return { answered }
      const { lease: theirs } = look.seen
      const isFree = this.#looks.mayTake(known, look)
      // A pair lands without a lease, and no other host may spend the older one meanwhile.
      if (!isFree && (await mayReplay(entry, known, look, rescue))) {
        return { lease: Lease.ended(this.#registry, { seat: known.seat, host }, leaseMs, time), look }
      }
      if (!turn.lock.isInPlace()) throw new Overtaken()
      if (isFree) {
        const sent = instant(time)
        const holder = { seat: known.seat, host }
        const seen = await this.#registry.take(theirs, holder, leaseMs).catch((error: unknown) => {
          const mayPass = error instanceof StoreUnreachable && !hasFailed && time.elapsed() < deadline
          if (!mayPass) throw error
          // The next look waits for the database, and finds the lease to be this seat's if only the word was lost.
          hasFailed = true
          return undefined
        })
        if (seen !== undefined) {
          const holding = { ...holder, term: seen.lease.term }
          const lease = new Lease(this.#registry, holding, leaseMs, sent, time)
          return { lease, look: await this.#looks.localized(seen, sent.reading) }
        }
      }
      const left = deadline - time.elapsed()
      if (left <= 0)
        throw new LockTimeout(
          `${theirs.host ?? 'another host'} has been refreshing for more than ${Math.round(turn.waitMs / 1000)} s`,
          { hint: 'run the same command again later; hq-token status shows who refreshes' },
        )
      await time.sleep(Math.min(pause, left))
    }
    throw new Error('unreachable')
  }

  /** @throws {ConfigInvalid} a move has closed the row */
  async #openLook(): Promise<Look | undefined> {
    const look = await this.#looks.now()
    const closed = look && this.#closed(look)
    if (closed !== undefined) throw closed
    return look
  }

  #closed({ seen: { move }, set }: Look): ConfigInvalid | undefined {
    return move && closedByMove(this, move, set === undefined, this.#options.here)
  }

  #outOfReach(): StoreUnreachable {
    return new StoreUnreachable(`${this.name} was out of reach a moment ago`, {
      hint: 'hq-token doctor shows why',
    })
  }

  #putBack(): StoreUnreachable {
    return new StoreUnreachable(
      `${this.name} is older than what this host has seen: a backup or a fail-over has put it back, or it was away when the newest pair came`,
      { hint: 'a host that has the newer token set heals it; if there is none: hq-token login' },
    )
  }

  #warn(message: string, hint?: string): void {
    this.#options.notify({ level: 'warning', message, ...(hint !== undefined && { hint }) })
  }
}

/**
 * Whether this host has an answer that the row lacks. The row was put back, or a process died before it could save the
 * answer, and the lease that it left would keep everybody waiting, this host too.
 */
async function mayReplay(
  entry: Entry,
  known: Remembered,
  { seen, set }: Look,
  rescue: RescueFile,
): Promise<boolean> {
  if (!entry.hasHealed && canHeal(known, seen, set)) return (entry.hasHealed = true)
  if (entry.hasSearched || set === undefined) return false
  entry.hasSearched = true
  const records = await rescue.records()
  return records.some(({ generation, grant }) => generation >= set.generation && grant === set.grant)
}
