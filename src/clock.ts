import { readFileSync } from 'node:fs'
import { uptime } from 'node:os'
import type { Clock } from './core/moment.js'

/** This machine's clocks. */
export const machineClock: Clock = () => ({
  now: Math.floor(Date.now() / 1000),
  boot: bootId(),
  uptime: Math.floor(uptime()),
})

let boot: string | null | undefined

/** Linux names each boot; elsewhere the wall clock has to do. */
function bootId(): string | null {
  if (boot === undefined) {
    try {
      boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
    } catch {
      boot = null
    }
  }
  return boot
}
