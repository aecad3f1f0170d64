// The command line of `hq-token exec`: its options, their types and its help. Loads what does the work when it runs.
import { type Command, Option } from 'commander'
import { seconds } from '../../arguments.js'
import type { Edge } from '../../edge.js'

export interface ExecOptions {
  /** Seconds. */
  readonly minValid?: number
  readonly tokenFile?: boolean
}

const HELP = `
Ends as the command does; with 126 if the command cannot be executed, with 127 if there is no such command. The
command does not get the variables of hq-token that hold a secret (HQ_TOKEN_CLIENT_SECRET).

  hq-token exec -- ./export-sites.py --since yesterday
  hq-token exec --token-file -- ./daemon`

/** Adds `exec`: to run a command with the token. */
export function command(root: Command, { exitWith, world }: Edge): void {
  root
    .command('exec')
    .usage('[options] -- <command> [arguments...]')
    .argument('<command...>', 'what to run, and its arguments')
    .description('run a command with the token in its environment: HQ_TOKEN, HQ_TOKEN_EXPIRES_AT')
    .addOption(
      new Option(
        '-t, --min-valid <duration>',
        'how long the token must still live (plain numbers are seconds)',
      ).argParser(seconds),
    )
    .option(
      '--token-file',
      'also keep a fresh token in a file while the command runs; HQ_TOKEN_FILE names the file',
    )
    // Commander's own is looked for behind an unknown option too, among what is the command's.
    .helpOption(false)
    .option('-h, --help', 'print help')
    .on('option:help', function (this: Command) {
      this.help()
    })
    .addHelpText('after', HELP)
    .action(async (command: readonly string[], options: ExecOptions) => {
      const { exec } = await import('./exec.js')
      exitWith(await exec(world, root.opts(), command, options))
    })
}
