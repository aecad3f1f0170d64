// Finds a command in a command line that commander has not read. May not load commander.
import { globalOptions } from './options.js'

/** The names of all commands. */
export const COMMAND_NAMES: readonly string[] = [
  ...['init', 'seed', 'get', 'refresh', 'api', 'exec', 'credential', 'move', 'login', 'logout'],
  ...['status', 'history', 'check', 'doctor', 'notify', 'schedule', 'completion', 'sandbox'],
]

/** An option as commander writes it, and as an `OptionRow` has it. */
interface Known {
  readonly flags: string
}

/**
 * Where the first argument stands that is neither an option nor the value of one, or `--`; the length if there is none.
 *
 * @param known The options that may stand there.
 */
export function operandAt(argv: readonly string[], known: readonly Known[], from = 0): number {
  for (let at = from; at < argv.length; at++) {
    const argument = argv[at] ?? ''
    if (argument === '--' || !argument.startsWith('-')) return at
    // In `-vt 5m` the last letter takes the value.
    const names = /^-\w+$/.test(argument) ? [argument, `-${argument.slice(-1)}`] : [argument]
    const option = known.find(({ flags }) => flags.split(/[ ,]+/).some((flag) => names.includes(flag)))
    if (option?.flags.endsWith('>') === true) at++
  }
  return argv.length
}

/** The command that is asked for; `undefined` if there is none. */
export function commandName(argv: readonly string[]): string | undefined {
  const isCommand = (name: string | undefined): boolean => name !== undefined && COMMAND_NAMES.includes(name)
  const name = argv[operandAt(argv, globalOptions)]
  // In `-w 1 check` an option of the command stands before it, and `1` is its value.
  return isCommand(name) || argv[0]?.startsWith('-') !== true ? name : (argv.find(isCommand) ?? name)
}
