// Reads the client secret: from a text, a file or a command. Shows it to nobody.
import { ConfigInvalid } from '../core/errors.js'
import { Secret } from '../core/secret.js'
import { runShellCommand } from '../platform/shell-command.js'
import { FileProblem, readRegular } from './file.js'
import { decode } from './ini.js'
import { withoutSecretVariables } from './keys.js'
import type { Environment } from './paths.js'
import { isPlaceholder } from './placeholder.js'
import { trustNotices } from './trust.js'

const COMMAND_TIMEOUT_MS = 10_000
const MOST_OUTPUT = 65_536

interface SecretCommand {
  readonly kind: 'command'
  readonly where: string
  readonly command: string
  readonly cwd: string
  readonly env: Environment
}

/** The origin of the client secret; `where` names the setting, for messages. */
export type SecretOrigin =
  | { readonly kind: 'text'; readonly where: string; readonly text: string }
  | { readonly kind: 'file'; readonly where: string; readonly path: string }
  | SecretCommand

/**
 * Reads the client secret.
 *
 * @param timeoutMs Milliseconds for a command, start to end.
 * @throws {ConfigInvalid} if it cannot be read, is empty or a placeholder. The message holds neither the secret nor
 *   what the command printed.
 */
export async function readSecret(origin: SecretOrigin, timeoutMs = COMMAND_TIMEOUT_MS): Promise<Secret> {
  if (origin.kind === 'text') return checked(origin.text, origin.where)
  const text = origin.kind === 'file' ? readSecretFile(origin) : await printed(origin, timeoutMs)
  return checked(text.replace(/\r?\n$/, ''), origin.where)
}

function checked(text: string, where: string): Secret {
  if (text === '') throw new ConfigInvalid(`${where} gives an empty client secret`)
  if (/\p{Cc}/u.test(text))
    throw new ConfigInvalid(`${where} gives more than one line, or a control character`, {
      hint: 'it must give the client secret and nothing else',
    })
  if (isPlaceholder(text)) throw new ConfigInvalid(`${where} gives a placeholder, not a client secret`)
  return new Secret(text)
}

function readSecretFile({ path, where }: { path: string; where: string }): string {
  try {
    const { bytes, stats } = readRegular(path)
    trustNotices('secret', path, stats)
    return decode(bytes)
  } catch (error) {
    if (!(error instanceof FileProblem)) throw error
    throw new ConfigInvalid(`${where}: ${error.told(path)}`, error.details)
  }
}

/** @throws {ConfigInvalid} */
async function printed({ command, cwd, env, where }: SecretCommand, timeoutMs: number): Promise<string> {
  const end = await runShellCommand({
    ...{ command, cwd, env: withoutSecretVariables(env) },
    ...{ timeoutMs, mostOutput: MOST_OUTPUT },
  })
  if (end.kind === 'ended' && end.code === 0) return end.output
  const problem = {
    ended: end.kind === 'ended' ? `failed (${end.signal ?? `exit status ${String(end.code)}`})` : '',
    'not-started': 'could not be run',
    'too-slow': `gave no client secret within ${timeoutMs / 1000} s`,
    'too-much': 'printed too much for a client secret',
  }[end.kind]
  throw new ConfigInvalid(`${where} ${problem}`, { hint: 'run the command by hand to see what it does' })
}
