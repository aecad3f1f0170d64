// The command line of `hq-token doctor`: its options, their types and its help. Loads what does the work when it runs.
import { type Command } from 'commander'
import type { Edge } from '../../edge.js'

export interface DoctorOptions {
  readonly json?: boolean
  readonly online?: boolean
  readonly sql?: boolean
}

const HELP = `
Ends with the exit code of the first \`fail\`, and with 0 where there are warnings only. Writes nothing.

  hq-token doctor
  hq-token doctor --online --json
  hq-token doctor --sql | psql -v ON_ERROR_STOP=1 postgres://OWNER@db.example.com/hq_token`

/** Adds `doctor`: to check everything. */
export function command(root: Command, { exitWith, world }: Edge): void {
  root
    .command('doctor')
    .description('check everything that can be checked without spending a token, and say what to do')
    .option('--json', 'for programs')
    .option('--online', 'call the API too, once, with the stored access token')
    .option('--sql', 'print the SQL for the owner of a shared database, and check nothing')
    .addHelpText('after', HELP)
    .action(async (options: DoctorOptions) => {
      const { doctor } = await import('./doctor.js')
      exitWith(await doctor(world, root.opts(), options))
    })
}
