// Puts the commands together for commander, and runs the one that is asked for. Opens nothing: commands do, by
// `withSession`.
import { Command, CommanderError } from 'commander'
import { Exit, UsageError } from '../core/errors.js'
import { optionOf } from './arguments.js'
import { commandName, operandAt } from './command-name.js'
import { commands } from './commands.js'
import type { Edge, OwnReport } from './edge.js'
import { EXIT_CODES } from './exit-codes.js'
import { globalOptions } from './options.js'
import { writeReport } from './terminal/output.js'
import { report } from './report.js'
import type { Session } from './session.js'
import { tellLast } from './tell-last.js'
import { packageVersion } from '../version.js'
import type { World } from './world.js'

/** Runs one command. Every error ends in `report`, or in the command's own report. */
export function run(argv: readonly string[], world: World): Promise<number> {
  return tellLast((tells) => runCommand(argv, world, tells))
}

async function runCommand(argv: readonly string[], world: World, tells: Edge['tells']): Promise<number> {
  const help: string[] = []
  let status: number = Exit.ok
  const reports = new Map<string, OwnReport>()
  const root = program(
    world,
    (text) => help.push(text),
    (code) => (status = code),
    tells,
    (command, report) => reports.set(command, report),
  )
  try {
    try {
      await root.parseAsync(separated(argv, root), { from: 'user' })
    } catch (error) {
      if (!(error instanceof CommanderError)) throw error
      await writeReport(world, help.join(''))
    }
    return status
  } catch (error) {
    const own = reports.get(commandName(argv) ?? '')
    return own === undefined ? report(error, world, root.opts()) : own(error)
  }
}

/**
 * The whole command line, as commander reads it. `npm run docs` makes the reference from it.
 *
 * @param exitWith Gets the exit code of a command that sets its own, or ends with another program's.
 * @param tells Gets the session of a command after which people are told of trouble.
 * @param reportAs Gets the reports of commands that have one of their own.
 */
export function program(
  world: World,
  write: (text: string) => void,
  exitWith: (status: number) => void,
  tells: (session: Session) => void = () => undefined,
  reportAs: Edge['reportAs'] = () => undefined,
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

  const withSession: Edge['withSession'] =
    (work, options) =>
    async (...rest) => {
      const { inSession } = await import('./session.js')
      const status = await inSession(
        world,
        root.opts(),
        (session) => work(session, ...rest),
        options?.tells === true ? tells : undefined,
      )
      if (typeof status === 'number') exitWith(status)
    }
  for (const command of commands) command(root, { world, exitWith, tells, reportAs, withSession })

  for (const command of [root, ...root.commands]) {
    command
      .exitOverride((error) => {
        throw error.exitCode === 0 ? error : usage(error, command)
      })
      // Help goes to stdout by `writeReport`, which notices a closed pipe. `report` writes the errors.
      .configureOutput({ writeOut: write, writeErr: () => undefined, outputError: () => undefined })
  }
  return root
}

/**
 * Reads `exec CMD --flag` as `exec -- CMD --flag`, because everything behind a command to run belongs to that
 * command.
 */
function separated(argv: readonly string[], root: Command): readonly string[] {
  const at = operandAt(argv, root.options)
  const exec = root.commands.find((one) => one.name() === 'exec')
  if (argv[at] !== 'exec' || exec === undefined) return argv
  const begin = operandAt(argv, [...root.options, ...exec.options], at + 1)
  return begin === argv.length || argv[begin] === '--'
    ? argv
    : [...argv.slice(0, begin), '--', ...argv.slice(begin)]
}

/** Puts commander's complaint into our words. */
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

/** Words that users of other programs type, and our word for each: for one command, or (under `''`) for all. */
const MEANT: Readonly<Record<string, string | Readonly<Record<string, string>>>> = {
  '-V': '--version',
  '--json': { get: '--format json', '': '--log-format json' },
  '--format': { status: '--json', doctor: '--json', history: '--json', '': '--log-format' },
  '-n': { history: '--limit' },
  '--output': { get: '--outfile' },
  '-o': { get: '--outfile' },
  '--data': { api: '--input FILE, or -f KEY=VALUE' },
  '-d': { api: '--input FILE, or -f KEY=VALUE' },
  version: '--version',
  import: 'seed',
  log: 'history',
  run: 'exec',
  token: 'get',
}

function meant(message: string, command: Command): string | undefined {
  const word = /^unknown (?:option|command) '([^'=]+)(?:=[^']*)?'/.exec(message)?.[1]
  const found = word === undefined || !Object.hasOwn(MEANT, word) ? undefined : MEANT[word]
  if (typeof found !== 'object') return found
  return found[command.parent === null ? '' : command.name()] ?? found['']
}
