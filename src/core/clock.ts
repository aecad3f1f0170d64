/** One instant, by both clocks of a machine: the wall's, which may jump, and the uptime's, which may pause. */
export interface ClockReading {
  /** Whole seconds since the Unix epoch. */
  readonly now: number
  /** Names this boot of the machine; `null` where the system does not tell. */
  readonly boot: string | null
  /** Seconds since the machine started, time suspended included. Comparable within one boot only. */
  readonly uptime: number
}

/** Tells the time: `machineClock`, or one of a test's. */
export interface Clock {
  /** This instant. */
  (): ClockReading
  /** `now` alone, where that is told quicker than all of it. */
  readonly now?: () => number
}

/** The end of the year 9999: what is later cannot be written as a date. */
export const LAST_INSTANT = 253_402_300_799

/** UTC, whole seconds; total. @see RFC 3339 */
export function rfc3339(epochSeconds: number): string {
  const instant = Math.min(Math.max(Math.floor(epochSeconds), 0), LAST_INSTANT)
  return new Date(instant * 1000).toISOString().replace('.000Z', 'Z')
}
