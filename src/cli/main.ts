// The command line behind the warm path: commander's program. Loaded for all that `plain.ts` leaves to commander.
import { commandName } from './command-name.js'
import { run } from './program.js'
import { realWorld, type Given } from './world.js'

/** @returns The exit code. */
export async function main(argv: readonly string[], given: Given): Promise<number> {
  const world = realWorld(given)
  if (commandName(argv) !== 'check') return run(argv, world)
  world.muteErrors()
  // At once: a look that was given up may still go on.
  process.exit(await run(argv, world))
}
