// The command line behind the warm path: commander's program. Loaded for all that `plain.ts` leaves to commander.
import { commandName } from './command-name.js'
import { run } from './program.js'
import { realWorld, type Given } from './world.js'

/** @returns The exit code. */
export async function main(argv: readonly string[], given: Given): Promise<number> {
  const world = realWorld(given)
  if (commandName(argv) !== 'check') return run(argv, world)
  const { alone } = await import('./run-check.js')
  return alone(world, () => run(argv, world))
}
