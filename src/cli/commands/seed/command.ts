// The command line of `hq-token seed`: its options, their types and its help. Loads what does the work when it runs.
import { type Command } from 'commander'
import { file } from '../../arguments.js'
import type { Edge } from '../../edge.js'

export interface SeedFlags {
  readonly force?: boolean
  readonly issuedAt?: string
  readonly refresh?: boolean
}

const HELP = `
Ends with 0 also if the file was disregarded, because the store holds a token set. With --log-format json a program
reads in \`event\` what happened: seed_imported or seed_disregarded.

  hq-token seed token.ini
  hq-token seed --force --issued-at 2026-11-01T09:30:00Z token.ini
  pass show highq/token | hq-token seed -`

/** Adds `seed`: to import a first token set. */
export function command(root: Command, { withSession }: Edge): void {
  root
    .command('seed')
    .argument(
      '[file]',
      'INI file with an [AUTH] section, or - for standard input; default: [seed] file of the config',
      file,
    )
    .description('import a first token set into the store, once')
    .option('--force', 'replace the token set in the store; the replaced pair is kept as the previous one')
    .option('--issued-at <time>', 'when the tokens were issued: RFC 3339, or seconds since 1970')
    .option('--refresh', 'prove the grant at once by a refresh')
    .addHelpText('after', HELP)
    .action(
      withSession(async (session, file: string | undefined, options: SeedFlags) =>
        (await import('./seed.js')).seed(session, file, options),
      ),
    )
}
