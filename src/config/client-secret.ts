// Reads the client secret: from a text, a file or a command. Shows it to nobody.
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { setImmediate as iteration, setTimeout as sleep } from 'node:timers/promises'
import { ConfigInvalid } from '../core/errors.js'
import { Secret } from '../core/secret.js'
import { beforeSignalsEnd } from '../platform/signals.js'
import { FileProblem, readRegular } from './file.js'
import { decode } from './ini.js'
import { withoutSecretVariables } from './keys.js'
import type { Environment } from './locate.js'
import { isPlaceholder } from './placeholder.js'
import { trustNotices } from './trust.js'

const COMMAND_TIMEOUT_MS = 10_000
const MOST_OUTPUT = 65_536
const UNREAD_MS = 100
const POSIX = process.platform !== 'win32'

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
  const text = origin.kind === 'file' ? readSecretFile(origin) : await run(origin, timeoutMs)
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

/**
 * Runs the command in the system's shell and waits for its own end only: a daemon that it has started (gpg-agent,
 * ssh-agent) lives on and may keep its standard output open. The command's stderr is ours, so that it can say what
 * is wrong.
 */
function run({ command, cwd, env, where }: SecretCommand, timeoutMs: number): Promise<string> {
  return new Promise((succeed, fail) => {
    // A group of its own can be ended whole; else what the shell has started would outlive it and keep stderr open.
    const child = spawn(command, {
      shell: true,
      cwd,
      env: withoutSecretVariables(env),
      stdio: ['ignore', 'pipe', 'inherit'],
      detached: POSIX,
    })
    const output: Buffer[] = []
    let length = 0
    // The terminal's Ctrl-C does not reach a group of its own, so end the group before a signal ends this process.
    const noLonger = beforeSignalsEnd(() => {
      endAll(child)
    })
    const over = (): void => {
      clearTimeout(timer)
      noLonger()
      child.stdout.destroy()
    }
    const giveUp = (problem: string): void => {
      over()
      fail(new ConfigInvalid(`${where} ${problem}`, { hint: 'run the command by hand to see what it does' }))
    }
    const timer = setTimeout(() => {
      endAll(child)
      giveUp(`gave no client secret within ${timeoutMs / 1000} s`)
    }, timeoutMs)
    child.on('error', () => {
      giveUp('could not be run')
    })
    child.stdout.on('data', (chunk: Buffer) => {
      output.push(chunk)
      length += chunk.length
      if (length <= MOST_OUTPUT) return
      endAll(child)
      giveUp('printed too much for a client secret')
    })
    child.on('exit', (code, signal) => {
      clearTimeout(timer)
      const closed = once(child, 'close')
      void Promise.race([closed, unread()]).then(() => {
        if (code !== 0) {
          giveUp(`failed (${signal ?? `exit status ${String(code)}`})`)
          return
        }
        over()
        succeed(Buffer.concat(output).toString())
      })
    })
  })
}

/** Waits as long as it may take to read what a command has printed before its end. */
async function unread(): Promise<void> {
  await sleep(UNREAD_MS)
  // If this process stood still meanwhile, the pipe is read between these two iterations.
  await iteration()
  await iteration()
}

function endAll(child: ChildProcess): void {
  child.stdout?.destroy()
  try {
    if (!POSIX || child.pid === undefined) {
      child.kill()
      return
    }
    // Find descendants that have left the group (by `setsid`) before their parents are gone.
    const others = descendants(child.pid)
    process.kill(-child.pid, 'SIGKILL')
    for (const pid of others) process.kill(pid, 'SIGKILL')
  } catch {
    // It has ended by itself.
  }
}

/** Descendants as far as the system tells them: only Linux does. */
function descendants(pid: number): number[] {
  try {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').match(/\d+/g) ?? []
    return children.map(Number).flatMap((child) => [child, ...descendants(child)])
  } catch {
    return []
  }
}
