// This machine's clocks. Reads them anew, except for the boot, and changes nothing.
import { readFileSync } from 'node:fs'
import { uptime } from 'node:os'
import type { Clock } from '../core/clock.js'

/** This machine's clocks. */
export const machineClock: Clock = Object.assign(
  () => ({ now: wallClock(), boot: bootId(), uptime: Math.floor(linuxUptime() ?? uptime()) }),
  { now: wallClock },
)

function wallClock(): number {
  return Math.floor(Date.now() / 1000)
}

/** Reads the file that `uptime()` reads, because loading `node:os` takes longer. `undefined` outside Linux. */
function linuxUptime(): number | undefined {
  const seconds = parseFloat(lineOf('/proc/uptime') ?? '')
  return Number.isFinite(seconds) ? seconds : undefined
}

let boot: string | null | undefined

/** Linux names each boot by a file. Elsewhere the wall clock has to do, because a `get` starts no program to ask. */
export function bootId(): string | null {
  boot ??= lineOf('/proc/sys/kernel/random/boot_id')
  return boot
}

/** Not on Windows, because such a path would be on the current drive, where anybody may have made it. */
export function lineOf(path: string): string | null {
  if (process.platform === 'win32') return null
  try {
    return readFileSync(path, 'utf8').trim() || null
  } catch {
    return null
  }
}
