// Finds the descriptors that this process was started with. Opens what lists them, and nothing else.
import { fstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'

/**
 * The descriptors beyond the standard streams that this process was started with: a shell's `3<FILE`, and on Linux
 * `<(…)`. Call it before anything is opened: what this program opens would be among them.
 */
export function inheritedDescriptors(
  argv: readonly string[],
  platform: NodeJS.Platform = process.platform,
): readonly number[] {
  if (!argv.includes('exec')) return []
  if (platform === 'linux') return descriptors()
  return platform === 'darwin' ? filesAndDevices() : []
}

/**
 * macOS lists the descriptors, and does not say which pipe is Node's own, nor lets a child have Node's event queue. So
 * no pipe is among these, nor what is in Node only: a queue, a socket.
 */
function filesAndDevices(): number[] {
  try {
    const fds = readdirSync('/dev/fd').map(Number)
    return fds.filter((fd) => fd > 2 && isFileOrDevice(fd))
  } catch {
    return []
  }
}

function isFileOrDevice(fd: number): boolean {
  try {
    const stats = fstatSync(fd)
    return stats.isFile() || stats.isDirectory() || stats.isCharacterDevice() || stats.isBlockDevice()
  } catch {
    // This descriptor listed the others, and is closed since.
    return false
  }
}

interface Descriptor {
  readonly fd: number
  /** The target of the descriptor, in the kernel's words. */
  readonly of: string
  readonly isWritable: boolean
}

function descriptors(): number[] {
  const all = open()
  const written = new Set(all.filter(({ isWritable }) => isWritable).map(({ of }) => of))
  const read = new Set(all.filter(({ isWritable }) => !isWritable).map(({ of }) => of))
  // Node's own: its event loops, and pipes that lead from the process to itself.
  const isOwn = (of: string): boolean =>
    of.startsWith('anon_inode:') || (of.startsWith('pipe:') && written.has(of) && read.has(of))
  return all.filter(({ of }) => !isOwn(of)).map(({ fd }) => fd)
}

function open(): Descriptor[] {
  try {
    const fds = readdirSync('/proc/self/fd').map(Number)
    return fds.filter((fd) => fd > 2).flatMap(described)
  } catch {
    return []
  }
}

function described(fd: number): Descriptor[] {
  try {
    const of = readlinkSync(`/proc/self/fd/${fd}`)
    const [, access] = /^flags:\s+\d*(\d)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'latin1')) ?? []
    return [{ fd, of, isWritable: access !== '0' }]
  } catch {
    // This descriptor listed the others, and is closed since.
    return []
  }
}
