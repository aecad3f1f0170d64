// The command line of `hq-token check`: its options, their types and its help. Loads what does the work when it runs.
import { InvalidArgumentError, Option, type Command } from 'commander'
import { range, type Range } from '../../../core/range.js'
import { seconds } from '../../arguments.js'
import type { Edge } from '../../edge.js'

export interface CheckFlags {
  readonly warning?: Range
  readonly critical?: Range
  /** Seconds, as all below. */
  readonly failingFor: number
  readonly maxAge?: number
  readonly timeout: number
  readonly prometheus?: string
  readonly all?: true
  readonly look?: true
}

const HELP = `
Ends with 0 OK, 1 WARNING, 2 CRITICAL or 3 UNKNOWN, for wrong usage and bugs too. Standard error stays empty.
It makes and sends nothing, takes no lock, and runs no command for a secret.

A RANGE is [@]START:END, as of the Monitoring Plugins; its numbers are seconds, or durations: 14d:, @0:3d.

  hq-token check
  hq-token --profile acme check -w 30d: -c 7d:
  hq-token check --all --prometheus /var/lib/node_exporter/hq-token.prom`

/** Adds `check`: a plugin for monitoring systems. */
export function command(root: Command, { world, exitWith, reportAs }: Edge): void {
  reportAs('check', async (error) => (await import('./check.js')).reportUnknown(error, world, root.opts()))
  root
    .command('check')
    .description('say in one line, and by the exit code, how the token set stands: for Nagios and others')
    .addOption(
      new Option(
        '-w, --warning <range>',
        'alert range for the time that the refresh token has left (default: 14d:, at most half of its life)',
      ).argParser(rangeOf),
    )
    .addOption(
      new Option('-c, --critical <range>', 'likewise (default: 3d:, at most a tenth of its life)').argParser(
        rangeOf,
      ),
    )
    .addOption(
      new Option('--failing-for <duration>', 'WARNING once refreshes have failed for so long')
        .argParser(seconds)
        .default(900, '15m'),
    )
    .addOption(
      new Option(
        '--max-age <duration>',
        'WARNING when the last success is older (default: 30d where the server tells no end of the refresh token)',
      ).argParser(seconds),
    )
    .addOption(
      new Option('-t, --timeout <duration>', 'give up after so long: UNKNOWN')
        .argParser(timeout)
        .default(10, '10s'),
    )
    .option(
      '--prometheus <file>',
      'also write a textfile for node_exporter; - prints the metrics, and no status line',
    )
    .option('--all', 'a line for each profile of the config folder, and first one for all of them')
    .addOption(new Option('--look', 'print what was seen, for a check in another process').hideHelp())
    .addHelpText('after', HELP)
    .action(async (flags: CheckFlags) => {
      const { check } = await import('./check.js')
      exitWith(await check(world, root.opts(), flags))
    })
}

function rangeOf(text: string): Range {
  const found = range(text)
  if (found === undefined)
    throw new InvalidArgumentError('A range is START:END, START: or END, such as 14d: or @0:3d.')
  return found
}

function timeout(text: string): number {
  const found = seconds(text)
  if (found === 0) throw new InvalidArgumentError('A time limit is at least 1s.')
  return found
}
