import type { ClockReading } from '../../src/core/clock.js'
import type { Time } from '../../src/store/postgres/lease.js'
import { ISSUED } from './token-sets.js'

/** The clocks and timers of one host, which go on only where a test lets them. */
export class HostTime implements Time {
  #passed = 0
  /** Seconds that this host's wall clock is ahead. */
  ahead = 0
  readonly #boot: string
  readonly #timers = new Set<{ readonly ms: number; next: number; readonly work: () => void }>()

  readonly #begin: () => number

  /** @param begin Epoch seconds, before any time has passed. */
  constructor(boot = 'boot-1', begin = () => ISSUED) {
    this.#boot = boot
    this.#begin = begin
  }

  readonly clock = (): ClockReading => ({
    now: this.#begin() + this.ahead + Math.floor(this.#passed / 1000),
    boot: this.#boot,
    uptime: 1000 + Math.floor(this.#passed / 1000),
  })

  readonly elapsed = (): number => performance.now() + this.#passed

  readonly sleep = async (ms: number): Promise<void> => {
    await this.pass(ms)
  }

  readonly every = (ms: number, work: () => void): (() => void) => {
    const timer = { ms, next: this.#passed + ms, work }
    this.#timers.add(timer)
    return () => this.#timers.delete(timer)
  }

  /** Milliseconds go by, and the timers fire in them. */
  async pass(ms: number): Promise<void> {
    const end = this.#passed + ms
    for (;;) {
      const due = [...this.#timers].filter(({ next }) => next <= end).sort((a, b) => a.next - b.next)[0]
      if (due === undefined) break
      this.#passed = due.next
      due.next += due.ms
      due.work()
      // What the timer has begun is a query: let it come back.
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    this.#passed = end
  }

  /** The host is stopped, or its machine sleeps: time goes by, and no timer fires. */
  stop(ms: number): void {
    this.#passed += ms
  }
}
