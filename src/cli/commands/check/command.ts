// The command line of `hq-token check`: its options, their types and its help. Loads what does the work when it runs.
import { type Command } from 'commander'
import { optionOf } from '../../arguments.js'
import type { Edge } from '../../edge.js'
import { checkOptions, type CheckFlags } from './options.js'

const HELP = `
Ends with 0 OK, 1 WARNING, 2 CRITICAL or 3 UNKNOWN, for wrong usage and bugs too. Standard error stays empty.
Without --notify and --prometheus it makes and sends nothing, takes no lock, and runs no command for a secret.

A RANGE is [@]START:END, as of the Monitoring Plugins; its numbers are seconds, or durations such as 14d. It
alerts outside: 14d: below 14 days, but 14d (the same as 0:14d) above them. With @ it alerts inside: @0:3d.

  hq-token check
  hq-token --profile acme check -w 30d: -c 7d:
  hq-token check --all --prometheus /var/lib/node_exporter/hq-token.prom`

/** Adds `check`: a plugin for monitoring systems. */
export function command(root: Command, { world, exitWith, reportAs }: Edge): void {
  reportAs('check', async (error) => (await import('./check.js')).reportUnknown(error, world, root.opts()))
  const check = root
    .command('check')
    .description('say in one line, and by the exit code, how the token set stands: for Nagios and others')
    .addHelpText('after', HELP)
    .action(async (flags: CheckFlags) => {
      const work = await import('./check.js')
      exitWith(await work.check(world, root.opts(), flags))
    })
  for (const row of checkOptions) check.addOption(optionOf(row))
}
