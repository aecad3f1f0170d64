// The command line of `hq-token status`: its options, their types and its help. Loads what does the work when it runs.
import { type Command } from 'commander'
import { optionOf } from '../../arguments.js'
import type { Edge } from '../../edge.js'

const HELP = `
Ends with 0 in every state.

  hq-token status
  hq-token status --json
  hq-token status --all`

export interface StatusFlags {
  readonly json?: boolean
  readonly all?: boolean
  /** Prints the report or the error, for `--all` in another process. */
  readonly look?: boolean
}

/** Adds `status`: to show the token set. */
export function command(root: Command, { world, withSession }: Edge): void {
  const one = withSession(async (session, options: StatusFlags) =>
    (await import('./status.js')).status(session, options),
  )
  root
    .command('status')
    .description('show the state of the token set; changes nothing')
    .addHelpText('after', HELP)
    .option('--json', 'for programs')
    .option('--all', 'a line for each profile of the config folder')
    .addOption(
      optionOf({
        flags: '--look',
        description: 'print what was seen, for status --all in another process',
        hidden: true,
      }),
    )
    .action(async (flags: StatusFlags) => {
      if (flags.look === true) {
        await (await import('./all.js')).answerAsText(world, root.opts())
        return
      }
      if (flags.all !== true) return one(flags)
      const { statusOfAll } = await import('./all.js')
      await statusOfAll(world, root.opts(), flags)
    })
}
