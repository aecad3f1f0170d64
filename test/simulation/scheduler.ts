// The simulated time of one world: steps that happen one after the other, each in the clocks of its process. A step is
// whatever a port does, and it settles only here, so a schedule is its seed.
import { drawsFrom } from '../support/draws.js'

/** What a step happens in: a process, whose code runs on when the step settles. */
export interface Owner {
  readonly name: string
  /** False once it was killed: nothing of it happens any more. */
  readonly isAlive: boolean
  /** True time until which it stands still. */
  readonly stoppedUntil: number
  /** Milliseconds on its host's monotonic clock. */
  elapsed(): number
}

interface Step {
  readonly at: number
  readonly order: number
  readonly label: string
  readonly owner: Owner | undefined
  readonly run: () => void
}

/** A property that did not hold. */
export class Violation extends Error {}

/** The world whose code runs at this moment; `performance` and `Math.random` are its own then. */
let running: { readonly owner: Owner | undefined; readonly scheduler: Scheduler } | undefined

export class Scheduler {
  /** Milliseconds of true time since the world began. */
  now = 0
  steps = 0
  /** The first property that did not hold. */
  violation: Violation | undefined
  readonly draw: () => number
  readonly trace: string[] | undefined
  #order = 0
  #pending: Step[] = []

  /** @param isTraced Whether the steps are written down. */
  constructor(seed: number, isTraced: boolean) {
    this.draw = drawsFrom(seed)
    this.trace = isTraced ? [] : undefined
  }

  /** A whole number from 0 to below `count`. */
  below(count: number): number {
    return Math.floor(this.draw() * count)
  }

  pick<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)] as T
  }

  chance(probability: number): boolean {
    return this.draw() < probability
  }

  /** A number between two, as likely near the one as near the other by their orders of magnitude. */
  between(least: number, most: number): number {
    return least * (most / least) ** this.draw()
  }

  /** Lets something happen later. With an owner it happens only while that is alive, and waits while it stands still. */
  after(ms: number, label: string, owner: Owner | undefined, run: () => void): void {
    this.#pending.push({ at: this.now + ms, order: this.#order++, label, owner, run })
  }

  /** A property does not hold. Whoever finds it may be called by code that catches what is thrown. */
  fail(what: string): void {
    this.violation ??= new Violation(what)
  }

  note(what: string, owner?: Owner): void {
    this.trace?.push(`${(this.now / 1000).toFixed(3).padStart(10)} ${(owner?.name ?? '').padEnd(8)} ${what}`)
  }

  /** Runs until nothing is left, or `isOver` says so. */
  run(isOver: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const turn = (): void => {
        try {
          if (this.violation !== undefined) throw this.violation
          if (isOver() || !this.#step()) {
            running = undefined
            resolve()
          } else {
            // What the step has settled runs on before the next one.
            setImmediate(turn)
          }
        } catch (error) {
          running = undefined
          reject(error instanceof Error ? error : new Error(String(error)))
        }
      }
      setImmediate(turn)
    })
  }

  #step(): boolean {
    for (;;) {
      const step = this.#next()
      if (step === undefined) return false
      const { owner } = step
      if (owner?.isAlive === false) continue
      this.now = Math.max(this.now, step.at)
      if (owner !== undefined && owner.stoppedUntil > this.now) {
        this.#pending.push({ ...step, at: owner.stoppedUntil })
        continue
      }
      this.steps++
      running = { owner, scheduler: this }
      if (step.label !== '') this.note(step.label, owner)
      step.run()
      return true
    }
  }

  #next(): Step | undefined {
    const pending = this.#pending
    let first = 0
    for (let index = 1; index < pending.length; index++) {
      const [one, other] = [pending[index], pending[first]]
      if (one === undefined || other === undefined) break
      if (one.at < other.at || (one.at === other.at && one.order < other.order)) first = index
    }
    const step = pending[first]
    const last = pending.pop()
    if (last !== undefined && last !== step) pending[first] = last
    return step
  }
}

/** Puts simulated clocks and draws under the code that asks the machine for them. @returns The function that ends it. */
export function simulateTime(): () => void {
  const now = performance.now.bind(performance)
  const { random } = Math
  performance.now = () => running?.owner?.elapsed() ?? now()
  Math.random = () => running?.scheduler.draw() ?? random()
  return () => {
    performance.now = now
    Math.random = random
  }
}
