// The command line behind the warm path: commander's program. Loaded for all that `plain.ts` leaves to commander.
import { run } from './program.js'
import { realWorld, type Given } from './world.js'

/** @returns The exit code. */
export function main(argv: readonly string[], given: Given): Promise<number> {
  return run(argv, realWorld(given))
}
