/** Names the thread that works on an exchange, and tells whether it still lives. Only Linux has such names. */
import { readFileSync, readlinkSync } from 'node:fs'
import { uptime } from 'node:os'
import type { Holder } from '../../core/token-set.js'
import { startOf } from '../../platform/processes.js'

/**
 * Names this thread as the one that works for a limited time. A thread and not the process, because two copies of
 * SQLite in two threads of a process do not see each other's locks.
 *
 * @param lastsMs Milliseconds.
 * @returns `undefined` if the system has no such names.
 */
export function holderFor(lastsMs: number): Holder | undefined {
  const me = thisThread()
  return me && { ...me, until: Math.ceil(uptime() + lastsMs / 1000) }
}

/** Whether a holder is another thread or process that lives, and its time is not over. */
export function isOtherAlive(holder: Holder): boolean {
  const me = thisThread()
  // Nothing can be known about another boot, or about a container with pids of its own.
  if (me === undefined || holder.boot !== me.boot || holder.pidNamespace !== me.pidNamespace) return false
  if (isSameThread(holder, me) || uptime() > holder.until) return false
  return startOf(String(holder.pid)) === holder.started
}

/** Whether a holder is this very thread. */
export function isMe(holder: Holder | undefined): boolean {
  const me = thisThread()
  return holder !== undefined && me !== undefined && holder.boot === me.boot && isSameThread(holder, me)
}

type Thread = Omit<Holder, 'until'>

function isSameThread(one: Thread, other: Thread): boolean {
  return one.pid === other.pid && one.started === other.started && one.pidNamespace === other.pidNamespace
}

function thisThread(): Thread | undefined {
  if (process.platform !== 'linux') return undefined
  try {
    const [, pid = ''] = /\/(\d+)$/.exec(readlinkSync('/proc/thread-self')) ?? []
    const started = startOf(pid)
    if (started === undefined) return undefined
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim()
    return { boot, pidNamespace: readlinkSync('/proc/self/ns/pid'), pid: Number(pid), started }
  } catch {
    // The system has no /proc.
    return undefined
  }
}
