import { describe, expect, it } from 'vitest'
import { simulate } from './run.js'

/** How often each kind of fault must have struck at least, or the run has shown nothing. */
const EACH = 20

describe('hosts that share a token set, on simulated clocks, networks, disks and a simulated database', () => {
  it('hosts that share a token set keep every property in thousands of schedules', async () => {
    const { violations, faults, requests } = await simulate(1, 3_000)
    // Step by step: npm run test:simulate -- --seed N
    expect(violations).toEqual([])
    expect(requests).toBeGreaterThan(3_000)
    for (const [kind, count] of Object.entries(faults)) expect(count, kind).toBeGreaterThan(EACH)
  })
})
