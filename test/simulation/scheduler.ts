// Runs processes on a clock of its own, in one thread: decides which of them goes on, and when. Knows no token.
import type { Random } from './random.js'

/** Something that happens at an instant. */
interface Event {
  readonly at: number
  /** Of two events at one instant, the one that was planned first comes first. */
  readonly order: number
  readonly run: () => void
}

/**
 * A queue of events. What a process waits for is an event of it, so a process goes on only when its event is the next.
 * Between two events everything that can run has run: each one is begun by `nextTick`, which comes after all promises.
 */
export class Scheduler {
  /** Milliseconds since the schedule has begun. */
  now = 0
  /** Events that have happened. */
  steps = 0
  /** The process that is running, or was the last one. */
  current: Process | undefined
  /** Writes one line for each step; missing where nobody reads it. */
  readonly trace: ((line: string) => void) | undefined
  readonly random: Random
  /** Called before each event; true ends the run. */
  before: () => boolean = () => false
  readonly #heap: Event[] = []
  #order = 0

  constructor(random: Random, trace?: (line: string) => void) {
    this.random = random
    this.trace = trace
  }

  /** @param ms Milliseconds from now. */
  after(ms: number, run: () => void): void {
    const event = { at: this.now + ms, order: this.#order++, run }
    const heap = this.#heap
    let index = heap.length
    while (index > 0) {
      const up = (index - 1) >> 1
      const parent = heap[up]
      if (parent === undefined || parent.at <= event.at) break
      heap[index] = parent
      index = up
    }
    heap[index] = event
  }

  say(who: string, what: string): void {
    this.trace?.(`${(this.now / 1000).toFixed(3).padStart(10)} ${who.padEnd(12)} ${what}`)
  }

  /** Lets events happen until none is left, or `before` ends it. Whatever they throw is thrown here. */
  run(): Promise<void> {
    return new Promise((resolve, reject) => {
      const turn = (): void => {
        try {
          const event = this.before() ? undefined : this.#next()
          if (event === undefined) {
            resolve()
            return
          }
          this.now = event.at
          this.steps++
          event.run()
        } catch (error) {
          reject(error instanceof Error ? error : new Error(String(error)))
          return
        }
        queueMicrotask(() => {
          process.nextTick(turn)
        })
      }
      turn()
    })
  }

  #next(): Event | undefined {
    const heap = this.#heap
    const [first] = heap
    const last = heap.pop()
    if (last === undefined || first === last) return first
    let index = 0
    for (;;) {
      let down = 2 * index + 1
      const left = heap[down]
      if (left === undefined) break
      const right = heap[down + 1]
      let child = left
      if (right !== undefined && isBefore(right, left)) {
        child = right
        down++
      }
      if (!isBefore(child, last)) break
      heap[index] = child
      index = down
    }
    heap[index] = last
    return first
  }
}

function isBefore(one: Event, other: Event): boolean {
  return one.at < other.at || (one.at === other.at && one.order < other.order)
}

/** A process: whatever it waits for never comes once it is dead, and comes late while it is stopped. */
export class Process {
  readonly name: string
  readonly scheduler: Scheduler
  isAlive = true
  /** Runs when it dies: the kernel takes back what it held. */
  readonly atDeath = new Set<() => void>()
  /** Dies once its next step has taken effect, before it learns of it. */
  isDoomed = false
  #parked: (() => void)[] | undefined

  constructor(name: string, scheduler: Scheduler) {
    this.name = name
    this.scheduler = scheduler
  }

  /** Lets the process go on, unless it is dead; while it is stopped, later. */
  deliver(run: () => void): void {
    if (!this.isAlive) return
    if (this.#parked !== undefined) {
      this.#parked.push(run)
      return
    }
    this.scheduler.current = this
    run()
  }

  /** Something that takes effect at an instant, `ms` milliseconds from now. */
  step<T>(name: string, ms: number, work: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      this.scheduler.after(ms, () => {
        this.deliver(() => {
          try {
            const result = work()
            this.say(name)
            if (this.isDoomed) this.kill()
            else resolve(result)
          } catch (error) {
            this.say(`${name}: ${String(error)}`)
            reject(error instanceof Error ? error : new Error(String(error)))
          }
        })
      })
    })
  }

  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.scheduler.after(Math.max(0, ms), () => {
        this.deliver(resolve)
      })
    })
  }

  /** @returns Ends it. */
  every(ms: number, work: () => void): () => void {
    let isOver = false
    const again = (): void => {
      this.scheduler.after(ms, () => {
        this.deliver(() => {
          if (isOver) return
          work()
          again()
        })
      })
    }
    again()
    return () => {
      isOver = true
    }
  }

  kill(): void {
    if (!this.isAlive) return
    this.isAlive = false
    for (const free of this.atDeath) free()
  }

  get isStopped(): boolean {
    return this.#parked !== undefined
  }

  stop(): void {
    this.#parked ??= []
  }

  /** What came meanwhile is delivered now. */
  carryOn(): void {
    const parked = this.#parked ?? []
    this.#parked = undefined
    for (const run of parked)
      this.scheduler.after(0, () => {
        this.deliver(run)
      })
  }

  say(what: string): void {
    if (this.scheduler.trace !== undefined) this.scheduler.say(this.name, what)
  }
}
