// Runs the command of `exec`, and gives it the signals meant for hq-token. Knows nothing of tokens.
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { constants } from 'node:os'
import { join } from 'node:path'
import type { Writable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { CommandNotExecutable, CommandNotFound, Exit, TokenError } from '../../../core/errors.js'
import { noMoreFiles } from '../../../platform/errno.js'
import { hints } from '../../../platform/hints.js'
import type { Start } from '../../../platform/windows-command.js'

/**
 * Signals that end a program which does not handle them. Stop and continue are not among them, because the terminal
 * sends them to the whole group and we stop as the child does. Nor are the signals of a fault of our own.
 */
const SIGNALS = (
  [
    ...['SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGTERM', 'SIGUSR1', 'SIGUSR2', 'SIGALRM', 'SIGVTALRM', 'SIGPROF'],
    ...['SIGABRT', 'SIGXCPU', 'SIGXFSZ', 'SIGSYS', 'SIGTRAP', 'SIGIO', 'SIGPWR', 'SIGSTKFLT', 'SIGBREAK'],
  ] as NodeJS.Signals[]
).filter((signal) => signal in constants.signals)

/** A service manager signals the processes of a group one after another: this long it may take. */
const ROUND_MS = 20

/**
 * From construction on, terminating signals go to the child. Early ones wait until it is spawned; one that has
 * reached the child anyway is not sent again.
 */
export class ForwardingChild {
  readonly #started: Promise<ChildProcess>
  #start: (child: ChildProcess) => void = () => undefined
  #child: ChildProcess | undefined
  #early: NodeJS.Signals | undefined
  #handed = Promise.resolve()
  readonly #bystander: Bystander
  readonly #platform: NodeJS.Platform

  /** @param env The environment of the helper process that is started beside this program. */
  constructor(env: NodeJS.ProcessEnv, platform: NodeJS.Platform) {
    this.#platform = platform
    this.#bystander = new Bystander(env, platform)
    this.#started = new Promise((resolve) => (this.#start = resolve))
    for (const signal of SIGNALS)
      process.on(signal, () => {
        const early = this.#child === undefined
        if (early) this.#early ??= signal
        this.#handed = this.#handed.then(() => this.#hand(signal, early))
      })
  }

  /**
   * Runs a command to its end, with these descriptors and this program's terminal and process group.
   *
   * @returns Its exit status, or the signal that ended it, or that kept it from starting.
   * @throws {CommandNotFound
   *
   * CommandNotExecutable}
   */
  async run(
    command: readonly string[],
    env: NodeJS.ProcessEnv,
    inherited: readonly number[],
  ): Promise<number | NodeJS.Signals> {
    const [name = ''] = command
    let path = name
    try {
      const { file, args, verbatim, env: given } = await started(command, env, this.#platform)
      path = file
      // Windows can send no signal to a child, so one that came before it could only be lost.
      if (this.#platform === 'win32' && this.#early !== undefined) return this.#early
      const child = spawn(file, args, {
        env: given,
        stdio: handedOn(inherited),
        windowsVerbatimArguments: verbatim,
      })
      this.#child = child
      this.#start(child)
      const [status, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null]
      return signal ?? status ?? Exit.bug
    } catch (error) {
      throw notStarted(name, path, error, env)
    } finally {
      this.#bystander.leave()
    }
  }

  /** @param early The signal came before there was a child that it could have reached too. */
  async #hand(signal: NodeJS.Signals, early: boolean): Promise<void> {
    // On Windows a console's Ctrl-C reaches all by itself, and `kill` can only end a process.
    if (this.#platform === 'win32') return
    const child = await this.#started
    if (early || !(await this.#bystander.wasHit(signal))) send(child, signal)
  }
}

/** The process that is started for a command. On Windows that is cmd.exe for a batch file. */
async function started(
  command: readonly string[],
  env: NodeJS.ProcessEnv,
  platform: NodeJS.Platform,
): Promise<Start> {
  if (platform === 'win32')
    return (await import('../../../platform/windows-command.js')).windowsStart(command, env)
  const [file = '', ...args] = command
  return { file, args, verbatim: false, env }
}

/** The standard streams and these descriptors, each under its own number. */
function handedOn(descriptors: readonly number[]): (number | 'ignore')[] {
  const wanted = new Set([0, 1, 2, ...descriptors])
  return Array.from({ length: Math.max(...wanted) + 1 }, (_, fd) => (wanted.has(fd) ? fd : 'ignore'))
}

/** Sends by `process.kill`, because with `child.kill` a child of another user (`sudo`) emits an error. */
function send({ pid, exitCode, signalCode }: ChildProcess, signal: NodeJS.Signals): void {
  if (pid === undefined || exitCode !== null || signalCode !== null) return
  try {
    process.kill(pid, signal)
  } catch {
    // The child has another user, or is gone.
  }
}

/**
 * Tells a signal to this process alone from one to its whole process group, such as the terminal's Ctrl-C, because
 * Node does not say where a signal came from. A `cat` in the group dies of a signal to the group, and echoes what
 * it gets as long as it lives. It ends when this process does, however that ends.
 */
class Bystander {
  readonly #env: NodeJS.ProcessEnv
  #cat: ChildProcess | undefined
  #left = false

  constructor(env: NodeJS.ProcessEnv, platform: NodeJS.Platform) {
    this.#env = env
    // On Windows no signal is sent, so there is nothing to tell apart.
    if (platform !== 'win32') this.#stand()
  }

  async wasHit(signal: NodeJS.Signals): Promise<boolean> {
    await sleep(ROUND_MS)
    const cat = this.#cat
    // Without a `cat`, a signal that keys can send counts as sent by keys if there is a terminal.
    if (cat === undefined) return process.stdin.isTTY && ['SIGINT', 'SIGQUIT'].includes(signal)
    const fate = await fateOf(cat)
    if (fate !== 'alive') this.#stand()
    return fate === signal
  }

  leave(): void {
    this.#left = true
    this.#cat?.kill('SIGKILL')
  }

  #stand(): void {
    if (this.#left) return
    const cat = spawn('cat', { env: this.#env, stdio: ['pipe', 'pipe', 'ignore'] })
    this.#cat = cat
    cat.on('error', () => {
      this.#cat = undefined
    })
    // A `cat` that could not be started, because no more files may be opened, has no streams.
    ;(cat.stdin as Writable | undefined)?.on('error', () => undefined)
  }
}

/** @returns `alive`; else the signal that the `cat` died of, `null` if it ended in another way. */
async function fateOf(cat: ChildProcess): Promise<'alive' | NodeJS.Signals | null> {
  if (cat.signalCode !== null || cat.exitCode !== null || cat.stdout === null) return cat.signalCode
  const told = new AbortController()
  const { signal } = told
  const death = once(cat, 'exit', { signal }).then(([, by]) => by as NodeJS.Signals | null)
  const echo = once(cat.stdout, 'data', { signal }).then(() => 'alive' as const)
  cat.stdin?.write('\n')
  const fate = await Promise.race([death, echo]).catch(() => null)
  told.abort()
  return fate
}

/** After `su`, PATH has folders that may not be looked into, and the system says EACCES. bash, too, then knows no such command. */
function isNowhere(name: string, env: NodeJS.ProcessEnv): boolean {
  const folders = (env['PATH'] ?? '').split(':')
  return !name.includes('/') && !folders.some((folder) => existsSync(join(folder, name)))
}

/** Windows refuses with EPERM. */
const NOT_EXECUTED: Readonly<Record<string, string>> = {
  ...{ EACCES: 'permission denied', EPERM: 'permission denied' },
  EFTYPE: 'is no program',
}

/**
 * Words the error as shells do, unless no more files may be opened, because that is no fault of the command.
 *
 * @param path The file, where this program has looked for it.
 */
function notStarted(name: string, path: string, error: unknown, env: NodeJS.ProcessEnv): TokenError {
  if (error instanceof TokenError) return error
  const code = error instanceof Error && 'code' in error ? String(error.code) : String(error)
  const full = noMoreFiles(error)
  if (full !== undefined) return full
  const search = `see where commands are looked for: ${hints.search(name)}`
  if (code === 'ENOENT' || name === '' || (code === 'EACCES' && name === path && isNowhere(name, env)))
    return new CommandNotFound(
      `${name}: ${name.includes('/') ? 'no such file or directory' : 'command not found'}`,
      { hint: search, cause: error },
    )
  const why = NOT_EXECUTED[code] ?? `cannot be executed (${code})`
  const hint = /[\\/]/.test(path) ? hints.rights(path) : search
  return new CommandNotExecutable(`${name}: ${why}`, { hint, cause: error })
}
