import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { ended } from './processes.js'

const DRIVER = fileURLToPath(new URL('terminal.py', import.meta.url))

export interface Step {
  /** A regular expression that what is said must match, from where the last step's ended. */
  readonly after: string
  /** Seconds to wait before going on. */
  readonly pause?: number
  readonly type?: string
  /** Sent to the process whose id the expression's first group is. */
  readonly signal?: NodeJS.Signals
}

export const CTRL_C = '\u0003'
export const CTRL_D = '\u0004'
export const CTRL_S = '\u0013'
export const CTRL_Z = '\u001a'
export const CTRL_BACKSLASH = '\u001c'

/** @returns All that was said, and the exit status; negative for the signal that ended the command. */
export async function atTerminal(
  argv: readonly string[],
  steps: readonly Step[],
  env: NodeJS.ProcessEnv,
  columns?: number,
): Promise<{ said: string; status: number }> {
  const driver = spawn('python3', [DRIVER], { stdio: 'pipe' })
  driver.stdin.end(JSON.stringify({ argv, steps, env, columns, seconds: 120 }))
  const { code, stdout, stderr } = await ended(driver)
  if (code !== 0) throw new Error(stderr)
  return JSON.parse(stdout) as { said: string; status: number }
}
