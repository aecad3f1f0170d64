// Gives the whole thread the clock and the random numbers of a schedule while it runs.
import { performance } from 'node:perf_hooks'
import type { Scheduler } from './scheduler.js'

/** Runs `work` while `performance.now()` and `Math.random()` are the schedule's. */
export async function inVirtualTime<T>(
  scheduler: Scheduler,
  elapsed: () => number,
  work: () => Promise<T>,
): Promise<T> {
  const real = { now: Object.getOwnPropertyDescriptor(performance, 'now'), random: Math.random }
  Object.defineProperty(performance, 'now', { configurable: true, writable: true, value: elapsed })
  Math.random = scheduler.random.next
  // A stack for each expected failure would cost a tenth of the time; whoever reads a schedule has asked for its steps.
  const limit = Error.stackTraceLimit
  if (scheduler.trace === undefined) Error.stackTraceLimit = 0
  try {
    return await work()
  } finally {
    if (real.now === undefined) Reflect.deleteProperty(performance, 'now')
    else Object.defineProperty(performance, 'now', real.now)
    Math.random = real.random
    Error.stackTraceLimit = limit
  }
}
