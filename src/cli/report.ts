import { Exit, TokenError, type ExitCode } from '../core/errors.js'
import { isReaderGone, voice, type GlobalOptions } from './output.js'
import type { World } from './world.js'

/** The one catch: here, and nowhere else, an error becomes words on stderr and an exit code. */
export function report(error: unknown, world: World, options: GlobalOptions = {}): ExitCode {
  const speaker = voice(world, options)
  if (error instanceof TokenError) {
    if (!isReaderGone(error) || options.verbose === true) speaker.error(error)
    return error.exit
  }
  speaker.bug(error)
  return Exit.bug
}
