// The command line of `hq-token exec`: its options, their types and its help. Loads what does the work when it runs.
import { type Command } from 'commander'
import { optionOf } from '../../arguments.js'
import type { Edge } from '../../edge.js'
import { execOptions, type ExecFlags } from './options.js'

const HELP = `
Ends as the command does; with 126 if the command cannot be executed, with 127 if there is no such command. The
command does not get the variables of hq-token that hold a secret (HQ_TOKEN_CLIENT_SECRET).

  hq-token exec -- ./export-sites.py --since yesterday
  hq-token exec --token-file -- ./daemon`

/** Adds `exec`: to run a command with the token. */
export function command(root: Command, { exitWith, tells, world }: Edge): void {
  const exec = root
    .command('exec')
    .usage('[options] -- <command> [arguments...]')
    .argument('<command...>', 'what to run, and its arguments')
    .description('run a command with the token in its environment: HQ_TOKEN, HQ_TOKEN_EXPIRES_AT')
  for (const row of execOptions) exec.addOption(optionOf(row))
  exec
    // Commander's own is looked for behind an unknown option too, among what is the command's.
    .helpOption(false)
    .option('-h, --help', 'print help')
    .on('option:help', function (this: Command) {
      this.help()
    })
    .addHelpText('after', HELP)
    .action(async (command: readonly string[], flags: ExecFlags) => {
      exitWith(await (await import('./exec.js')).exec(world, root.opts(), command, flags, tells))
    })
}
