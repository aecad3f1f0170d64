// Reads a secret of the configuration (the client's, the password of a shared store, or the URL of a notification): from a text, a file or a
// command. Shows it to nobody.
import { ConfigInvalid } from '../core/errors.js'
import { Secret } from '../core/secret.js'
import { runShellCommand } from '../platform/shell-command.js'
import { FileProblem, readRegular } from './file.js'
import { decode } from './ini.js'
import { withoutSecretVariables } from './keys.js'
import { pathIn, type Environment, type Surroundings } from './paths.js'
import { isPlaceholder } from './placeholder.js'
import type { Setting } from './settings.js'
import { trustNotices } from './trust.js'

const COMMAND_TIMEOUT_MS = 10_000
const MOST_OUTPUT = 65_536

interface Origin {
  /** Names the setting, for messages. */
  readonly where: string
  readonly what: 'client secret' | 'password' | 'notification URL'
}

type SecretText = Origin & { readonly kind: 'text'; readonly text: string }
type SecretFile = Origin & { readonly kind: 'file'; readonly path: string }
type SecretCommand = Origin & {
  readonly kind: 'command'
  readonly command: string
  readonly cwd: string
  readonly env: Environment
}

/** Where a secret comes from. */
export type SecretOrigin = SecretText | SecretFile | SecretCommand

/**
 * The one setting that gives a secret, of the three that may; `undefined` where none does.
 *
 * @throws {ConfigInvalid} if more than one is given
 */
export function secretOrigin(
  what: Origin['what'],
  settings: { readonly [Kind in SecretOrigin['kind']]: Setting | undefined },
  source: Surroundings,
): SecretOrigin | undefined {
  const { text, file, command } = settings
  const given = [text, file, command].flatMap((setting) => setting ?? [])
  if (given.length > 1)
    throw new ConfigInvalid(
      `the ${what} is given more than once: ${given.map(({ where }) => where).join('; ')}`,
      { hint: 'keep one of them' },
    )
  const [{ where } = { where: '' }] = given
  if (text !== undefined) return { kind: 'text', what, where, text: text.text }
  if (file !== undefined) return { kind: 'file', what, where, path: pathIn(file, source) }
  if (command === undefined) return undefined
  return { kind: 'command', what, where, command: command.text, cwd: command.folder, env: source.env }
}

/**
 * Reads a secret.
 *
 * @param timeoutMs Milliseconds for a command, start to end.
 * @throws {ConfigInvalid} if it cannot be read, is empty or a placeholder. The message holds neither the secret nor
 *   what the command printed.
 */
export async function readSecret(origin: SecretOrigin, timeoutMs = COMMAND_TIMEOUT_MS): Promise<Secret> {
  if (origin.kind === 'text') return checked(origin.text, origin)
  const text =
    origin.kind === 'file' ? readSecretFile(origin) : decoded(await printed(origin, timeoutMs), origin)
  return checked(text.replace(/\r?\n$/, ''), origin)
}

function checked(text: string, { where, what }: Origin): Secret {
  if (text === '') throw new ConfigInvalid(`${where} gives an empty ${what}`)
  if (/\p{Cc}/u.test(text))
    throw new ConfigInvalid(`${where} gives more than one line, or a control character`, {
      hint: `it must give the ${what} and nothing else`,
    })
  if (isPlaceholder(text)) throw new ConfigInvalid(`${where} gives a placeholder, not a ${what}`)
  return new Secret(text)
}

function readSecretFile({ path, where }: SecretFile): string {
  try {
    const { bytes, stats } = readRegular(path)
    trustNotices('secret', path, stats)
    return decode(bytes)
  } catch (error) {
    if (!(error instanceof FileProblem)) throw error
    throw new ConfigInvalid(`${where}: ${error.told(path)}`, error.details)
  }
}

/** As a file: a shell of Windows writes UTF-16, marks, or an old code page, whose characters would be sent as others. */
function decoded(bytes: Uint8Array, { where }: Origin): string {
  try {
    return decode(bytes)
  } catch (error) {
    if (!(error instanceof FileProblem)) throw error
    throw new ConfigInvalid(`${where} prints what is no text in UTF-8 or UTF-16`, {
      hint: 'let the command print UTF-8, on Windows after: chcp 65001',
    })
  }
}

/** @throws {ConfigInvalid} */
async function printed(
  { command, cwd, env, where, what }: SecretCommand,
  timeoutMs: number,
): Promise<Uint8Array> {
  const end = await runShellCommand({
    ...{ command, cwd, env: withoutSecretVariables(env) },
    ...{ timeoutMs, mostOutput: MOST_OUTPUT },
  })
  if (end.kind === 'ended' && end.code === 0) return end.output
  const problem = {
    ended: end.kind === 'ended' ? `failed (${end.signal ?? `exit status ${String(end.code)}`})` : '',
    'not-started': 'could not be run',
    'too-slow': `gave no ${what} within ${timeoutMs / 1000} s`,
    'too-much': `printed too much for a ${what}`,
  }[end.kind]
  throw new ConfigInvalid(`${where} ${problem}`, { hint: 'run the command by hand to see what it does' })
}
