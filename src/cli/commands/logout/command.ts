// The command line of `hq-token logout`: its options, their types and its help. Loads what does the work when it runs.
import { type Command } from 'commander'
import type { Edge } from '../../edge.js'

export interface LogoutFlags {
  readonly local?: boolean
}

const HELP = `
  hq-token logout
  hq-token logout --local`

/** Adds `logout`: to end the grant. */
export function command(root: Command, { withSession }: Edge): void {
  root
    .command('logout')
    .description('revoke the grant at the server where that can be done, then forget it')
    .option('--local', 'forget the tokens here, without asking the server')
    .addHelpText('after', HELP)
    .action(
      withSession(async (session, options: LogoutFlags) =>
        (await import('./logout.js')).logout(session, options),
      ),
    )
}
