// Writes to standard output and standard error by the output rules. Opens no file.
import { OutputFailed, type TokenError } from '../../core/errors.js'
import type { Notice } from '../../core/ports.js'
import { printable, printableJson } from '../../core/printable.js'
import { shellWord } from '../../core/shell-quoting.js'
import { COMMAND_NAMES } from '../command-name.js'
import type { Screen, World } from '../world.js'
import { forCodePage, jsonForCodePage } from './code-page.js'

export { printable, printableJson }

/**
 * The output rules. Standard output carries the answer or nothing. Everything else goes to standard error as
 * `hq-token: error: …`, `hq-token: warning: …`, `hq-token: hint: …`: no capital, no full stop. A hint is the next
 * command to type. Words from outside are escaped, because they may hold a terminal's commands.
 */
export interface Voice {
  /** Prints a warning or news; prints other notices only with `--verbose`. */
  readonly notice: (notice: Notice) => void
  /** Prints what the command was asked to say. */
  readonly tell: (notice: Notice) => void
  readonly error: (error: TokenError) => void
  /** Reports an error that no one foresaw. */
  readonly bug: (error: unknown) => void
  /** `hq-token get` → `hq-token --profile acme get`: the hint as this user can type it. */
  readonly typed: (hint: string) => string
  readonly isVerbose: boolean
  /** A terminal for people, on which a line may be drawn and taken back. */
  readonly canvas: Screen | undefined
}

/** Options that every command takes. */
export interface GlobalOptions {
  readonly config?: string
  readonly profile?: string
  readonly verbose?: boolean
  readonly logFormat?: 'text' | 'json'
}

/** Values that a program may look for in a line. */
interface Marks {
  readonly code?: string
  readonly address?: string | undefined
  readonly event?: Notice['event']
}

export function voice(world: World, options: GlobalOptions): Voice {
  const json = options.logFormat === 'json'
  const typed = typedWith(options, world.platform)
  const say = (
    level: string,
    message: string,
    hint: string | undefined,
    { code, address, event }: Marks = {},
  ): void => {
    const next = hint === undefined ? undefined : typed(hint)
    const write = (text: string, forReader = forCodePage): void => {
      world.stderr.write(`${forReader(text, world.stderr, world.platform)}\n`)
    }
    if (json) {
      const time = new Date(world.clock().now * 1000).toISOString()
      const line = { time, level, ...(code && { code }), message, ...(event && { event }) }
      const all = { ...line, ...(address && { address }), ...(next && { hint: next }) }
      write(printableJson(all), jsonForCodePage)
      return
    }
    write(`hq-token: ${level === 'info' ? '' : `${level}: `}${printable(message)}`)
    if (address !== undefined) write(`  ${printable(address)}`)
    if (next !== undefined) write(`hq-token: hint: ${printable(next)}`)
  }
  const tell = ({ level, message, hint, address, event }: Notice): void => {
    say(level, message, hint, { address, event })
  }
  return {
    typed,
    isVerbose: options.verbose === true,
    get canvas() {
      return world.stderr.isTTY === true && !json ? world.stderr : undefined
    },
    notice: (notice) => {
      if (notice.level === 'warning' || notice.isNews === true || options.verbose === true) tell(notice)
    },
    tell,
    error: (error) => {
      say('error', error.message, error.hint, { code: error.code })
    },
    bug: (error) => {
      // Name and place only, because the message of a foreign error may quote what it choked on.
      const where =
        error instanceof Error ? (error.stack ?? '').split('\n').filter((line) => /^\s+at /.test(line)) : []
      const name = error instanceof Error ? error.name : typeof error
      say(
        'error',
        `a bug in hq-token: ${name}${where.length > 0 ? ` ${where.slice(0, 5).join(' ').trim()}` : ''}`,
        BUG_HINT,
      )
    },
  }
}

const BUG_HINT = 'please report it with the version (hq-token --version) and what you did'

/**
 * Escapes only what commands a terminal in a text of many lines: its format may need other characters, and a script
 * gets the text as it is.
 */
export function printableText(text: string): string {
  return text.replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]|\r(?!\n)/g, printable)
}

/** Words the failure of a standard output that does not take an answer. */
export function notTaken(error: NodeJS.ErrnoException): OutputFailed {
  return new OutputFailed(`standard output could not be written (${error.code ?? error.name})`, {
    hint: 'look at what reads it, or at the disk it goes to',
    cause: error,
  })
}

/**
 * Whether the reader of standard output has seen enough and gone, as `head` and `true` do. Then the exit code says
 * that not all was taken, and no message follows. Windows calls it EOF.
 */
export function isReaderGone(error: unknown): boolean {
  const { code } = ((error as Error | undefined)?.cause ?? {}) as NodeJS.ErrnoException
  return error instanceof OutputFailed && (code === 'EPIPE' || code === 'EOF')
}

/**
 * Writes the answer, and resolves only when it has been taken.
 *
 * @throws {OutputFailed} if a pipe is closed or a disk full, because a reader of the exit code must not believe in
 *   a token.
 */
export function writeOut(stdout: Screen, text: string | Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (error: NodeJS.ErrnoException): void => {
      reject(notTaken(error))
    }
    stdout.once('error', fail)
    stdout.write(text, (error) => {
      if (error === null || error === undefined) {
        stdout.off('error', fail)
        resolve()
      } else fail(error)
    })
  })
}

/** Writes a report for people. A reader who closes the pipe after the first lines has seen enough. */
export async function writeReport({ stdout, platform }: Reader, text: string): Promise<void> {
  await writeUntilGone(stdout, forCodePage(text, stdout, platform))
}

/** Writes a report for programs. */
export async function writeJson({ stdout, platform }: Reader, value: unknown): Promise<void> {
  await writeUntilGone(stdout, jsonForCodePage(`${printableJson(value)}\n`, stdout, platform))
}

/** Writes lines for a monitoring system, which reads them to their end. */
export function writeLines({ stdout, platform }: Reader, text: string): Promise<void> {
  return writeOut(stdout, forCodePage(text, stdout, platform))
}

type Reader = Pick<World, 'stdout' | 'platform'>

async function writeUntilGone(stdout: Screen, text: string): Promise<void> {
  await writeOut(stdout, text).catch((error: unknown) => {
    if (!isReaderGone(error)) throw error
  })
}

/**
 * Writes the commands of a hint so that they can be typed.
 *
 * @param before Stands before each command: variables that it needs.
 */
export function typedWith(
  { config, profile }: GlobalOptions,
  platform: NodeJS.Platform,
  before = '',
): (hint: string) => string {
  const options = [
    ...(config === undefined ? [] : ['--config', shellWord(config, platform)]),
    ...(profile === undefined ? [] : ['--profile', profile]),
  ]
  // In PowerShell the bare name is a script, which many machines forbid.
  const program = platform === 'win32' ? 'hq-token.cmd' : 'hq-token'
  const invocation = `${before}${[program, ...options].join(' ')}`
  return (hint) => hint.replace(COMMAND, () => invocation)
}

/** The program's name where one of its commands follows: a user and a folder may have this name too. */
const COMMAND = new RegExp(`(?<![^\\s(\`'"])hq-token(?= (?:${COMMAND_NAMES.join('|')})(?![\\w-]))`, 'g')
