import { execFileSync } from 'node:child_process'
import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  rmSync,
  statfsSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { basename, join } from 'node:path'
import { afterAll } from 'vitest'
import { folder } from '../support/folder.js'

export type FileSystem = 'tmpfs' | 'ext4'

/** A small file system of its own, gone after the test file whatever happens. */
export interface Mount {
  readonly root: string
  /** Takes every last block, as far as the file system has any. */
  fill(): void
  makeRoom(): void
  /** As the kernel does after an error: at once, open files or not. `ext4` alone. */
  failToReadOnly(): void
  remount(mode: 'ro' | 'rw'): void
  /** Off and on again, as after a reboot: an `ext4` that failed cannot be had for writing otherwise. */
  cycle(): void
}

const KIB = 1024

const mounted: string[] = []

afterAll(() => {
  for (const root of mounted.splice(0)) run('umount', '--lazy', root)
})

/** @throws {Error} Where a mount is not permitted: then nothing is proved, and that must not look like success. */
export function mount(kind: FileSystem): Mount {
  const home = folder()
  const root = join(home, 'disk')
  const image = join(home, 'image')
  const ballast = join(root, 'ballast')
  mkdirSync(root)
  const attach = (): void => {
    if (kind === 'tmpfs') run('mount', '-t', 'tmpfs', '-o', 'size=1m,mode=0700', 'tmpfs', root)
    else run('mount', '-t', 'ext4', '-o', 'loop,errors=remount-ro', image, root)
    mounted.push(root)
  }
  if (kind === 'ext4') {
    writeFileSync(image, '')
    truncateSync(image, 8 * KIB * KIB)
    // Root may use what is kept back for it: nothing is.
    run('mkfs.ext4', '-q', '-F', '-m', '0', image)
  }
  attach()
  return {
    root,
    fill: () => {
      const fd = openSync(ballast, 'a')
      try {
        for (const size of [64 * KIB, KIB, 1]) writeUntilFull(fd, size)
      } finally {
        closeSync(fd)
      }
      const { bavail } = statfsSync(root)
      if (bavail !== 0) throw new Error(`${bavail} blocks are left on the ${kind} that was filled`)
    },
    makeRoom: () => {
      rmSync(ballast)
    },
    failToReadOnly: () => {
      const device = run('findmnt', '-n', '-o', 'SOURCE', root).trim()
      writeFileSync(`/sys/fs/ext4/${basename(device)}/trigger_fs_error`, '1')
    },
    remount: (mode) => {
      run('mount', '-o', `remount,${mode}`, root)
    },
    cycle: () => {
      run('umount', root)
      mounted.splice(mounted.indexOf(root), 1)
      attach()
    },
  }
}

function writeUntilFull(fd: number, size: number): void {
  const bytes = Buffer.alloc(size, 'x')
  try {
    for (;;) {
      writeSync(fd, bytes)
      // Blocks that are only promised could still be given to another.
      if (size < 64 * KIB) fsyncSync(fd)
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
  }
}

function run(command: string, ...args: readonly string[]): string {
  try {
    return execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
  } catch (error) {
    const { code, stderr } = error as NodeJS.ErrnoException & { stderr?: string }
    throw new Error(
      `${command} ${args.join(' ')}: ${stderr?.trim() ?? code ?? ''}\n` +
        'The tests of full and read-only disks mount small file systems: run them as root, with loop devices ' +
        '(in a container: --privileged), and have util-linux and e2fsprogs installed.',
      { cause: error },
    )
  }
}
