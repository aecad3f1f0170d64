// The command line of `hq-token refresh`: its options, their types and its help. Loads what does the work when it runs.
import { type Command, Option } from 'commander'
import { seconds } from '../../arguments.js'
import type { Edge } from '../../edge.js'

export interface RefreshOptions {
  /** Seconds. */
  readonly ifOlder?: number
  /** Accepts that the server of the grant has a new address. */
  readonly rebind?: boolean
}

const HELP = `
On a terminal it says what it did. In cron it says nothing, unless -v is given.

  hq-token refresh
  hq-token refresh --if-older 7d`

/** Adds `refresh`: to refresh now. */
export function command(root: Command, { withSession }: Edge): void {
  root
    .command('refresh')
    .description('refresh now')
    .addHelpText('after', HELP)
    .addOption(
      new Option(
        '--if-older <duration>',
        'only if the last refresh is older: the keep-alive for cron',
      ).argParser(seconds),
    )
    .addOption(
      new Option(
        '--rebind',
        'the same server has a new address: ask it there, and keep that address with the new tokens',
      ).conflicts('ifOlder'),
    )
    .action(
      withSession(async (session, options: RefreshOptions) =>
        (await import('./refresh.js')).refresh(session, options),
      ),
    )
}
