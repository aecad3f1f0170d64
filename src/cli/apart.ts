// Runs this program once more, as a process that can be ended at any time. Knows no command.
import { spawn } from 'node:child_process'
import { availableParallelism } from 'node:os'
import type { World } from './world.js'

/** More at once only wait for one another, and their time runs. */
const MOST_AT_ONCE = availableParallelism() + 1
const waiting: (() => void)[] = []
let running = 0

/** Has `work`, which starts a process, wait until few others run. */
export async function inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
  while (running >= MOST_AT_ONCE) await new Promise<void>((resolve) => waiting.push(resolve))
  running++
  try {
    return await work()
  } finally {
    running--
    waiting.shift()?.()
  }
}

/**
 * The first line that it prints. Only the end of its process ends a call that waits for a file system or a name server.
 * The pipe on its standard input ends with this process, so that it can end too.
 *
 * @param env Its environment.
 * @param timeoutMs Milliseconds.
 * @returns `undefined` if it prints none in time.
 */
export function firstLine(
  { self: [program = '', ...before] }: Pick<World, 'self'>,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  timeoutMs: number,
): Promise<string | undefined> {
  return new Promise((resolve) => {
    const child = spawn(program, [...before, ...args], { env, stdio: ['pipe', 'pipe', 'ignore'] })
    let said = ''
    const over = (line?: string): void => {
      clearTimeout(timer)
      // One that the system cannot end now must not keep this one waiting.
      child.kill('SIGKILL')
      child.unref()
      child.stdin.destroy()
      child.stdout.destroy()
      resolve(line)
    }
    const timer = setTimeout(over, timeoutMs)
    child.on('error', () => {
      over()
    })
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      said += text
      const [line, ...more] = said.split('\n')
      if (more.length > 0) over(line)
    })
    child.stdout.on('end', () => {
      over()
    })
  })
}
