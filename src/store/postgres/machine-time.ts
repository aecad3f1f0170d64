// This process's clocks and timers, for the lease.
import type { Clock } from '../../core/clock.js'
import { sleep } from '../pauses.js'
import type { Time } from './lease.js'

export function machineTime(clock: Clock): Time {
  return {
    clock,
    elapsed: () => performance.now(),
    sleep,
    every: (ms, work) => {
      const timer = setInterval(work, ms)
      return () => {
        clearInterval(timer)
      }
    },
  }
}
