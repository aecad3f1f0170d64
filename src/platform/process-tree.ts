// Ends a process with all that it has started. Knows not what they are for.
import { spawnSync, type ChildProcess } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { givenTo, systemProgram } from './windows-programs.js'

/** Milliseconds for taskkill, which needs a few hundred on a busy machine. */
const TASKKILL_MS = 5_000

/**
 * The group that a process leads, as a negative number, and its descendants, because some leave the group, as `setsid`
 * does. On Windows the process itself, as long as its number is its own.
 */
export function family(
  { pid, exitCode, signalCode }: Pick<ChildProcess, 'pid' | 'exitCode' | 'signalCode'>,
  platform = process.platform,
): readonly number[] {
  if (pid === undefined) return []
  if (platform === 'win32') return exitCode === null && signalCode === null ? [pid] : []
  return [-pid, ...descendants(pid)]
}

/** On Windows there is one signal, which ends a process and its descendants at once. */
export function endAll(
  all: readonly number[],
  signal: NodeJS.Signals = 'SIGKILL',
  platform = process.platform,
): void {
  for (const pid of all)
    try {
      if (platform === 'win32' && wasEndedWhole(pid, process.env)) continue
      process.kill(pid, signal)
    } catch {
      // It has ended by itself.
    }
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

/**
 * The tree is found by taskkill, which Windows has had since XP. Where it is missing or refuses, the process is ended
 * alone. It is waited for, because this process may be about to end.
 */
function wasEndedWhole(pid: number, env: NodeJS.ProcessEnv): boolean {
  const { file, args } = treeEnding(pid, env)
  const given = { ...givenTo(env), PATH: env['PATH'] }
  const options = { env: given, stdio: 'ignore', timeout: TASKKILL_MS } as const
  return spawnSync(file, args, { ...options, windowsHide: true }).status === 0
}

/** The program that ends a process and its descendants on Windows. */
export function treeEnding(pid: number, env: NodeJS.ProcessEnv): { file: string; args: string[] } {
  return { file: systemProgram('taskkill.exe', env), args: ['/T', '/F', '/PID', String(pid)] }
}

/** The descendants, as far as the system tells: Linux does. */
function descendants(pid: number): number[] {
  try {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').match(/\d+/g) ?? []
    return children.map(Number).flatMap((child) => [child, ...descendants(child)])
  } catch {
    return []
  }
}
