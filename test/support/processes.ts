import { spawn, type ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { afterAll } from 'vitest'

export const BIN = fileURLToPath(new URL('../../dist/bin.js', import.meta.url))

export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

export interface Running {
  readonly child: ChildProcess
  readonly done: Promise<Ended>
}

export interface StartOptions {
  readonly env?: NodeJS.ProcessEnv
  readonly input?: string
  /** For standard output that is no pipe: a file's handle. */
  readonly stdout?: number
}

const alive = new Set<ChildProcess>()

afterAll(() => {
  for (const child of alive) child.kill('SIGKILL')
})

/** The real program, as a process of its own. */
export function start(args: readonly string[], options: StartOptions = {}): Running {
  const { HOME, PATH } = process.env
  const child = spawn(process.execPath, [BIN, ...args], {
    env: { HOME, PATH, ...options.env },
    stdio: [options.input === undefined ? 'ignore' : 'pipe', options.stdout ?? 'pipe', 'pipe'],
  })
  alive.add(child)
  child.stdin?.on('error', () => undefined).end(options.input)
  const done = ended(child).finally(() => alive.delete(child))
  return { child, done }
}

/** What a process said, and how it ended. */
export async function ended(child: ChildProcess): Promise<Ended> {
  let stdout = ''
  let stderr = ''
  child.stdout?.setEncoding('utf8').on('data', (text: string) => (stdout += text))
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code, signal) => {
      resolve({ code, signal, stdout, stderr })
    })
  })
}
