// Opens the guard for a program, as the command line does for itself. Prints nothing: warnings become process
// warnings.
import { homedir } from 'node:os'
import type { TokenGuard } from '../core/guard.js'
import type { Notice } from '../core/ports.js'
import { printable } from '../core/printable.js'
import { machineHost } from '../platform/host.js'
import { machineClock } from '../platform/machine.js'
import type { Choice } from './open.js'

/** @category Start here */
export interface OpenGuardOptions extends Choice {
  /** The config file. Default: found as the command line finds it, `HQ_TOKEN_CONFIG` included. */
  readonly config?: string
  /**
   * Another config and another store. Default: `HQ_TOKEN_PROFILE`, else none. A profile that is given here counts
   * as typed: it wins over `HQ_TOKEN_CONFIG`, and `HQ_TOKEN_STORE` beside it is an error.
   */
  readonly profile?: string
  /** Receives the warnings. Default: each becomes a process warning (`process.emitWarning`), once for each text. */
  readonly notify?: (notice: Notice) => void
}

/**
 * The guard that the command line uses, from the same configuration and on the same store: a program
 * and the cron jobs beside it share one token set.
 *
 * @throws {ConfigInvalid} when the configuration cannot be read
 * @throws {UsageError} when `profile` is no name of a profile, or is given where `HQ_TOKEN_STORE` is set
 * @example
 * const guard = await openGuard({ profile: 'acme' })
 * const { secret } = await guard.token({ minValid: 300 })
 * @category Start here
 */
export async function openGuard({ notify = warn, ...choice }: OpenGuardOptions = {}): Promise<TokenGuard> {
  const { open } = await import('./open.js')
  const { env, platform } = process
  return open(choice, {
    ...{ env, platform, homedir, notify },
    clock: machineClock,
    host: machineHost,
    beforeSending: () => undefined,
  }).guard
}

const warned = new Set<string>()

/** Warns once for each text, because every call meets a lasting state such as a refusal. */
function warn({ level, message, hint }: Notice): void {
  if (level !== 'warning' || warned.has(message)) return
  warned.add(message)
  // Node writes the warning to standard error as it is.
  process.emitWarning(printable(hint === undefined ? message : `${message} (${hint})`), 'HqTokenWarning')
}
