// The command line of `hq-token login`: its options, their types and its help. Loads what does the work when it runs.
import { InvalidArgumentError, type Command, Option } from 'commander'
import { seconds } from '../../arguments.js'
import type { Edge } from '../../edge.js'

export interface LoginFlags {
  /** Commander's name for `--no-browser`. */
  readonly browser: boolean
  /** The address that the browser came back with, or `-`. */
  readonly complete?: string
  /** Seconds to wait for the browser. */
  readonly timeout: number
  /** Replace the set of another client. */
  readonly force?: boolean
}

const HELP = `
With a redirect URI of this machine, the browser comes back by itself. With any other, or with no browser here, log in
in two steps: --no-browser, then --complete.

  hq-token login
  hq-token login --no-browser
  hq-token login --complete -`

/** Adds `login`: to log in in a browser. */
export function command(root: Command, { withSession }: Edge): void {
  root
    .command('login')
    .description('obtain a first token set, or a new one, with a person in a browser')
    .addOption(
      new Option('--no-browser', 'print the address to log in at, and end; finish with --complete').conflicts(
        ['complete', 'timeout'],
      ),
    )
    .addOption(
      new Option(
        '--complete <address>',
        'the address that the browser ended at, or its code; - for standard input',
      ).conflicts('timeout'),
    )
    .addOption(
      new Option('--timeout <duration>', 'how long to wait for the browser')
        .argParser(patience)
        .default(600, '10m'),
    )
    .option('--force', 'replace the token set of another client; it is kept as the previous one')
    .addHelpText('after', HELP)
    .action(
      withSession(async (session, options: LoginFlags) =>
        (await import('./login.js')).login(session, options),
      ),
    )
}

/** Reads the time limit: at most as long as the server's code may be good. */
function patience(text: string): number {
  const found = seconds(text)
  if (found <= 0 || found > 1800)
    throw new InvalidArgumentError('The time for a login is more than zero and at most 30m.')
  return found
}
