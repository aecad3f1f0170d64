/** Warns if a service manager deletes the last copies when a unit ends. Reads only the list of mounts. */
import { readFileSync } from 'node:fs'
import { warn, type Finding } from '../../core/finding.js'

/** A warning if the last copies would be deleted; nothing if they stay, and where there is no service manager of Linux. */
export function lastCopyWarnings(platform = process.platform, mounts?: string): Finding[] {
  if (platform !== 'linux') return []
  const isOfUnit = (mounts ?? mountsOf()).split('\n').some((mount) => {
    const [, , , root = '', at] = mount.split(' ')
    return at === '/var/tmp' && root.includes('/systemd-private-')
  })
  if (!isOfUnit) return []
  const message =
    '/tmp and /var/tmp are this unit’s own (PrivateTmp=): if the disk of the store fails during a refresh, the answer is kept there and is lost when the unit ends'
  return [
    warn(
      'last copies',
      message,
      'in the unit: set User= to a user of its own instead of DynamicUser=, and set PrivateTmp=no',
    ),
  ]
}

function mountsOf(): string {
  try {
    return readFileSync('/proc/self/mountinfo', 'utf8')
  } catch {
    return ''
  }
}
