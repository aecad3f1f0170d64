import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import type { Duplex } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { afterAll } from 'vitest'
import { holdToSchemas } from './json-outputs.js'

export const BIN = fileURLToPath(new URL('../../dist/bin.cjs', import.meta.url))
const PRELOAD = new URL('held.js', import.meta.url).href

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
  /** Until `letGo`: before its first deed, or when it has looked at the store and is about to take the lock. */
  readonly held?: 'start' | 'lock'
}

const alive = new Set<ChildProcess>()

afterAll(() => {
  for (const child of alive) child.kill('SIGKILL')
})

/** The real program, as a process of its own. */
export function start(args: readonly string[], options: StartOptions = {}): Running {
  const { HOME, PATH } = process.env
  const { held } = options
  const child = spawn(process.execPath, [BIN, ...args], {
    env: {
      HOME,
      PATH,
      ...((held ?? options.env?.['ASKER']) && { NODE_OPTIONS: `--import=${PRELOAD}` }),
      ...(held && { HELD: held }),
      ...options.env,
    },
    stdio: [
      options.input === undefined ? 'ignore' : 'pipe',
      options.stdout ?? 'pipe',
      'pipe',
      ...(held ? (['pipe'] as const) : []),
    ],
  })
  alive.add(child)
  child.stdin?.on('error', () => undefined).end(options.input)
  child.stdio[3]?.on('error', () => undefined)
  const done = ended(child)
    .finally(() => alive.delete(child))
    .then(async (said) => {
      await holdToSchemas(args, said)
      return said
    })
  return { child, done }
}

/** The same with standard streams of one's own, of which only a piped standard output is heard. */
export function startWith(
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  stdio: readonly (number | 'ignore' | 'pipe')[],
): Running {
  const { HOME, PATH } = process.env
  const child = spawn(process.execPath, [BIN, ...args], { env: { HOME, PATH, ...env }, stdio: [...stdio] })
  alive.add(child)
  return { child, done: ended(child).finally(() => alive.delete(child)) }
}

/** Without what the refresh that spends a seed file has to say of it, once. */
export function withoutNews<T extends { readonly stderr: string }>(said: T): T {
  const stderr = said.stderr.replace(
    /^hq-token: (?:warning: )?the seed file \S+ can be removed now: .*\n(?:hq-token: hint: remove the file.*\n)?/m,
    '',
  )
  return { ...said, stderr }
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

const line = ({ child }: Running): Duplex => child.stdio[3] as Duplex

/** Waits until a process that was started with `held` stands there. */
export async function isHeld(running: Running): Promise<void> {
  await once(line(running), 'data')
}

/** Lets all of them go at one instant. */
export function letGo(held: readonly Running[]): void {
  for (const running of held) line(running).end('!')
}
