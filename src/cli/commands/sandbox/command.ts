// The command line of `hq-token sandbox`: its options, their types and its help. Loads what does the work when it runs.
import { InvalidArgumentError, type Command, Option } from 'commander'
import { collect, file, milliseconds, seconds } from '../../arguments.js'
import type { Edge } from '../../edge.js'

export interface SandboxFlags {
  readonly port: number
  /** Seconds. */
  readonly accessTtl: number
  readonly xml?: boolean
  /** Milliseconds. */
  readonly latency: number
  /** Milliseconds. */
  readonly grace: number
  readonly fault?: readonly string[]
  readonly dir?: string
}

const HELP = `
Ctrl-C ends it. It prints the lines to try.

  hq-token sandbox
  hq-token sandbox --dir ~/hq-try --access-ttl 5h
  hq-token sandbox --access-ttl 2m --fault 503:3
  hq-token sandbox --fault list`

/** Adds `sandbox`: to run the stand-in for HighQ. */
export function command(root: Command, { world }: Edge): void {
  root
    .command('sandbox')
    .description('a local stand-in for HighQ, to try everything and to test scripts against expiry')
    .addHelpText('after', HELP)
    .addOption(
      new Option('--port <number>', 'port on 127.0.0.1; 0 for any free one').argParser(port).default(8788),
    )
    .addOption(
      new Option('--access-ttl <duration>', 'life of its access tokens')
        .argParser(seconds)
        .default(300, '5m'),
    )
    .option('--xml', 'answer in XML whatever is asked for')
    .addOption(
      new Option('--latency <duration>', 'delay each answer of the token endpoint by this long')
        .argParser(milliseconds)
        .default(0, '0s'),
    )
    .addOption(
      new Option('--grace <duration>', 'how long a replaced refresh token is still accepted')
        .argParser(milliseconds)
        .default(0, '0s'),
    )
    .option(
      '--fault <name[:count]>',
      'fail in this way (COUNT times); may be repeated; `--fault list` names them',
      collect,
    )
    .option(
      '--dir <folder>',
      'where to write config.ini and token.ini; default: a temporary folder, removed at the end',
      file,
    )
    .action(async (flags: SandboxFlags) => (await import('./sandbox.js')).sandbox(world, root.opts(), flags))
}

function port(text: string): number {
  const found = Number(text)
  if (!/^\d+$/.test(text) || found > 65_535)
    throw new InvalidArgumentError('A port is a number from 0 to 65535.')
  return found
}
