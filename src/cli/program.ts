import { Command, CommanderError, InvalidArgumentError, Option } from 'commander'
import { Exit, UsageError } from '../core/errors.js'
import type { ApiOptions } from './commands/api.js'
import type { DoctorOptions } from './commands/doctor.js'
import type { ExecOptions } from './commands/exec.js'
import type { InitFlags } from './commands/init.js'
import type { LoginFlags } from './commands/login.js'
import type { LogoutFlags } from './commands/logout.js'
import type { RefreshOptions } from './commands/refresh.js'
import type { SandboxFlags } from './commands/sandbox.js'
import type { SeedFlags } from './commands/seed.js'
import type { Session } from './context.js'
import { credentialProtocols, type CredentialOptions } from './credentials/protocols.js'
import {
  API_HELP,
  CREDENTIAL_HELP,
  DOCTOR_HELP,
  EXEC_HELP,
  EXIT_CODES,
  GET_HELP,
  INIT_HELP,
  LOGIN_HELP,
  LOGOUT_HELP,
  REFRESH_HELP,
  SANDBOX_HELP,
  SEED_HELP,
  STATUS_HELP,
} from './help.js'
import { rawField, typedField, type Field, type FileField } from './fields.js'
import {
  duration,
  getOptions,
  globalOptions,
  type GetFlags,
  type OptionRow,
  type OptionValue,
} from './options.js'
import { writeReport } from './output.js'
import { report } from './report.js'
import { packageVersion } from '../version.js'
import type { World } from './world.js'

/** Runs one command; every error ends in `report`. */
export async function run(argv: readonly string[], world: World): Promise<number> {
  const help: string[] = []
  let status: number = Exit.ok
  const root = program(
    world,
    (text) => help.push(text),
    (code) => (status = code),
  )
  try {
    try {
      await root.parseAsync(separated(argv, root), { from: 'user' })
    } catch (error) {
      if (!(error instanceof CommanderError)) throw error
      await writeReport(world.stdout, help.join(''))
    }
    return status
  } catch (error) {
    return report(error, world, root.opts())
  }
}

/**
 * The whole command line, as commander reads it; the reference in `docs/` is made from it.
 *
 * @param exitWith Told the exit code of a command that ends with another program's.
 */
export function program(
  world: World,
  write: (text: string) => void,
  exitWith: (status: number) => void,
): Command {
  const root = new Command('hq-token')
    .description('Keeps an OAuth2 token alive for unattended scripts.')
    .version(packageVersion(), '--version', 'print the version')
    .helpOption('-h, --help', 'print help')
    .helpCommand('help [command]', 'print help for a command')
    .showSuggestionAfterError(true)
    .configureHelp({ showGlobalOptions: true })
    .addHelpText('after', EXIT_CODES)
  for (const row of globalOptions) root.addOption(optionOf(row))

  const withSession =
    <Arguments extends unknown[]>(command: (session: Session, ...rest: Arguments) => Promise<unknown>) =>
    async (...rest: Arguments): Promise<void> => {
      const { inSession } = await import('./session.js')
      const status = await inSession(world, root.opts(), (session) => command(session, ...rest))
      if (typeof status === 'number') exitWith(status)
    }

  root
    .command('init')
    .description('write a config file: what is not given here is asked for')
    .option('--instance <url>', 'address of the HighQ Collaborate instance')
    .option('--client-id <id>', 'client id of the API application registration')
    .option(
      '--client-secret <source>',
      '-: take it from standard input, and from nowhere else; asked for, it is not shown',
    )
    .option('--client-secret-file <file>', 'the config names a file that holds the client secret')
    .option('--client-secret-command <command>', 'the config names a command that prints the client secret')
    .option(
      '--redirect-uri <uri>',
      'redirect URI of the registration; default: http://127.0.0.1:8765/callback',
    )
    .option(
      '--issuer <url>',
      'any other OAuth2 server: its issuer identifier, for the endpoints that nothing else here gives',
    )
    .option(
      '--token-url <url>',
      'its token endpoint; this and the URLs below win over what --instance or --issuer gives',
    )
    .option('--authorize-url <url>', 'its authorization endpoint')
    .option('--revocation-url <url>', 'its revocation endpoint')
    .option('--api-url <url>', 'what paths given to the API are relative to')
    .option('--scope <scopes>', 'scopes to ask for, separated by spaces')
    .addOption(
      new Option('--auth-method <method>', 'how the client proves itself').choices([
        'client_secret_post',
        'client_secret_basic',
        'client_secret_basic_plain',
        'none',
      ]),
    )
    .option('--force', 'replace a config file that is there; the replaced one is kept beside it, as FILE.bak')
    .option('--no-doctor', 'do not try what was written')
    .addHelpText('after', INIT_HELP)
    .action(async (flags: InitFlags) => {
      const { init } = await import('./commands/init.js')
      const status = await init(world, root.opts(), flags)
      if (status !== undefined) exitWith(status)
    })

  root
    .command('seed')
    .argument(
      '[file]',
      'INI file with an [AUTH] section, or - for standard input; default: [seed] file of the config',
    )
    .description('import a first token set into the store, once')
    .option('--force', 'replace the token set in the store; the replaced pair is kept as the previous one')
    .option('--issued-at <time>', 'when the tokens were issued: RFC 3339, or seconds since 1970')
    .option('--refresh', 'prove the grant at once by a refresh')
    .addHelpText('after', SEED_HELP)
    .action(
      withSession(async (session, file: string | undefined, options: SeedFlags) =>
        (await import('./commands/seed.js')).seed(session, file, options),
      ),
    )

  const get = root
    .command('get')
    .description('print an access token that works, and nothing else, on standard output')
    .addHelpText('after', GET_HELP)
    .action(
      withSession(async (session, flags: GetFlags) =>
        (await import('./commands/get.js')).get(session, flags),
      ),
    )
  for (const row of getOptions) get.addOption(optionOf(row))

  root
    .command('refresh')
    .description('refresh now')
    .addHelpText('after', REFRESH_HELP)
    .addOption(
      new Option(
        '--if-older <duration>',
        'only if the last refresh is older: the keep-alive for cron',
      ).argParser(seconds),
    )
    .addOption(
      new Option(
        '--rebind',
        'the same server has a new address: ask it there, and keep that address with the new tokens',
      ).conflicts('ifOlder'),
    )
    .action(
      withSession(async (session, options: RefreshOptions) =>
        (await import('./commands/refresh.js')).refresh(session, options),
      ),
    )

  const fields: (Field | FileField)[] = []
  root
    .command('api')
    .argument('<path>', 'a path below the API (1/sites), a path of the host (/acme/api/1/sites), or a URL')
    .description('call the API with the token, and once more with a new one where it refuses that')
    .option('-X, --method <method>', 'default: GET, or POST where a body is sent')
    .option(
      '-H, --header <header>',
      '"name: value"; may be repeated; without a value it is taken out',
      collect,
    )
    .addOption(
      new Option(
        '-f, --raw-field <key=value>',
        'a field of the JSON body, or of the query of a GET; may be repeated',
      ).argParser((text) => fields.push(rawField(text))),
    )
    .addOption(
      new Option(
        '-F, --field <key=value>',
        'the same; true, false, null and whole numbers are those, @FILE what it holds',
      ).argParser((text) => fields.push(typedField(text))),
    )
    .option('--input <file>', 'send this as the body; - for standard input; fields go into the query then')
    .option('-i, --include', 'print the status line and the headers too')
    .option('-o, --output <file>', 'write the answer to a file, whole or not at all')
    .addOption(
      new Option('--timeout <duration>', 'give up when nothing comes or goes for so long')
        .argParser(seconds)
        .default(60, '60s'),
    )
    .addHelpText('after', API_HELP)
    .action(
      withSession(async (session, path: string, options: Omit<ApiOptions, 'fields'>) =>
        (await import('./commands/api.js')).api(session, path, { ...options, fields }),
      ),
    )

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
    .option('--token-file', 'the token in a file too, kept fresh while the command runs: HQ_TOKEN_FILE')
    // Commander's own is looked for behind an unknown option too, among what is the command's.
    .helpOption(false)
    .option('-h, --help', 'print help')
    .on('option:help', function (this: Command) {
      this.help()
    })
    .addHelpText('after', EXEC_HELP)
    .action(async (command: readonly string[], options: ExecOptions) => {
      const { exec } = await import('./commands/exec.js')
      exitWith(await exec(world, root.opts(), command, options))
    })

  root
    .command('credential')
    .argument('[operation]', 'git: get, store or erase; bazel: get')
    .description('answer as a credential helper')
    .addOption(
      new Option('--protocol <protocol>', 'whose helper to be')
        .choices(credentialProtocols)
        .makeOptionMandatory(),
    )
    .addHelpText('after', CREDENTIAL_HELP)
    .action(async (operation: string | undefined, { protocol }: CredentialOptions) => {
      const { credential } = await import('./commands/credential.js')
      exitWith(await credential(world, root.opts(), protocol, operation))
    })

  root
    .command('login')
    .description('obtain a first token set, or a new one, with a person in a browser')
    .addOption(
      new Option('--no-browser', 'print the address to log in at, and end; finish with --complete').conflicts(
        ['complete', 'timeout'],
      ),
    )
    .addOption(
      new Option(
        '--complete <address>',
        'the address that the browser ended at, or its code; - for standard input',
      ).conflicts('timeout'),
    )
    .addOption(
      new Option('--timeout <duration>', 'how long to wait for the browser')
        .argParser(patience)
        .default(600, '10m'),
    )
    .option('--force', 'replace the token set of another client; it is kept as the previous one')
    .addHelpText('after', LOGIN_HELP)
    .action(
      withSession(async (session, options: LoginFlags) =>
        (await import('./commands/login.js')).login(session, options),
      ),
    )

  root
    .command('logout')
    .description('revoke the grant at the server where that can be done, then forget it')
    .option('--local', 'forget only')
    .addHelpText('after', LOGOUT_HELP)
    .action(
      withSession(async (session, options: LogoutFlags) =>
        (await import('./commands/logout.js')).logout(session, options),
      ),
    )

  root
    .command('status')
    .description('show how the token set stands; reads only')
    .addHelpText('after', STATUS_HELP)
    .option('--json', 'for programs')
    .action(
      withSession(async (session, options: { readonly json?: boolean }) =>
        (await import('./commands/status.js')).status(session, options),
      ),
    )

  root
    .command('doctor')
    .description('check everything that can be checked without spending anything, with what to do')
    .option('--json', 'for programs')
    .option('--online', 'call the API too, once, with the stored access token')
    .addHelpText('after', DOCTOR_HELP)
    .action(async (options: DoctorOptions) => {
      const { doctor } = await import('./commands/doctor.js')
      exitWith(await doctor(world, root.opts(), options))
    })

  root
    .command('sandbox')
    .description('a local stand-in for HighQ, to try everything and to test scripts against expiry')
    .addHelpText('after', SANDBOX_HELP)
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
      new Option('--latency <duration>', 'answer the token endpoint this late')
        .argParser(milliseconds)
        .default(0, '0s'),
    )
    .addOption(
      new Option('--grace <duration>', 'how long a replaced refresh token is still taken')
        .argParser(milliseconds)
        .default(0, '0s'),
    )
    .option(
      '--fault <name[:count]>',
      'fail so (COUNT times); may be repeated; `--fault list` names them',
      collect,
    )
    .option(
      '--dir <folder>',
      'where to write config.ini and token.ini; default: a temporary folder, removed at the end',
    )
    .action(async (flags: SandboxFlags) =>
      (await import('./commands/sandbox.js')).sandbox(world, root.opts(), flags),
    )

  for (const command of [root, ...root.commands]) {
    command
      .exitOverride((error) => {
        throw error.exitCode === 0 ? error : usage(error, command)
      })
      // Help goes to stdout by the one writer that notices a closed pipe; errors are the catch's.
      .configureOutput({ writeOut: write, writeErr: () => undefined, outputError: () => undefined })
  }
  return root
}

/** `exec CMD --flag` as `exec -- CMD --flag`: what comes after a command to run is all its own. */
function separated(argv: readonly string[], root: Command): readonly string[] {
  let known: Command = root
  for (let at = 0; at < argv.length; at++) {
    const argument = argv[at] ?? ''
    if (argument === '--') return argv
    if (argument.startsWith('-')) {
      // In `-vt 5m` the last one takes the value.
      const names = /^-\w+$/.test(argument) ? [argument, `-${argument.slice(-1)}`] : [argument]
      const option = [...root.options, ...known.options].find(({ short = '', long = '' }) =>
        names.some((name) => name === short || name === long),
      )
      if (option?.required === true) at++
    } else if (known !== root) return [...argv.slice(0, at), '--', ...argv.slice(at)]
    else if (argument === 'exec') known = root.commands.find((one) => one.name() === argument) ?? root
    else return argv
  }
  return argv
}

/** Commander's complaint in our words. */
function usage(error: CommanderError, command: Command): UsageError {
  const help = `hq-token ${command.parent === null ? '' : `${command.name()} `}--help`
  if (error.code === 'commander.help') {
    const [, asked] = command.args
    return new UsageError(asked === undefined ? 'no command given' : `there is no command ${asked}`, {
      hint: help,
    })
  }
  const [message = '', close] = error.message.replace(/^error: /, '').split('\n')
  const known = meant(message, command)
  const suggestion = known === undefined ? close?.replace(/[()]/g, '') : `Did you mean ${known}?`
  return new UsageError(message, {
    hint: suggestion === undefined ? help : `${suggestion} See: ${help}`,
  })
}

/** What users of other programs write, and what it is called here; by command, and for all. */
const MEANT: Readonly<Record<string, string | Readonly<Record<string, string>>>> = {
  '-V': '--version',
  '--json': { get: '--format json', '': '--log-format json' },
  '--format': { status: '--json', doctor: '--json', '': '--log-format' },
  '--output': { get: '--outfile' },
  '-o': { get: '--outfile' },
  '--data': { api: '--input FILE, or -f KEY=VALUE' },
  '-d': { api: '--input FILE, or -f KEY=VALUE' },
  version: '--version',
  import: 'seed',
  run: 'exec',
  token: 'get',
}

function meant(message: string, command: Command): string | undefined {
  const word = /^unknown (?:option|command) '([^'=]+)(?:=[^']*)?'/.exec(message)?.[1]
  const found = word === undefined || !Object.hasOwn(MEANT, word) ? undefined : MEANT[word]
  if (typeof found !== 'object') return found
  return found[command.parent === null ? '' : command.name()] ?? found['']
}

function optionOf({ flags, description, choices, value, default: usual, hidden }: OptionRow): Option {
  const option = new Option(flags, description)
  if (choices !== undefined) option.choices(choices)
  if (value !== undefined) option.argParser((text) => read(value, text))
  if (usual !== undefined) option.default(usual)
  return hidden === true ? option.hideHelp() : option
}

function read(value: OptionValue, text: string): number {
  const found = value.read(text)
  if (found === undefined) throw new InvalidArgumentError(value.otherwise)
  return found
}

function seconds(text: string): number {
  return read(duration, text)
}

/** As long as the server's code may be good. */
function patience(text: string): number {
  const found = seconds(text)
  if (found <= 0 || found > 1800)
    throw new InvalidArgumentError('A login may take up to 30m, and more than nothing.')
  return found
}

function milliseconds(text: string): number {
  const found = /^(\d+)ms$/.exec(text)?.[1]
  return found === undefined ? seconds(text) * 1000 : Number(found)
}

function port(text: string): number {
  const found = Number(text)
  if (!/^\d+$/.test(text) || found > 65_535)
    throw new InvalidArgumentError('A port is a number from 0 to 65535.')
  return found
}

function collect(text: string, before: readonly string[] = []): readonly string[] {
  return [...before, text]
}
