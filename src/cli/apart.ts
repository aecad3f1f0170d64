// Runs this program once more, as a process that can be ended at any time. Knows no command.
import { spawn } from 'node:child_process'
import type { World } from './world.js'

/**
 * The first line that it prints. A call that waits for a file system or a name server ends with its process only.
 *
 * @param env Its environment.
 * @returns `undefined` if it prints none in time.
 */
export function firstLine(
  { self: [program = '', ...before] }: Pick<World, 'self'>,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  timeoutMs: number,
): Promise<string | undefined> {
  return new Promise((resolve) => {
    const child = spawn(program, [...before, ...args], { env, stdio: ['ignore', 'pipe', 'ignore'] })
    let said = ''
    const over = (line?: string): void => {
      clearTimeout(timer)
      // One that the system cannot end now must not keep this one waiting.
      child.kill('SIGKILL')
      child.unref()
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
