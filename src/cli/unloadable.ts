// The words for a program that cannot be loaded whole. May need nothing that is not loaded yet.
import { writeSync } from 'node:fs'
import { noMoreFiles } from '../platform/errno.js'
import { commandName } from './command-name.js'

/** The exit code of a monitoring plugin that knows nothing. */
const UNKNOWN = 3

/**
 * Says why the program could not be loaded.
 *
 * @returns The exit code.
 */
export function unloadable(error: unknown, argv: readonly string[]): number {
  const known = noMoreFiles(error)
  const message = known?.message ?? `hq-token cannot be loaded: ${named(error)}`
  const hint = known?.hint ?? 'install it again: npm install -g hq-token'
  if (commandName(argv.slice(2)) === 'check') {
    try {
      writeSync(1, `HQ_TOKEN UNKNOWN - ${message}: ${hint}\n`)
    } catch {
      // The exit code tells, because nobody reads standard output.
    }
    return UNKNOWN
  }
  const isJson = /--log-format[= ]json/.test(argv.join(' '))
  const told = {
    time: new Date().toISOString(),
    level: 'error',
    ...(known !== undefined && { code: known.code }),
    message,
    hint,
  }
  try {
    writeSync(
      2,
      isJson ? `${JSON.stringify(told)}\n` : `hq-token: error: ${message}\nhq-token: hint: ${hint}\n`,
    )
  } catch {
    // The exit code tells, because nobody reads standard error.
  }
  return known?.exit ?? 1
}

/** Name and code only, because the message of a foreign error may quote what it choked on. */
function named(error: unknown): string {
  if (!(error instanceof Error)) return typeof error
  return 'code' in error ? `${error.name} (${String(error.code)})` : error.name
}
