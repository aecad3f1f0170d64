// Looks at the shared row by this machine's clocks, and remembers in the seat what was seen. Takes no lease.
import { randomUUID } from 'node:crypto'
import type { ClockReading } from '../../core/clock.js'
import { StoreUnreachable } from '../../core/errors.js'
import type { Seat } from '../seat.js'
import { pauses } from '../pauses.js'
import { localized, type Look } from './database-time.js'
import type { Time } from './lease.js'
import { secondsSince } from './recency.js'
import type { Registry, Seen } from './registry.js'
import { afterLook, hasEnded, isNews, observe, withOwnAge, type Remembered } from './remembered.js'
import type { Memory } from './seat-memory.js'

/** Seconds for a look, at most: as long as a statement may take. */
const PROMPT = 6

export interface LooksParts {
  readonly seat: Pick<Seat, 'exclusive'>
  readonly memory: Memory
  readonly registry: Registry
  readonly time: Time
}

export class Looks {
  readonly #parts: LooksParts
  /** Names what this process observes. */
  readonly #observer = randomUUID()
  /** The seat's memory as last read. It is kept, because reading it again is most of the cost of a look. */
  #latest: Remembered | undefined

  constructor(parts: LooksParts) {
    this.#parts = parts
  }

  /** The row now; `undefined` if the database has no schema. */
  async now(): Promise<Look | undefined> {
    const sent = this.#parts.time.clock()
    const seen = await this.#parts.registry.look()
    return seen && this.localized(seen, sent)
  }

  /** The row now, for a section that has seen it before. @throws {StoreUnreachable} its schema is gone */
  async again(): Promise<Look> {
    const look = await this.now()
    if (look !== undefined) return look
    throw new StoreUnreachable(`${this.#parts.registry.name} has lost its schema`, {
      hint: 'hq-token doctor shows what is missing, and the SQL for it',
    })
  }

  /** The row, for whoever has the seat's lock. Makes the schema if it is missing. @param deadline On the clock of `elapsed`. */
  async patient(deadline: number): Promise<Look> {
    for (;;) {
      const look = await this.until(deadline)
      if (look !== undefined) return look
      await this.#parts.registry.migrate()
    }
  }

  /** Looks again while the database is out of reach. @param deadline On the clock of `elapsed`. */
  async until(deadline: number): Promise<Look | undefined> {
    const { time } = this.#parts
    for (let pause = pauses(50, 4000); ;) {
      try {
        return await this.now()
      } catch (error) {
        if (!(error instanceof StoreUnreachable)) throw error
        // Begin every observation anew, because perhaps no host could reach the database.
        await this.remember((known) => ({ ...known, observed: null }))
        const left = deadline - time.elapsed()
        if (left <= 0) throw error
        await time.sleep(Math.min(pause.next().value, left))
      }
    }
  }

  /**
   * What was seen, by this machine's clocks. Looks again where this process stood still meanwhile: its clock tells
   * nothing about the database's then.
   *
   * @param sent When the database was asked.
   */
  async localized(seen: Seen, sent: ClockReading): Promise<Look> {
    const { time, registry } = this.#parts
    let at = time.clock()
    while (secondsSince(sent, at) > PROMPT) {
      sent = at
      seen = (await registry.look()) ?? seen
      at = time.clock()
    }
    const look = localized(seen, at)
    if (look.set === undefined) return look
    this.#latest ??= await this.#parts.memory.load()
    return { ...look, set: withOwnAge(look.set, this.#latest) }
  }

  /** The seat's memory of the row. */
  async known(): Promise<Remembered> {
    this.#latest = await this.#parts.memory.load()
    return this.#mine(this.#latest)
  }

  /** Remembers a look under the seat's lock, and observes another seat's lease by it. */
  async observed({ seen, set, at }: Look): Promise<Remembered> {
    const { memory, registry } = this.#parts
    const change = (before: Remembered): Remembered => {
      const mine = this.#mine(before)
      const after = afterLook(mine, seen, set, at, registry.name)
      return { ...after, observed: observe(mine, seen, this.#steady(at)) }
    }
    const before = await memory.load()
    const after = change(before)
    this.#latest = after
    if (isNews(before, after, at)) await memory.change(change)
    return after
  }

  /** Whether nobody else can have the lease. A dead process of this host needs no wait: the seat's lock was free. */
  mayTake({ seat, observed }: Remembered, { seen, at }: Look): boolean {
    const { lease } = seen
    if (lease.seat === null || lease.seat === seat) return true
    return observed !== null && observed.term === lease.term && hasEnded(observed, lease, this.#steady(at))
  }

  /** A seat whose disk cannot be written costs nobody a token: the database is asked at each call then. */
  async remember(change: (known: Remembered) => Remembered): Promise<void> {
    const { memory, seat } = this.#parts
    try {
      if ((await memory.change(change)) !== undefined) return
      await seat.exclusive(
        async () => {
          await memory.create()
          await memory.change(change)
        },
        0,
        () => Promise.resolve(undefined),
      )
    } catch {
      // As said above.
    }
  }

  /** Forgets the set of another URL, because only a look can show that both lead to one database. */
  #mine(known: Remembered): Remembered {
    const { name } = this.#parts.registry
    return known.place === null || known.place === name ? known : { ...known, set: undefined, observed: null }
  }

  /** Where the system does not name its boots only this process's own clock never jumps. */
  #steady(at: ClockReading): ClockReading {
    if (at.boot !== null) return at
    return { ...at, boot: this.#observer, uptime: Math.floor(this.#parts.time.elapsed() / 1000) }
  }
}
