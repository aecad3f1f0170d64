// The command line of `hq-token init`: its options, their types and its help. Loads what does the work when it runs.
import { type Command, Option } from 'commander'
import { AUTH_METHODS } from '../../../core/auth-method.js'
import { file } from '../../arguments.js'
import type { Edge } from '../../edge.js'

export interface InitFlags {
  readonly instance?: string
  readonly clientId?: string
  readonly clientSecret?: string
  readonly clientSecretFile?: string
  readonly clientSecretCommand?: string
  readonly redirectUri?: string
  readonly issuer?: string
  readonly tokenUrl?: string
  readonly authorizeUrl?: string
  readonly revocationUrl?: string
  readonly apiUrl?: string
  readonly scope?: string
  readonly authMethod?: string
  readonly force?: boolean
  /** Commander's name for `--no-doctor`. */
  readonly doctor?: boolean
}

const HELP = `
Asks on a terminal for what is missing; without a terminal, what is missing is an error. Then runs \`doctor\`, whose
lines go to standard error. Once the file is written, the exit code is 0, whatever doctor finds.

  hq-token init
  hq-token init --instance https://acme.highq.com/acme/ --client-id 1012 --client-secret - < FILE
  hq-token init --issuer https://login.example.com/ --client-id reports --client-secret-command 'pass show reports'`

/** Adds `init`: to write a config file. */
export function command(root: Command, { exitWith, world }: Edge): void {
  root
    .command('init')
    .description('write a config file; ask for what no option gives')
    .option('--instance <url>', 'address of the HighQ Collaborate instance')
    .option('--client-id <id>', 'client id of the API application registration')
    .option(
      '--client-secret <source>',
      '-: read it from standard input; a value here is refused, and a prompt does not show it',
    )
    .option('--client-secret-file <file>', 'the config names a file that holds the client secret', file)
    .option('--client-secret-command <command>', 'the config names a command that prints the client secret')
    .option(
      '--redirect-uri <uri>',
      'redirect URI of the registration; default: http://127.0.0.1:8765/callback',
    )
    .option(
      '--issuer <url>',
      'any other OAuth2 server: its issuer identifier, for the endpoints that no other option gives',
    )
    .option(
      '--token-url <url>',
      'its token endpoint; this and the URLs below win over what --instance or --issuer gives',
    )
    .option('--authorize-url <url>', 'its authorization endpoint')
    .option('--revocation-url <url>', 'its revocation endpoint')
    .option('--api-url <url>', 'base URL of the API, for the paths of `hq-token api`')
    .option('--scope <scopes>', 'scopes to ask for, separated by spaces')
    .addOption(
      new Option('--auth-method <method>', 'how the client authenticates at the token endpoint').choices(
        AUTH_METHODS,
      ),
    )
    .option('--force', 'replace an existing config file; the old file is kept as FILE.bak')
    .option('--no-doctor', 'do not try what was written')
    .addHelpText('after', HELP)
    .action(async (flags: InitFlags) => {
      const { init } = await import('./init.js')
      const status = await init(world, root.opts(), flags)
      if (status !== undefined) exitWith(status)
    })
}
