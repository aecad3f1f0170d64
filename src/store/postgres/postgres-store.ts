// The store of the token set: a row in PostgreSQL that many hosts share, and this host's seat. Only one host at a time
// may spend, by a lease; on one host only one process, by the seat's lock.
import { randomUUID } from 'node:crypto'
import { LockTimeout, Overtaken, StoreUnreachable, type ConfigInvalid } from '../../core/errors.js'
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
import { pauses } from '../sqlite/early-lock.js'
import { localized, shiftDiscovered, shiftEntry, shiftLogin, type Look } from './database-time.js'
import { HeldRow } from './held-row.js'
import { instant, Lease } from './lease.js'
import type { PostgresStoreOptions } from './options.js'
import { isRecent, secondsSince, wasUnreachable } from './recency.js'
import type { Registry, Seen } from './registry.js'
import {
  afterLook,
  canHeal,
  hasEnded,
  isNews,
  isPutBack,
  observe,
  withOwnAge,
  type Remembered,
} from './remembered.js'
import type { Memory } from './seat-memory.js'

/** Seconds for a look, at most: as long as a statement may take. */
const PROMPT = 6

/** Milliseconds for a database that is out of reach, where this host has no token to hand out. */
const READ_WAIT_MS = 15_000

/** One call for a critical section, which may begin anew. */
interface Entry {
  readonly isMove: boolean
  /** Whether an answer on this disk was tried without the lease: one that brings no pair needs it. */
  hasReplayed: boolean
}

export class PostgresStore implements MovableStore {
  readonly name: string
  readonly address: RowAddress
  readonly isShared = true
  #isBehind = false
  readonly #seat: Pick<Seat, 'exclusive' | 'claim'>
  readonly #memory: Memory
  readonly #registry: Registry
  readonly #options: PostgresStoreOptions
  /** Names what this process observes. */
  readonly #observer = randomUUID()

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
  }

  get isBehind(): boolean {
    return this.#isBehind
  }

  async read({ anew = false } = {}): Promise<TokenSet | undefined> {
    this.#isBehind = false
    const at = this.#options.time.clock()
    const known = this.#mine(await this.#memory.load())
    if (!anew && isRecent(known, at, this.#options.recheck)) return known.set
    try {
      if (!anew && known.set !== undefined && wasUnreachable(known, at)) throw this.#outOfReach()
      // Without a token to hand out there is nothing better to do than to wait for a moment.
      const waitMs = known.set === undefined ? READ_WAIT_MS : 0
      const look = await this.#patiently(this.#options.time.elapsed() + waitMs, () => this.#look())
      if (look === undefined) return undefined
      this.#isBehind = isPutBack(known, look.seen, look.set)
      if (this.#isBehind) throw this.#putBack()
      const closed = this.#closed(look)
      await this.#remember((before) => afterLook(before, look.seen, look.set, look.at, this.name))
      if (closed !== undefined) throw closed
      return look.set
    } catch (error) {
      if (!(error instanceof StoreUnreachable) || known.set === undefined) throw error
      const { set, checkedAt } = known
      await this.#remember((before) => ({ ...before, unreachableAt: at }))
      this.#warn(
        `${error.message}; the token set is as of ${checkedAt === null ? 'an earlier look' : rfc3339(checkedAt.now)}`,
        error.hint,
      )
      return set
    }
  }

  async exclusive<T>(critical: (held: HeldStore) => Promise<T>, options: ExclusiveOptions<T>): Promise<T> {
    await this.#seat.claim()
    // Another process of this host may have saved the set that is waited for.
    const look = async (): Promise<T | undefined> =>
      options.meanwhile?.(this.#mine(await this.#memory.load()).set)
    const entry: Entry = { isMove: false, hasReplayed: false }
    const section = (turn: Turn): Promise<T> => this.#underLease(critical, turn, options, entry)
    return this.#seat.exclusive(section, options.waitMs, look)
  }

  async exclusiveForMove<T>(critical: (held: HeldMovable) => Promise<T>, waitMs: number): Promise<T> {
    await this.#seat.claim()
    const entry: Entry = { isMove: true, hasReplayed: false }
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
    const known = this.#mine(await this.#memory.load())
    if (isRecent(known, this.#options.time.clock(), this.#options.recheck)) return known.discovered
    try {
      const look = await this.#openLook()
      return look?.seen.discovered && shiftDiscovered(look.seen.discovered, look.offset)
    } catch (error) {
      if (!(error instanceof StoreUnreachable) || known.set === undefined) throw error
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
        look: async () => {
          const again = await this.#look()
          if (again === undefined) throw new StoreUnreachable(`${this.name} has lost its schema`)
          return again
        },
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
    for (const pause of pauses(50, 1000)) {
      const look = await this.#lookPatiently(deadline)
      const known = await this.#seen(look)
      const closed = entry.isMove ? undefined : this.#closed(look)
      if (closed !== undefined) throw closed
      const answered = meanwhile?.(look.set)
      if (answered !== undefined) return { answered }
      const { lease: theirs } = look.seen
      const isFree = this.#mayTake(known, look)
      // A pair lands without a lease, and no other host may spend the older one meanwhile.
      const mayReplay = !isFree && !entry.hasReplayed
      if (mayReplay && (canHeal(known, look.seen, look.set) || (await waitsHere(rescue, look.set)))) {
        entry.hasReplayed = true
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
          return { lease, look: await this.#localized(seen, sent.reading) }
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

  /** Whether nobody else can have the lease. A dead process of this host needs no wait: the seat's lock was free. */
  #mayTake({ seat, observed }: Remembered, { seen, at }: Look): boolean {
    const { lease } = seen
    if (lease.seat === null || lease.seat === seat) return true
    return observed !== null && observed.term === lease.term && hasEnded(observed, lease, this.#steady(at))
  }

  /** A look under the seat's lock. Makes the schema if it is missing. */
  async #lookPatiently(deadline: number): Promise<Look> {
    for (;;) {
      const look = await this.#patiently(deadline, () => this.#look())
      if (look !== undefined) return look
      await this.#registry.migrate()
    }
  }

  /** Repeats `work` while the database is out of reach, until a time on the clock of `elapsed`. */
  async #patiently<T>(deadline: number, work: () => Promise<T>): Promise<T> {
    const { time } = this.#options
    for (let pause = pauses(50, 4000); ;) {
      try {
        return await work()
      } catch (error) {
        if (!(error instanceof StoreUnreachable)) throw error
        // Nobody could reach the database, perhaps, so every observation begins anew.
        await this.#remember((known) => ({ ...known, observed: null }))
        const left = deadline - time.elapsed()
        if (left <= 0) throw error
        await time.sleep(Math.min(pause.next().value, left))
      }
    }
  }

  /** Remembers a look under the seat's lock. */
  async #seen(look: Look): Promise<Remembered> {
    const { seen, set, at } = look
    const change = (before: Remembered): Remembered => {
      const mine = this.#mine(before)
      return { ...afterLook(mine, seen, set, at, this.name), observed: observe(mine, seen, this.#steady(at)) }
    }
    const before = await this.#memory.load()
    const after = change(before)
    if (isNews(before, after, at)) await this.#memory.change(change)
    return after
  }

  /** @throws {ConfigInvalid} a move has closed the row */
  async #openLook(): Promise<Look | undefined> {
    const look = await this.#look()
    const closed = look && this.#closed(look)
    if (closed !== undefined) throw closed
    return look
  }

  #closed({ seen: { move }, set }: Look): ConfigInvalid | undefined {
    return move && closedByMove(this, move, set === undefined, this.#options.names)
  }

  /** Where the system does not name its boots only this process's own clock never jumps. */
  #steady(at: ClockReading): ClockReading {
    if (at.boot !== null) return at
    return { ...at, boot: this.#observer, uptime: Math.floor(this.#options.time.elapsed() / 1000) }
  }

  async #look(): Promise<Look | undefined> {
    const sent = this.#options.time.clock()
    const seen = await this.#registry.look()
    return seen && this.#localized(seen, sent)
  }

  /** Looks again where this process stood still meanwhile: its clock tells nothing about the database's then. */
  async #localized(seen: Seen, sent: ClockReading): Promise<Look> {
    const { clock } = this.#options.time
    let at = clock()
    while (secondsSince(sent, at) > PROMPT) {
      sent = at
      seen = (await this.#registry.look()) ?? seen
      at = clock()
    }
    const look = localized(seen, at)
    return look.set === undefined ? look : { ...look, set: withOwnAge(look.set, await this.#memory.load()) }
  }

  /** What was remembered of another URL or row says nothing about this one until a look has shown that it is the same. */
  #mine(known: Remembered): Remembered {
    return known.place === null || known.place === this.name ? known : { ...known, set: undefined }
  }

  /** A seat whose disk cannot be written costs nobody a token: the database is asked at each call then. */
  async #remember(change: (known: Remembered) => Remembered): Promise<void> {
    try {
      if ((await this.#memory.change(change)) !== undefined) return
      await this.#seat.exclusive(
        async () => {
          await this.#memory.create()
          await this.#memory.change(change)
        },
        0,
        () => Promise.resolve(undefined),
      )
    } catch {
      // As said above.
    }
  }

  #outOfReach(): StoreUnreachable {
    return new StoreUnreachable(`${this.name} was out of reach a moment ago`, {
      hint: 'hq-token doctor shows why',
    })
  }

  #putBack(): StoreUnreachable {
    return new StoreUnreachable(
      `${this.name} is older than what this host has seen: it was put back by a backup or a fail-over`,
      { hint: 'a host that has the newer token set heals it; if there is none: hq-token login' },
    )
  }

  #warn(message: string, hint?: string): void {
    this.#options.notify({ level: 'warning', message, ...(hint !== undefined && { hint }) })
  }
}

/**
 * Whether this disk has an answer to the request that the row tells of: its process died before it could save it, and
 * the lease that it left would keep everybody waiting, this host too.
 */
async function waitsHere(rescue: RescueFile, set: TokenSet | undefined): Promise<boolean> {
  if (set?.intent == null) return false
  const records = await rescue.records()
  return records.some(({ generation, grant }) => generation === set.generation && grant === set.grant)
}
