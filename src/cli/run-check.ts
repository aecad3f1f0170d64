// Runs `check` as `plain.ts` has read it, with as little loaded as that takes: monitoring systems run it each minute.
import { check, reportUnknown } from './commands/check/check.js'
import type { PlainCheck } from './plain.js'
import { realWorld, type Given, type World } from './world.js'

/** Ends the process with the exit code. */
export function main({ options, flags }: PlainCheck, given: Given): Promise<never> {
  const world = realWorld(given)
  return alone(world, () =>
    check(world, options, flags).catch((error: unknown) => reportUnknown(error, world, options)),
  )
}

/** Runs a check and ends the process, with nothing on standard error. */
async function alone(world: World, work: () => Promise<number>): Promise<never> {
  world.muteErrors()
  // At once: a look that was given up may still go on.
  process.exit(await work())
}
