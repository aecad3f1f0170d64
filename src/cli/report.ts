// Turns the error of a command into words on stderr and an exit code. Knows no command.
import { Exit, type ExitCode } from '../core/errors.js'
import { isReaderGone, voice, type GlobalOptions } from './terminal/output.js'
import { foreseen } from '../platform/errno.js'
import type { World } from './world.js'

/** The one catch of a command. (`unloadable.ts` reports a program that cannot be loaded.) */
export function report(error: unknown, world: World, options: GlobalOptions = {}): ExitCode {
  const speaker = voice(world, options)
  const known = foreseen(error)
  if (known !== undefined) {
    if (!isReaderGone(known) || options.verbose === true) speaker.error(known)
    return known.exit
  }
  speaker.bug(error)
  return Exit.bug
}
