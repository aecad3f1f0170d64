// Runs schedules, many at a time: while the code of one world runs on, no other does.
import { simulateTime } from './scheduler.js'
import { runShared } from './shared-world.js'
import type { FaultOptions } from './faults.js'

/** What a schedule came to. */
export interface Outcome {
  readonly seed: number
  /** What did not hold. */
  readonly violation: string | undefined
  readonly steps: number
  readonly requests: number
  /** How often each kind of fault has struck. */
  readonly faults: Readonly<Record<string, number>>
  /** The steps, if they were to be written down. */
  readonly trace: readonly string[] | undefined
}

/** What many schedules came to. */
export interface Summary {
  schedules: number
  steps: number
  requests: number
  faults: Record<string, number>
  violations: { readonly seed: number; readonly violation: string }[]
}

export interface WorldOptions extends FaultOptions {
  readonly isTraced?: boolean
}

/** Worlds at a time: the event loop turns once for all of them. */
const ABREAST = 16

export function nothingYet(): Summary {
  return { schedules: 0, steps: 0, requests: 0, faults: {}, violations: [] }
}

export function add(sum: Summary, { schedules, steps, requests, faults, violations }: Summary): void {
  sum.schedules += schedules
  sum.steps += steps
  sum.requests += requests
  for (const [kind, count] of Object.entries(faults)) sum.faults[kind] = (sum.faults[kind] ?? 0) + count
  sum.violations.push(...violations)
}

/** One schedule. */
export async function replay(seed: number, options: WorldOptions = {}): Promise<Outcome> {
  const end = simulateTime()
  try {
    return await runShared(seed, options)
  } finally {
    end()
  }
}

/** The schedules of `count` seeds. */
export async function simulate(from: number, count: number, options: WorldOptions = {}): Promise<Summary> {
  const end = simulateTime()
  const sum = nothingYet()
  let next = from
  const lane = async (): Promise<void> => {
    while (next < from + count) {
      const { seed, violation, steps, requests, faults } = await runShared(next++, options)
      const violations = violation === undefined ? [] : [{ seed, violation }]
      add(sum, { schedules: 1, steps, requests, faults, violations })
    }
  }
  try {
    await Promise.all(Array.from({ length: ABREAST }, lane))
  } finally {
    end()
  }
  return sum
}
