/** What a service manager takes away when a unit ends. */
import { readFileSync } from 'node:fs'
import { warn, type Finding } from '../../core/finding.js'

/** What becomes of the answers that another disk keeps where this one fails. Nothing is said where they stay. */
export function lastCopies(mounts = mountsOf()): Finding[] {
  const isOfUnit = mounts.split('\n').some((mount) => {
    const [, , , root = '', at] = mount.split(' ')
    return at === '/var/tmp' && root.includes('/systemd-private-')
  })
  if (!isOfUnit) return []
  const message =
    '/tmp and /var/tmp are this unit’s own (PrivateTmp=): should the disk of the store fail within a refresh, the answer that is kept there goes when the unit ends'
  return [
    warn('last copies', message, 'in the unit: User= of its own in place of DynamicUser=, and PrivateTmp=no'),
  ]
}

function mountsOf(): string {
  try {
    return readFileSync('/proc/self/mountinfo', 'utf8')
  } catch {
    return ''
  }
}
