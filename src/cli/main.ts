// The command line behind the warm path: a plain `get` in full, or commander's program. Prints only by its commands
// and `report`.
import { Exit, type ExitCode } from '../core/errors.js'
import { answerOf, handOut } from './commands/get/get.js'
import type { PlainGet } from './plain.js'
import { report } from './report.js'
import { inSession } from './session.js'
import { letGo, realWorld, type Given, type World } from './world.js'

/**
 * Runs what the warm path did not answer.
 *
 * @returns The exit code.
 */
export async function main(
  argv: readonly string[],
  plain: PlainGet | undefined,
  given: Given,
): Promise<number> {
  const world = realWorld(given)
  return plain === undefined ? (await import('./program.js')).run(argv, world) : runPlain(plain, world)
}

/** Writes the rest of the warm path's answer, which standard output did not take at once. */
export function handOutPlain(answer: Uint8Array, plain: PlainGet, given: Given): Promise<ExitCode> {
  const world = realWorld(given)
  return reported(plain, world, () => handOut(answer, plain.flags, world))
}

/** Runs a plain `get` as commander would, without the time that commander takes to load. */
export function runPlain(plain: PlainGet, world: World): Promise<ExitCode> {
  return reported(plain, world, async () => {
    await inSession(world, plain.options, async (session) => {
      const answer = await answerOf(session, plain.flags)
      letGo(world)
      await handOut(answer, plain.flags, world)
    })
  })
}

async function reported({ options }: PlainGet, world: World, work: () => Promise<void>): Promise<ExitCode> {
  try {
    await work()
    return Exit.ok
  } catch (error) {
    letGo(world)
    return report(error, world, options)
  }
}
