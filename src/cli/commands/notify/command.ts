// The command line of `hq-token notify`: its options, their types and its help. Loads what does the work when it runs.
import { type Command } from 'commander'
import { UsageError } from '../../../core/errors.js'
import type { Edge } from '../../edge.js'

const HELP = `
Ends with 0 if each way to people that [notify] names took the message, else with 78. When people are told of
trouble: docs/monitoring.md in the repository.

  hq-token notify --test`

/** Adds `notify`: to try the configured notification. */
export function command(root: Command, { withSession }: Edge): void {
  root
    .command('notify')
    .description('try the notification that the configuration names')
    .option('--test', 'send a test message now, by each way')
    .addHelpText('after', HELP)
    .action(
      withSession(async (session, { test }: { readonly test?: boolean }) => {
        if (test !== true)
          throw new UsageError('notify only tries the notification: people are told of trouble by itself', {
            hint: 'hq-token notify --test',
          })
        return (await import('./notify.js')).notify(session)
      }),
    )
}
