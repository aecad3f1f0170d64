// Writes the line of a crontab. Pure: reads and writes nothing.
import { shellWord } from '../../../core/shell-quoting.js'
import type { Plan, Printed } from './plan.js'

/** cron has `/usr/bin:/bin`; a client_secret_command may be beside them. */
const PATH = 'PATH=/usr/local/bin:/usr/bin:/bin'

/** The most bytes of a line that cron takes. */
export const MOST = 998

export function crontab({ name, words, variables, hour, minute }: Plan): Printed {
  // The variables stand in the line, because a line of their own would hold for every job below it.
  const set = Object.entries(variables).map(([key, path]) => `${key}=${shellWord(path, 'linux')}`)
  const command = [PATH, ...set, ...words.map((word) => shellWord(word, 'linux')), '--quiet'].join(' ')
  return {
    file: `${name}.crontab`,
    folder: '',
    text: `# ${name}: keeps the grant alive. crontab -e, as the user that runs the jobs\n${minute} ${hour} * * * ${escaped(command)}\n`,
  }
}

/**
 * A `%` is a line end for cron, and `\%` is a `%`. cron takes `\\%` for a backslash and a line end, so the quotes are
 * closed and opened again between the two.
 *
 * @see crontab(5)
 */
function escaped(command: string): string {
  return command.replaceAll(/(\\?)%/g, (_, before: string) => (before === '' ? '\\%' : "\\''\\%"))
}
