// The command line of `hq-token history`: its options, their types and its help. Loads what does the work when it runs.
import { InvalidArgumentError, Option, type Command } from 'commander'
import type { Edge } from '../../edge.js'

export interface HistoryFlags {
  /** 0 for all. */
  readonly limit: number
  readonly since?: string
  readonly json?: boolean
  /** A file, or `-`. */
  readonly compare?: string
}

const HELP = `
Ends with 0 also where there is nothing yet. Shows fingerprints and never a token: the first 12 hex digits of its SHA-256.
A store keeps its last 512 events.

  hq-token history --since 7d
  hq-token history --json --limit 0
  ssh other hq-token history --json --limit 0 | hq-token history --compare -`

/** Adds `history`: to show what happened. */
export function command(root: Command, { withSession }: Edge): void {
  root
    .command('history')
    .description('show what happened to the token set, newest first; changes nothing')
    .addOption(
      new Option('--limit <number>', 'how many events to show at most; 0 for all')
        .argParser(count)
        .default(20),
    )
    .option('--since <time>', 'no older ones: a duration (7d), RFC 3339, or seconds since 1970')
    .option('--json', 'for programs')
    .addOption(
      new Option(
        '--compare <file>',
        'tell whether the store of this history --json is a copy, and which of the two spent what; - for standard input',
      ).conflicts(['limit', 'since']),
    )
    .addHelpText('after', HELP)
    .action(
      withSession(async (session, options: HistoryFlags) => {
        if (options.compare === undefined) return (await import('./history.js')).history(session, options)
        return (await import('./compare.js')).compare(session, options.compare, options.json === true)
      }),
    )
}

function count(text: string): number {
  const found = /^\d+$/.test(text) ? Number(text) : NaN
  if (!Number.isSafeInteger(found)) throw new InvalidArgumentError('A number of events, or 0 for all.')
  return found
}
