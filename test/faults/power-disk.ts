import { execFileSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** What the power cut left, beside that which was synced: nothing, or some of the rest. */
export type Survivors = 'nothing' | { readonly random: () => number }

export type Cut = `${'before' | 'after'} ${number}`

/** A folder whose syncs are watched, and the shadow of it that a power cut would leave. */
export interface PowerDisk {
  readonly root: string
  readonly store: string
  /** For a process that writes to this disk; with `cut` it dies at that sync. */
  readonly env: (cut?: Cut) => NodeJS.ProcessEnv
  /** Every sync that took effect, oldest first: `fsync var/token.db`. */
  readonly syncs: () => readonly string[]
}

/** @throws {Error} Without a compiler: then nothing is proved, and that must not look like success. */
export function compileShim(folder: string): string {
  const source = fileURLToPath(new URL('power-cut.c', import.meta.url))
  const shim = join(folder, 'power-cut.so')
  const options = ['-Wall', '-Wextra', '-O2', '-shared', '-fPIC', '-o', shim, source, '-ldl', '-lpthread']
  for (const compiler of ['cc', 'gcc', 'clang']) {
    try {
      execFileSync(compiler, options, { stdio: ['ignore', 'ignore', 'pipe'], encoding: 'utf8' })
      return shim
    } catch (error) {
      const { code, stderr } = error as NodeJS.ErrnoException & { stderr?: string }
      if (code !== 'ENOENT')
        throw new Error(`${compiler} cannot compile power-cut.c:\n${stderr}`, { cause: error })
    }
  }
  throw new Error(
    'the power cut needs a C compiler: install gcc (Debian, Ubuntu: apt-get install gcc libc6-dev)',
  )
}

/** What is in `root` already counts as synced. */
export function powerDisk(shim: string, root: string): PowerDisk {
  mkdirSync(root, { recursive: true, mode: 0o700 })
  // The shim compares with what the kernel says, which has no symbolic links in it.
  const real = realpathSync(root)
  const shadow = `${real}.shadow`
  mkdirSync(shadow, { mode: 0o700 })
  const disk: PowerDisk = {
    root: real,
    store: join(real, 'var', 'token.db'),
    env: (cut) => ({
      LD_PRELOAD: shim,
      POWER_DISK: real,
      POWER_SHADOW: shadow,
      HQ_TOKEN_STORE: join(real, 'var', 'token.db'),
      ...(cut === undefined ? {} : { POWER_CUT: cut }),
    }),
    syncs: () => {
      const log = join(shadow, 'log')
      return existsSync(log) ? readFileSync(log, 'utf8').trimEnd().split('\n') : []
    },
  }
  syncAll(real, shadow)
  return disk
}

/** The disk as it is when the power is back, in a folder of its own. */
export function afterPowerCut(shim: string, { root }: PowerDisk, survivors: Survivors): PowerDisk {
  const target = `${root}-after`
  new PowerCut(`${root}.shadow`, root, survivors).restore(root, target)
  return powerDisk(shim, target)
}

interface Entry {
  readonly isFolder: boolean
  readonly mode: number
  readonly inode: string
}

class PowerCut {
  readonly #shadow: string
  readonly #survivors: Survivors
  /** Where the files and folders are that nobody has removed, by inode. */
  readonly #live = new Map<string, string>()

  constructor(shadow: string, root: string, survivors: Survivors) {
    this.#shadow = shadow
    this.#survivors = survivors
    const walk = (path: string): void => {
      const { inode, isFolder } = entryOf(path)
      this.#live.set(inode, path)
      if (isFolder) for (const name of readdirSync(path)) walk(join(path, name))
    }
    walk(root)
  }

  restore(path: string, target: string): void {
    this.#restore(entryOf(path), target)
  }

  #restore({ inode, isFolder, mode }: Entry, target: string): void {
    if (!isFolder) {
      writeFileSync(target, this.#content(inode), { mode })
      return
    }
    mkdirSync(target, { mode })
    for (const [name, entry] of this.#names(inode)) this.#restore(entry, join(target, name))
  }

  #names(inode: string): Map<string, Entry> {
    const synced = syncedNames(join(this.#shadow, inode))
    const path = this.#live.get(inode)
    if (this.#survivors === 'nothing' || path === undefined) return synced
    const live = new Map(readdirSync(path).map((name) => [name, entryOf(join(path, name))]))
    const names = new Map<string, Entry>()
    for (const name of new Set([...synced.keys(), ...live.keys()])) {
      const entry = (this.#survivors.random() < 0.5 ? synced : live).get(name)
      if (entry !== undefined) names.set(name, entry)
    }
    return names
  }

  /** A name may outlive a file that was never synced: then it stands for a file of no bytes. */
  #content(inode: string): Buffer {
    const path = join(this.#shadow, inode)
    const synced = existsSync(path) ? readFileSync(path) : Buffer.alloc(0)
    const now = this.#live.get(inode)
    if (this.#survivors === 'nothing' || now === undefined) return synced
    return mixed(synced, readFileSync(now), this.#survivors.random)
  }
}

const SECTOR = 512

/** A disk writes sectors whole, in an order of its own. */
function mixed(synced: Buffer, live: Buffer, random: () => number): Buffer {
  const content = Buffer.alloc(random() < 0.5 ? synced.byteLength : live.byteLength)
  for (let at = 0; at < content.byteLength; at += SECTOR)
    (random() < 0.5 ? synced : live).subarray(at, at + SECTOR).copy(content, at)
  return content
}

function syncAll(path: string, shadow: string): void {
  const { inode, isFolder } = entryOf(path)
  if (!isFolder) {
    writeFileSync(join(shadow, inode), readFileSync(path))
    return
  }
  const lines = readdirSync(path).map((name) => {
    const child = join(path, name)
    syncAll(child, shadow)
    const { inode, isFolder, mode } = entryOf(child)
    return `${isFolder ? 'd' : 'f'} ${mode.toString(8)} ${inode} ${name}\n`
  })
  writeFileSync(join(shadow, inode), lines.join(''))
}

function syncedNames(path: string): Map<string, Entry> {
  const names = new Map<string, Entry>()
  if (!existsSync(path)) return names
  for (const [, kind, mode = '', inode = '', name = ''] of readFileSync(path, 'utf8').matchAll(
    /^([df]) (\d+) (\S+) (.+)$/gm,
  ))
    names.set(name, { isFolder: kind === 'd', mode: parseInt(mode, 8), inode })
  return names
}

/** As the shim names inodes: number and time of birth. */
function entryOf(path: string): Entry {
  const { ino, birthtimeNs, mode } = statSync(path, { bigint: true })
  const folder = 0o040000n
  return {
    inode: `${ino}-${birthtimeNs}`,
    isFolder: (mode & 0o170000n) === folder,
    mode: Number(mode & 0o7777n),
  }
}
