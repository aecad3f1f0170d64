import { spawn, spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { BIN, ended, type Ended } from '../support/processes.js'

/** All that a store is made of; names that come and go included. */
export const STORE_FILES = [
  'token.db',
  'token.db-journal',
  'token.db.new',
  'token.lock',
  'token.lock-journal',
  'token.rescue',
  'token.rescue.new',
]

export const SYSCALLS = [
  'write',
  'pwrite64',
  'fsync',
  'fdatasync',
  'openat',
  'fcntl',
  'unlink',
  'ftruncate',
  'rename',
  'close',
] as const
export type Syscall = (typeof SYSCALLS)[number]

/** One system call on the store's files. */
export interface Call {
  readonly syscall: Syscall
  /** How many of the same there were, this one included: what strace counts. */
  readonly nth: number
  /** The file's name; empty for the store's folder. */
  readonly file: string
  /** As strace wrote it. */
  readonly line: string
  readonly injected: boolean
}

export interface Traced extends Ended {
  readonly calls: readonly Call[]
}

export interface TraceOptions {
  readonly dir: string
  readonly env: NodeJS.ProcessEnv
  readonly paths?: readonly string[]
  readonly injections?: readonly string[]
}

/**
 * A harness that cannot run has shown nothing, so it fails.
 *
 * @throws {Error} where there is no strace and it cannot be installed, or it may not trace.
 */
export function requireStrace(): void {
  if (process.platform !== 'linux') throw new Error('fault injection needs Linux and strace')
  if (!isThere() && process.geteuid?.() === 0) {
    spawnSync('apt-get', ['update'], { timeout: 120_000 })
    spawnSync('apt-get', ['install', '-y', '--no-install-recommends', 'strace'], { timeout: 120_000 })
  }
  if (!isThere()) throw new Error('fault injection needs strace: apt-get install strace')
  const { status, stderr } = spawnSync('strace', ['-f', '-qq', '-o', '/dev/null', 'true'], {
    encoding: 'utf8',
  })
  if (status !== 0) throw new Error(`strace is there and may not trace (ptrace forbidden?): ${stderr}`)
}

function isThere(): boolean {
  return spawnSync('strace', ['-V']).status === 0
}

/**
 * Runs the real program under strace.
 *
 * @param options.dir The store's folder.
 * @param options.paths Only calls on these are seen and counted; by default the store's files and their folder.
 * @param options.injections As strace's `-e inject=`. It counts the calls of each thread by itself: all of
 *   the store's are made by the main one.
 */
export async function traced(args: readonly string[], options: TraceOptions): Promise<Traced> {
  const { dir, env, injections = [] } = options
  const { paths = [dir, ...STORE_FILES.map((name) => join(dir, name))] } = options
  const log = join(dir, 'strace.log')
  // No --seccomp-bpf: with it a signal that is injected is not delivered.
  const plain = ['-f', '-qq', '-y', '-s', '0', '-o', log, '-e', `trace=${SYSCALLS.join(',')}`]
  const filters = paths.flatMap((path) => ['-P', path])
  const tampering = injections.flatMap((injection) => ['-e', `inject=${injection}`])
  const { HOME, PATH } = process.env
  const child = spawn('strace', [...plain, ...filters, ...tampering, process.execPath, BIN, ...args], {
    env: { HOME, PATH, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 120_000,
    killSignal: 'SIGTERM',
  })
  const run = await ended(child)
  return { ...run, calls: parse(readFileSync(log, 'utf8'), dir) }
}

function parse(log: string, dir: string): Call[] {
  const longestFirst = [...STORE_FILES].sort((a, b) => b.length - a.length)
  const counts = new Map<Syscall, number>()
  return whole(log).flatMap((line) => {
    const syscall = SYSCALLS.find((known) => line.startsWith(`${known}(`))
    if (syscall === undefined) return []
    const nth = (counts.get(syscall) ?? 0) + 1
    counts.set(syscall, nth)
    const file = longestFirst.find((known) => line.includes(join(dir, known))) ?? ''
    return [{ syscall, nth, file, line, injected: line.endsWith('(INJECTED)') }]
  })
}

/** strace breaks a line in two where another thread comes between. */
function whole(log: string): string[] {
  const lines: string[] = []
  const begun = new Map<string, number>()
  for (const [, thread = '', text = ''] of log.matchAll(/^(\d+) +(.*)$/gm)) {
    const index = begun.get(thread)
    const [, rest] = /^<\.\.\. \w+ resumed>(.*)$/.exec(text) ?? []
    if (rest !== undefined && index !== undefined) {
      lines[index] = `${lines[index] ?? ''}${rest}`
      begun.delete(thread)
      continue
    }
    const [, start] = /^(.*) <unfinished \.\.\.>$/.exec(text) ?? []
    if (start !== undefined) begun.set(thread, lines.length)
    lines.push(start ?? text)
  }
  return lines
}

/** Each once, a few at a time: the machine's processors are shared. */
export async function eachOf<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const left = [...items]
  const worker = async (): Promise<void> => {
    for (let item = left.shift(); item !== undefined; item = left.shift()) await work(item)
  }
  await Promise.all(Array.from({ length: Math.min(3, availableParallelism()) }, worker))
}
