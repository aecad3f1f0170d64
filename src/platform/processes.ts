// Names for what a process leaves behind if it is killed. By the name the next process knows whether it still
// lives.
import { createHash } from 'node:crypto'
import { readFileSync, readlinkSync } from 'node:fs'

/**
 * Names this process in letters for a file's name: the boot, the namespace that its id counts in, the id, and when
 * it began, because ids are given anew. Only Linux tells all of them.
 */
export function processMark(platform = process.platform): string {
  return `${namespace(platform)}-${boot(platform)}-${process.pid}-${startOf(process.pid, platform) ?? 0}`
}

/** A mark of `processMark`, for a regular expression. */
export const MARK = '\\d+-[0-9a-f]{8}-\\d+-\\d+'

/**
 * Says what has become of the process of a mark. `rebooted`: this machine has been started since, or the mark is of
 * another machine that shares the folder. `elsewhere`: the process is in another container, whose processes cannot
 * be seen here.
 */
export function fateOf(
  mark: string,
  platform = process.platform,
): 'alive' | 'dead' | 'rebooted' | 'elsewhere' {
  const [space, since, pid, start] = mark.split('-')
  if (space !== namespace(platform)) return 'elsewhere'
  if (since !== boot(platform)) return 'rebooted'
  if (!isThere(Number(pid))) return 'dead'
  // Whoever made the mark without /proc cannot be told from another by it.
  return start === '0' || startOf(Number(pid), platform) === Number(start) ? 'alive' : 'dead'
}

/** A process of another user is alive, too. */
function isThere(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return !(error instanceof Error && 'code' in error && error.code === 'ESRCH')
  }
}

function namespace(platform: NodeJS.Platform): string {
  try {
    return /\d+/.exec(readlinkSync(proc('self/ns/pid', platform)))?.[0] ?? '0'
  } catch {
    return '0'
  }
}

function boot(platform: NodeJS.Platform): string {
  try {
    const id = readFileSync(proc('sys/kernel/random/boot_id', platform))
    return createHash('sha256').update(id).digest('hex').slice(0, 8)
  } catch {
    return '0'.repeat(8)
  }
}

/**
 * When a process or a thread started, in ticks since the boot; `undefined` where there is none such, only what is left of
 * a dead one, or no /proc.
 *
 * @see proc_pid_stat(5)
 */
export function startOf(pid: number | string, platform = process.platform): number | undefined {
  try {
    const stat = readFileSync(proc(`${pid}/stat`, platform), 'latin1')
    // The second field is the program's name, which may hold anything.
    const [state = '', ...rest] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    const started = Number(rest[18])
    return /[ZXx]/.test(state) || !Number.isSafeInteger(started) ? undefined : started
  } catch {
    return undefined
  }
}

/**
 * On Windows this would be a folder of the current drive, which anybody may make.
 *
 * @throws There, as if it were missing.
 */
function proc(name: string, platform: NodeJS.Platform): string {
  if (platform === 'win32') throw new Error('Windows has no /proc')
  return `/proc/${name}`
}
