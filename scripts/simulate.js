// Runs simulated schedules in as many processes as there are cores: `npm run test:simulate`. Prints what was done, and the
// shortest schedule that broke a rule, step by step.
//   --schedules N   how many, at most (a million; for each guard 6,000)
//   --from N        the first seed (1)
//   --seed N        this one only, step by step
//   --guards [NAME] takes each guard out, or those whose names hold NAME, and expects schedules to find it
import { parseArgs } from 'node:util'
import { bundle } from './simulation/bundle.js'
import { findGuards } from './simulation/guards.js'
import { many, one } from './simulation/many.js'
import { work } from './simulation/worker.js'

if (process.send !== undefined) work()
else {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      schedules: { type: 'string' },
      from: { type: 'string', default: '1' },
      seed: { type: 'string' },
      guards: { type: 'boolean', default: false },
    },
  })
  process.exitCode = await run(values, positionals)
}

async function run({ schedules, from, seed, guards }, [name = '']) {
  if (guards) return findGuards(name, Number(schedules ?? 6_000))
  const file = await bundle('schedule')
  return seed === undefined
    ? many(file, Number(from), Number(schedules ?? 1_000_000))
    : one(file, Number(seed))
}
