import type { ChildProcess } from 'node:child_process'
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

/** SIGSTOP, and waits until it stands still. False where it has ended by itself. */
export async function stop(child: ChildProcess): Promise<boolean> {
  child.kill('SIGSTOP')
  // Before each look: its number may be another process's as soon as its end is known here.
  while (child.exitCode === null && child.signalCode === null) {
    if (stateOf(child) === 'T') return true
    await sleep(1)
  }
  return false
}

function stateOf({ pid = 0 }: ChildProcess): string | undefined {
  try {
    return /\) (.)/.exec(readFileSync(`/proc/${pid}/stat`, 'latin1'))?.[1]
  } catch {
    return undefined
  }
}

/** Whether a living process has `path` open. */
export function hasOpen({ pid = 0 }: ChildProcess, path: string): boolean {
  const folder = `/proc/${pid}/fd`
  try {
    return readdirSync(folder).some((fd) => {
      try {
        return readlinkSync(`${folder}/${fd}`) === path
      } catch {
        // Closed meanwhile.
        return false
      }
    })
  } catch {
    return false
  }
}
