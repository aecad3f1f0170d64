// The clocks that the core is given, and how an instant is written. Reads no clock itself.
/** One instant by both clocks of a machine: the wall clock, which may jump, and the uptime, which may pause. */
export interface ClockReading {
  /** Whole seconds since the Unix epoch. */
  readonly now: number
  /** Names this boot of the machine; `null` if the system does not tell. */
  readonly boot: string | null
  /** Seconds since the machine started, suspended time included. Comparable within one boot only. */
  readonly uptime: number
}

/** Tells the time: `machineClock`, or a test's clock. */
export interface Clock {
  /** This instant. */
  (): ClockReading
  /** Only the wall clock's `now`, if that is quicker to read. */
  readonly now?: () => number
}

/** The end of the year 9999: no later instant can be written as a date. */
export const LAST_INSTANT = 253_402_300_799

/** UTC, whole seconds; total. @see RFC 3339 */
export function rfc3339(epochSeconds: number): string {
  const instant = Math.min(Math.max(Math.floor(epochSeconds), 0), LAST_INSTANT)
  return new Date(instant * 1000).toISOString().replace('.000Z', 'Z')
}
