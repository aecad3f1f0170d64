// This machine's clocks and its name. Reads them anew, except for the boot, and changes nothing.
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { hostname, uptime } from 'node:os'
import type { Host } from '../core/host.js'
import type { Clock } from '../core/clock.js'

/** This machine's clocks. */
export const machineClock: Clock = Object.assign(
  () => ({ now: wallClock(), boot: bootId(), uptime: Math.floor(linuxUptime() ?? uptime()) }),
  { now: wallClock },
)

function wallClock(): number {
  return Math.floor(Date.now() / 1000)
}

/** The names that tell this machine from others. */
export function machineHost(): Host {
  const id = lineOf('/etc/machine-id') ?? lineOf('/var/lib/dbus/machine-id')
  return { name: hostname(), id: id === null ? null : disguised(id), boot: bootId() }
}

/** Reads the file that `uptime()` reads, because loading `node:os` takes longer. `undefined` outside Linux. */
function linuxUptime(): number | undefined {
  const seconds = parseFloat(lineOf('/proc/uptime') ?? '')
  return Number.isFinite(seconds) ? seconds : undefined
}

let boot: string | null | undefined

/** Linux names each boot. Elsewhere there is none, and the wall clock has to do. */
function bootId(): string | null {
  boot ??= lineOf('/proc/sys/kernel/random/boot_id')
  return boot
}

/** Hashes the id, because it is the machine's own secret: machine-id(5) asks for a hash made for one application. */
function disguised(id: string): string {
  return createHash('sha256').update(`hq-token ${id}`).digest('hex').slice(0, 12)
}

/** Not on Windows, because such a path would be on the current drive, where anybody may have made it. */
function lineOf(path: string): string | null {
  if (process.platform === 'win32') return null
  try {
    return readFileSync(path, 'utf8').trim() || null
  } catch {
    return null
  }
}
