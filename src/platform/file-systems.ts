// Kinds of file systems, by the numbers that Linux has for them. Changes nothing. @see statfs(2)
import { readFileSync, statfsSync } from 'node:fs'

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

/** The same kinds as mountinfo names them, and those that a program of a user serves or brings when they are asked for. */
const MAY_HANG =
  /^(?:nfs4?|smb3|cifs|9p|afs|ceph|lustre|gpfs|gfs2|ocfs2|glusterfs|beegfs|autofs|fuse(?:blk|ctl)?(?:\..+)?)$/
/** Places where no store and no configuration lies; several kinds there are served by programs. */
const OF_THE_SYSTEM = /^\/(?:proc|sys|dev|run)(?:\/|$)/

/**
 * Whether a file system of this machine may keep a call waiting for good, because another machine or another program
 * serves it. Asks none of them. Systems that do not tell count as having one.
 *
 * @see proc(5), mountinfo
 */
export function mayHang(platform: NodeJS.Platform): boolean {
  if (platform !== 'linux') return true
  return readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .some((line) => {
      const [place = '', kind = ''] = [line.split(' ')[4], line.split(' - ')[1]?.split(' ')[0]]
      return MAY_HANG.test(kind) && !OF_THE_SYSTEM.test(place)
    })
}
