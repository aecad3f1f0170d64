// The command line of `hq-token status`: its options, their types and its help. Loads what does the work when it runs.
import { type Command } from 'commander'
import type { Edge } from '../../edge.js'

const HELP = `
Ends with 0 in every state.

  hq-token status
  hq-token status --json`

/** Adds `status`: to show the token set. */
export function command(root: Command, { withSession }: Edge): void {
  root
    .command('status')
    .description('show the state of the token set; changes nothing')
    .addHelpText('after', HELP)
    .option('--json', 'for programs')
    .action(
      withSession(async (session, options: { readonly json?: boolean }) =>
        (await import('./status.js')).status(session, options),
      ),
    )
}
