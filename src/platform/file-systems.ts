// Kinds of file systems, by the numbers that Linux has for them. Changes nothing. @see statfs(2)
import { statfsSync } from 'node:fs'

/** File systems that keep their files on another machine. */
export const REMOTE: ReadonlyMap<number, string> = new Map([
  [0x6969, 'NFS'],
  [0x517b, 'SMB'],
  [0xff534d42, 'CIFS'],
  [0xfe534d42, 'SMB 2'],
  [0x01021997, '9P'],
  [0x5346414f, 'AFS'],
  [0x00c36400, 'Ceph'],
  [0x0bd00bd0, 'Lustre'],
  [0x47504653, 'GPFS'],
  [0x01161970, 'GFS2'],
  [0x7461636f, 'OCFS2'],
])
export const FUSE = 0x65735546
export const IN_MEMORY: ReadonlyMap<number, string> = new Map([
  [0x01021994, 'tmpfs'],
  [0x858458f6, 'ramfs'],
])

/** File systems by which the kernel shows itself. */
export const NOT_FOR_FILES: ReadonlyMap<number, string> = new Map([
  [0x9fa0, 'proc'],
  [0x62656572, 'sysfs'],
  [0x63677270, 'cgroup2'],
  [0x1cd1, 'devpts'],
])

/** Whether a folder's files are in memory, and can at most be written out to swap. */
export function isTmpfs(folder: string): boolean {
  try {
    return process.platform === 'linux' && IN_MEMORY.get(statfsSync(folder).type) === 'tmpfs'
  } catch {
    return false
  }
}
