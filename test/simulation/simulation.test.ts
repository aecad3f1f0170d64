import { describe, expect, it } from 'vitest'
import { FAULTS, LOCAL_FAULTS, SHARED_FAULTS, STATEMENT_FATES } from './plan.js'
import { ofRequest, ofStatement } from './faults.js'
import { FATES } from './token-server.js'
import { schedule } from './schedule.js'

/** Schedules of each protocol: an even seed is for one machine, an odd one for a fleet. */
const MANY = 3000

const KINDS = [
  {
    what: 'a store in a file',
    first: 2,
    faults: [...FAULTS, ...LOCAL_FAULTS, ...FATES.map(ofRequest)],
  },
  {
    what: 'a store that hosts share',
    first: 1,
    faults: [...FAULTS, ...SHARED_FAULTS, ...FATES.map(ofRequest), ...STATEMENT_FATES.map(ofStatement)],
  },
]

describe.each(KINDS)('$what', ({ what, first, faults }) => {
  it(`${what} keeps every rule, whatever the scheduler does`, async () => {
    const counts = new Map<string, number>()
    let requests = 0
    for (let seed = first; seed < 2 * MANY; seed += 2) {
      const ended = await schedule(seed)
      // Without this a worker that is asked whether it is alive would not answer.
      if (seed % 100 < 2) await new Promise((resolve) => setImmediate(resolve))
      expect(ended.violations, `npm run test:simulate -- --seed ${seed}`).toEqual([])
      requests += ended.requests
      for (const [fault, times] of ended.faults) counts.set(fault, (counts.get(fault) ?? 0) + times)
    }
    expect(requests).toBeGreaterThan(2 * MANY)
    // Each of these was met, or nothing has been shown of it.
    for (const fault of faults) expect(counts.get(fault) ?? 0, fault).toBeGreaterThan(20)
  })
})

describe('a schedule', () => {
  it('a schedule takes the same steps each time that it is run', async () => {
    for (let seed = 1; seed <= 20; seed++) {
      const [first, second]: [string[], string[]] = [[], []]
      await schedule(seed, (line) => first.push(line))
      await schedule(seed, (line) => second.push(line))
      expect(first.length).toBeGreaterThan(50)
      expect(second).toEqual(first)
    }
  })
})
