// The command line of `hq-token refresh`: its options, their types and its help. Loads what does the work when it runs.
import { type Command } from 'commander'
import { optionOf } from '../../arguments.js'
import type { Edge } from '../../edge.js'
import { refreshOptions, type RefreshFlags } from './options.js'

const HELP = `
On a terminal it says what it did. In cron it says nothing, unless -v is given.

  hq-token refresh
  hq-token refresh --if-older 7d`

/** Adds `refresh`: to refresh now. */
export function command(root: Command, { withSession }: Edge): void {
  const refresh = root
    .command('refresh')
    .description('refresh now')
    .addHelpText('after', HELP)
    .action(
      withSession(
        async (session, flags: RefreshFlags) => (await import('./refresh.js')).refresh(session, flags),
        { tells: true },
      ),
    )
  for (const row of refreshOptions) refresh.addOption(optionOf(row))
}
