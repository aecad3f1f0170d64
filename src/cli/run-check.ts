// Runs `check` as `plain.ts` has read it, with as little loaded as that takes: monitoring systems run it each minute.
import { check, reportUnknown } from './commands/check/check.js'
import type { PlainCheck } from './plain.js'
import type { GlobalOptions } from './terminal/output.js'
import { worldOnDemand, type Given, type World } from './world.js'

/** Ends the process with the exit code. */
export function main({ options, flags }: PlainCheck, given: Given): Promise<never> {
  const world = worldOnDemand(given)
  // The answer has no reader once the process that has asked is gone.
  if (flags.look === true) world.stdin.resume().once('end', () => process.exit())
  const work = (): Promise<number> =>
    check(world, options, flags).catch((error: unknown) => reportUnknown(error, world, options))
  return alone(world, work, options)
}

/** Runs a check and ends the process, with nothing on standard error and no exit code of Node's. */
export async function alone(
  world: World,
  work: () => Promise<number>,
  options: GlobalOptions = {},
): Promise<never> {
  world.muteErrors()
  process.on('uncaughtException', (error) => {
    void reportUnknown(error, world, options).then((code) => process.exit(code))
  })
  // At once: a look that was given up may still go on.
  process.exit(await work())
}
