import { spawn } from 'node:child_process'
import { chmodSync, chownSync, lchownSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { requirePrograms } from './debian.js'
import { folder } from './folder.js'
import { BIN, ended, type Ended } from './processes.js'

// Other users of the machine, as they are: only root can be somebody else.

export const canBeOthers = process.platform === 'linux' && process.geteuid?.() === 0
if (!canBeOthers)
  process.stderr.write(
    'tests of other users need Linux and root, which can be another user: they are left out\n',
  )

/** Whose program runs, and who is somebody else to them. */
export const VICTIM = 12_345
export const STRANGER = 23_456

const PROJECT = fileURLToPath(new URL('../..', import.meta.url))

/** A folder that all users of the machine share, as /tmp is. */
export function shared(): string {
  const path = folder()
  chmodSync(path, 0o1777)
  return path
}

/** Gives a folder and all in it to a user. */
export function give(uid: number, path: string): void {
  chownSync(path, uid, uid)
  for (const name of readdirSync(path, { recursive: true, encoding: 'utf8' }))
    lchownSync(join(path, name), uid, uid)
}

export interface AsOptions {
  readonly env?: NodeJS.ProcessEnv
  readonly cwd?: string
  readonly umask?: string
  readonly input?: string
  /** Of the machine, as this process alone sees it: `{ '/var/tmp': folder }`. */
  readonly mounts?: Readonly<Record<string, string>>
}

/** What of the project is run, and needs to be found beside it. */
const PARTS = ['build', 'dist', 'node_modules', 'package.json', 'scripts']
let reachable: string | undefined

/** The place of the project as every user can reach it: it may lie in a folder of root's, or be one. */
function projectFor(): string {
  if (reachable === undefined) {
    reachable = folder()
    chmodSync(reachable, 0o755)
    for (const part of PARTS)
      if (part.includes('.')) writeFileSync(join(reachable, part), '')
      else mkdirSync(join(reachable, part))
  }
  return reachable
}

/** The path of a file of the project, as another user knows it. */
export function inProject(path: string): string {
  return join(projectFor(), relative(PROJECT, path))
}

/** Any program, as a user without a group of others and without a right of root's. */
export function asUser(uid: number, command: readonly string[], options: AsOptions = {}): Promise<Ended> {
  return ended(spawnAs(uid, command, options))
}

export function spawnAs(
  uid: number,
  command: readonly string[],
  { env = {}, cwd = '/', umask = '022', input, mounts = {} }: AsOptions = {},
): ReturnType<typeof spawn> {
  requirePrograms(['setpriv', 'util-linux'], ['unshare', 'util-linux'])
  const project = PARTS.map((part) => [join(projectFor(), part), join(PROJECT, part)] as const)
  const pairs = [...project, ...Object.entries(mounts)].flatMap(([at, from]) => [from, at])
  const script = `umask ${umask}; n=$1; shift
while [ "$n" -gt 0 ]; do mount --bind "$1" "$2"; shift 2; n=$((n - 1)); done
cd "$1"; shift; exec setpriv --reuid ${uid} --regid ${uid} --clear-groups "$@"`
  const child = spawn(
    'unshare',
    ['--mount', 'sh', '-euc', script, 'sh', String(pairs.length / 2), ...pairs, cwd, ...command],
    {
      env: { PATH: process.env['PATH'], ...env },
      stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    },
  )
  child.stdin?.on('error', () => undefined).end(input)
  return child
}

/** The real program, run by a user. */
export function program(args: readonly string[]): string[] {
  return [process.execPath, inProject(BIN), ...args]
}
