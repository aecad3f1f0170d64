// The command line of `hq-token refresh`: its options, their types and its help. Loads what does the work when it runs.
import { type Command } from 'commander'
import { optionOf } from '../../arguments.js'
import type { Edge } from '../../edge.js'
import { refreshOptions, type RefreshFlags } from './options.js'

const HELP = `
On a terminal it says what it did. In cron it says nothing where all is well, unless -v is given. cron mails each line
on standard error: --quiet says nothing of an outage (75) either, and all of any other failure.
\`hq-token schedule\` prints the unit or the line that runs it daily.

  hq-token refresh
  hq-token refresh --if-older 7d
  hq-token refresh --if-older 7d --quiet`

/** Adds `refresh`: to refresh now. */
export function command(root: Command, { exitWith, world }: Edge): void {
  const refresh = root
    .command('refresh')
    .description('refresh now')
    .addHelpText('after', HELP)
    .action(async (flags: RefreshFlags) => {
      const { runPlain } = await import('../../run-plain.js')
      exitWith(await runPlain({ name: 'refresh', options: root.opts(), flags }, world))
    })
  for (const row of refreshOptions) refresh.addOption(optionOf(row))
}
