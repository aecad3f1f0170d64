// The command line of `hq-token get`: its options, their types and its help. Loads what does the work when it runs.
import { type Command } from 'commander'
import { optionOf } from '../../arguments.js'
import type { Edge } from '../../edge.js'
import { getOptions, type GetFlags } from './options.js'

const HELP = `
  token=$(hq-token get) && printf 'Authorization: Bearer %s' "$token" | curl -H @- https://acme.highq.com/acme/api/1/sites
  hq-token get --min-valid 10m --format header
  hq-token get --outfile ~/.highq-token
  printf %s "$HQ_TOKEN" | hq-token get --rejected -`

/** Adds `get`: to print a token. */
export function command(root: Command, { withSession }: Edge): void {
  const get = root
    .command('get')
    .description('print an access token that works, and nothing else, on standard output')
    .addHelpText('after', HELP)
    .action(
      withSession(async (session, flags: GetFlags) => (await import('./get.js')).get(session, flags), {
        tells: true,
      }),
    )
  for (const row of getOptions) get.addOption(optionOf(row))
}
