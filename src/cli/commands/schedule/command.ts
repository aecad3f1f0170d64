// The command line of `hq-token schedule`: its options, their types and its help. Loads what does the work when it runs.
import { Argument, InvalidArgumentError, type Command, Option } from 'commander'
import { file, seconds } from '../../arguments.js'
import type { Edge } from '../../edge.js'

export const TARGETS = ['systemd', 'cron', 'launchd', 'windows'] as const
export type Target = (typeof TARGETS)[number]

/** From the seventh day on each daily run tries: seven tries in the week after. */
export const USUAL_INTERVAL = '7d'

export interface ScheduleFlags {
  readonly system?: boolean
  readonly user?: boolean
  /** As typed: a duration. */
  readonly ifOlder: string
  /** `HH:MM` */
  readonly at?: string
  readonly runAs?: string
  readonly dir?: string
  readonly force?: boolean
}

const HELP = `
Prints what runs \`hq-token refresh\` daily, and changes nothing. --dir writes the files instead. The next commands to type
go to standard error. A run refreshes only when the last refresh is older than --if-older: so a week of outages or of a
machine that is off does no harm. The time of day is the same at each run of this command, and another on each host.

systemd: for root a unit of the machine, with a user of its own; for any other user a unit of that user.
cron: a line for \`crontab -e\`. launchd: a property list of an agent, with --system of a daemon. windows: a PowerShell script.

  hq-token schedule cron
  hq-token schedule systemd --dir /etc/systemd/system
  hq-token --profile acme schedule systemd --user --at 03:30`

/** Adds `schedule`: to print what keeps the grant alive. */
export function command(root: Command, { world }: Edge): void {
  root
    .command('schedule')
    .addArgument(new Argument('<target>', 'what runs it').choices(TARGETS))
    .description('print the unit or the line that keeps the grant alive')
    .addOption(new Option('--system', 'systemd, launchd: for the machine').conflicts('user'))
    .addOption(new Option('--user', 'systemd, launchd: for the user who runs this').conflicts('runAs'))
    .addOption(
      new Option('--if-older <duration>', 'refresh only if the last refresh is older')
        .argParser(interval)
        .default(USUAL_INTERVAL),
    )
    .option(
      '--at <time>',
      'time of day, HH:MM; default: a minute of the night that fits this host',
      timeOfDay,
    )
    .option(
      '--run-as <name>',
      'the user that a unit of the machine runs as (default: hq-token; launchd: _hq-token)',
      userName,
    )
    .option('--dir <folder>', 'write the files into this folder, and print nothing', file)
    .option('--force', 'with --dir: replace files that say something else')
    .addHelpText('after', HELP)
    .action(async (target: Target, flags: ScheduleFlags) => {
      const { schedule } = await import('./schedule.js')
      await schedule(world, root.opts(), target, flags)
    })
}

function interval(text: string): string {
  if (seconds(text) <= 0) throw new InvalidArgumentError('It is more than zero, such as 7d.')
  return text
}

function timeOfDay(text: string): string {
  if (!/^(?:[01]\d|2[0-3]):[0-5]\d$/.test(text))
    throw new InvalidArgumentError('It is a time of day from 00:00 to 23:59, such as 04:17.')
  return text
}

function userName(text: string): string {
  // The names that systemd takes. None holds a character that means something to a shell.
  if (!/^[A-Za-z_][\w.-]{0,30}$/.test(text))
    throw new InvalidArgumentError(
      'It is the name of a user, such as hq-token: letters, digits, _, . and -, at most 31.',
    )
  return text
}
