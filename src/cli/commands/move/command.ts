// The command line of `hq-token move`: its options, their types and its help. Loads what does the work when it runs.
import { type Command } from 'commander'
import type { Edge } from '../../edge.js'
import type { GlobalOptions } from '../../terminal/output.js'

export interface MoveFlags {
  readonly to: string
  readonly name?: string
  readonly force?: boolean
}

const HELP = `
The old store is closed for good: every command there ends with 78 and names the key to set. If a move was cut off, the
same command finishes it; the move back to the old store, with the configuration of the new one, undoes it. A path is a
file of one host: on another host the command refuses (78) and names that host.
The password of a database comes from PGPASSWORD, ~/.pgpass, or url_password_file or url_password_command in [store].
These two keys go with url, so until that is set give them to this one command by their variables.

  hq-token move --to postgres://keeper@db.example.com/tokens
  HQ_TOKEN_STORE_URL_PASSWORD_FILE=store-password hq-token move --to postgres://keeper@db.example.com/tokens
  hq-token move --to /var/lib/hq-token/token.db`

/** Adds `move`: to take the token set to another store. */
export function command(root: Command, { world }: Edge): void {
  root
    .command('move')
    .description('take the token set from the configured store to another, without a login')
    .requiredOption('--to <store>', 'the new store: postgres://USER@HOST/DATABASE, or a file')
    .option('--name <name>', 'the row in the database (default: [store] name, else that of the profile)')
    .option('--force', 'replace a token set in the new store; it is kept as the previous one')
    .addHelpText('after', HELP)
    .action(async ({ to, name, force = false }: MoveFlags) => {
      const { inSession } = await import('../../session.js')
      const { move } = await import('./move.js')
      const options: GlobalOptions = root.opts()
      await inSession(world, { ...options, moveTo: { to, name } }, (session) => move(session, force))
    })
}
