// The lease on a shared row while this process holds it: how long it still lasts, and its signs of life. Decides
// nothing about tokens.
import type { ClockReading } from '../../core/clock.js'
import { StoreUnreachable } from '../../core/errors.js'
import type { Holding, Registry } from './registry.js'

/** Signs of life in one lease: three in a row may be lost. */
const BEATS = 4

/** The clocks and timers of a process; a simulation has others. */
export interface Time {
  readonly clock: () => ClockReading
  /** Milliseconds on a clock that never jumps, but may stand still while the machine sleeps. */
  readonly elapsed: () => number
  readonly sleep: (ms: number) => Promise<void>
  /** Calls `work` again and again, until the function that it returns is called. */
  readonly every: (ms: number, work: () => void) => () => void
}

/** An instant by all clocks. */
interface Instant {
  readonly elapsed: number
  readonly reading: ClockReading
}

export function instant({ clock, elapsed }: Time): Instant {
  return { elapsed: elapsed(), reading: clock() }
}

/**
 * Milliseconds since an instant, by the clock by which most have passed: the one that never jumps stands still while
 * the machine sleeps, and the two others count whole seconds.
 */
export function since({ elapsed, reading }: Instant, time: Time): number {
  const now = instant(time)
  const isSameBoot = reading.boot !== null && reading.boot === now.reading.boot
  const uptime = isSameBoot ? now.reading.uptime - reading.uptime - 1 : 0
  const wall = now.reading.now - reading.now - 1
  return Math.max(now.elapsed - elapsed, uptime * 1000, wall * 1000)
}

/** A lease that this process has taken. */
export class Lease {
  readonly #registry: Registry
  readonly #time: Time
  readonly #ms: number
  #holding: Holding
  /** When the last sign of life was sent that the database has confirmed. */
  #renewed: Instant
  #isOver = false

  /** @param renewed When the statement that took the lease was sent. */
  constructor(registry: Registry, holding: Holding, ms: number, renewed: Instant, time: Time) {
    this.#registry = registry
    this.#holding = holding
    this.#ms = ms
    this.#renewed = renewed
    this.#time = time
  }

  /** A lease that was never taken. */
  static ended(registry: Registry, holder: Omit<Holding, 'term'>, ms: number, time: Time): Lease {
    const lease = new Lease(registry, { ...holder, term: 0 }, ms, instant(time), time)
    lease.end()
    return lease
  }

  get holding(): Holding {
    return this.#holding
  }

  /** Milliseconds that nobody else may take it for, by this machine's clocks; at most 0 if it is over. */
  get left(): number {
    return this.#isOver ? 0 : this.#ms - since(this.#renewed, this.#time)
  }

  /** Whether it lasts for that long; half of its length is always enough. */
  lasts(ms: number): boolean {
    return this.left >= Math.min(ms, this.#ms / 2)
  }

  /** The database says that the lease is another's, or was given back. */
  end(): void {
    this.#isOver = true
  }

  /** It was taken again, after a pair that landed has ended it. @param renewed As in the constructor. */
  goOn(term: number, renewed: Instant): void {
    this.#holding = { ...this.#holding, term }
    this.#renewed = renewed
    this.#isOver = false
  }

  /** Gives signs of life while `work` runs. */
  async during<T>(work: () => Promise<T>): Promise<T> {
    let isBeating = false
    const stop = this.#time.every(this.#ms / BEATS, () => {
      if (isBeating || this.#isOver) return
      isBeating = true
      void this.#beat().finally(() => {
        isBeating = false
      })
    })
    try {
      return await work()
    } finally {
      stop()
    }
  }

  /** Gives the lease back. If the database does not hear of it, the lease ends by itself. */
  async release(): Promise<void> {
    if (this.#isOver) return
    this.end()
    await this.#registry.release(this.holding).catch(() => undefined)
  }

  async #beat(): Promise<void> {
    const sent = instant(this.#time)
    const { holding } = this
    let isHeld
    try {
      isHeld = await this.#registry.beat(holding)
    } catch (error) {
      // The next one may arrive; until then `left` shrinks.
      if (error instanceof StoreUnreachable) return
    }
    // It may have been taken again meanwhile.
    if (holding !== this.#holding) return
    if (isHeld === true) this.#renewed = sent
    else this.end()
  }
}
