// Runs a command of the configuration in the system's shell, with a time limit, and ends all that it has started. Knows no
// configuration.
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { setImmediate as iteration, setTimeout as sleep } from 'node:timers/promises'
import { endAll, family, isAlive } from './process-tree.js'
import { beforeSignalsEnd } from './signals.js'
import { systemProgram } from './windows-programs.js'

/** Milliseconds for the output that an ended command has left in its pipes. */
const UNREAD_MS = 100
/** Milliseconds between two looks whether all have ended. */
const LOOK_MS = 50

export interface ShellCommand {
  readonly command: string
  readonly cwd: string
  readonly env: NodeJS.ProcessEnv
  /** From its start to its end, in milliseconds. */
  readonly timeoutMs: number
  /** In bytes. */
  readonly mostOutput: number
  /** For its standard input, which is empty without it. */
  readonly input?: string
  /**
   * Reads its standard error too, and only the beginning of both: a longer output is no fault. Without it, its standard
   * error is ours, so that it can say what is wrong, and a longer output ends it.
   */
  readonly isQuiet?: boolean
  /**
   * Milliseconds between the signal that asks it to end and the one that ends it; without it, it is ended at once, and so
   * it is on Windows, which has no signal that asks.
   */
  readonly graceMs?: number
  readonly platform?: NodeJS.Platform
}

export type CommandEnd =
  | {
      readonly kind: 'ended'
      readonly output: Buffer
      readonly code: number | null
      readonly signal: NodeJS.Signals | null
    }
  | { readonly kind: 'not-started' | 'too-slow' | 'too-much' }

/**
 * Runs the command to its own end: a daemon that it has started (gpg-agent, ssh-agent) may keep its standard output open
 * for good, and lives on. Never rejects.
 */
export function runShellCommand(wanted: ShellCommand): Promise<CommandEnd> {
  const { timeoutMs, mostOutput, input, isQuiet = false, graceMs = 0, platform = process.platform } = wanted
  return new Promise((resolve) => {
    // The terminal's Ctrl-C does not reach a group of its own. Listen before the command begins, because a signal may
    // come at its first instant.
    const noLonger = beforeSignalsEnd(() => {
      endAll(family(child))
    })
    let child: ChildProcess
    try {
      child = started(wanted, platform)
    } catch {
      noLonger()
      resolve({ kind: 'not-started' })
      return
    }
    const output: Buffer[] = []
    let length = 0
    const over = (end: CommandEnd): void => {
      limit.clear()
      noLonger()
      child.stdin?.destroy()
      child.stdout?.destroy()
      child.stderr?.destroy()
      resolve(limit.isOver ? { kind: 'too-slow' } : end)
    }
    const limit = new TimeLimit(child, timeoutMs, platform === 'win32' ? 0 : graceMs, () => {
      over({ kind: 'too-slow' })
    })
    // A command need not read its input.
    child.stdin?.on('error', () => undefined)
    child.stdin?.end(input)
    child.on('error', () => {
      over({ kind: 'not-started' })
    })
    const read = (chunk: Buffer): void => {
      if (length < mostOutput || !isQuiet) output.push(chunk.subarray(0, isQuiet ? mostOutput : undefined))
      length += chunk.length
      if (length <= mostOutput || isQuiet) return
      endAll(family(child))
      over({ kind: 'too-much' })
    }
    child.stdout?.on('data', read)
    child.stderr?.on('data', isQuiet ? read : copied)
    child.on('exit', (code, signal) => {
      if (limit.isOver) return
      limit.clear()
      const closed = once(child, 'close')
      void Promise.race([closed, unread()]).then(() => {
        over({ kind: 'ended', output: Buffer.concat(output), code, signal })
      })
    })
  })
}

/** @throws Where the system takes no such command (E2BIG), and where there is no memory. */
function started(
  { command, cwd, env, input, isQuiet = false }: ShellCommand,
  platform: NodeJS.Platform,
): ChildProcess {
  const stdin = input === undefined ? 'ignore' : 'pipe'
  if (platform === 'win32')
    return spawn(command, {
      // cmd.exe is started by its whole path, and not by %ComSpec%. It does not look for the command in the folder where it runs.
      ...{ shell: systemProgram('cmd.exe', env), cwd },
      env: { ...env, NoDefaultCurrentDirectoryInExePath: '1' },
      // A descendant of the shell may outlive it, and would hold our own standard error open.
      stdio: [stdin, 'pipe', 'pipe'],
    })
  return spawn(command, {
    ...{ shell: true, cwd, env },
    stdio: [stdin, 'pipe', isQuiet ? 'pipe' : 'inherit'],
    // A group of its own can be ended whole: what the shell has started would else outlive it and keep stderr open.
    detached: true,
  })
}

function copied(chunk: Buffer): void {
  process.stderr.write(chunk)
}

/** Asks a command to end when its time is over, and ends it after the time of grace, with all that it has started. */
class TimeLimit {
  isOver = false
  #timer: NodeJS.Timeout
  #watch: NodeJS.Timeout | undefined

  constructor(child: ChildProcess, timeoutMs: number, graceMs: number, ended: () => void) {
    this.#timer = setTimeout(() => {
      this.isOver = true
      // Found before their parents are gone.
      let left = family(child)
      if (graceMs > 0) {
        endAll(left, 'SIGTERM')
        // The shell may end at once, and leave what it has started. Whatever has ended is dropped, because the system gives
        // its number to another process.
        this.#watch = setInterval(() => {
          left = left.filter(isAlive)
          if (left.length === 0) ended()
        }, LOOK_MS)
      }
      this.#timer = setTimeout(() => {
        endAll(left)
        ended()
      }, graceMs)
    }, timeoutMs)
  }

  clear(): void {
    clearTimeout(this.#timer)
    clearInterval(this.#watch)
  }
}

/** Waits as long as the last output of a command may take to be read. */
async function unread(): Promise<void> {
  await sleep(UNREAD_MS)
  // Where this process stood still meanwhile, the pipe is read between these two.
  await iteration()
  await iteration()
}
