/** One instant, by both clocks of a machine: the wall's, which may jump, and the uptime's, which may pause. */
export interface Moment {
  /** Whole seconds since the Unix epoch. */
  readonly now: number
  /** Names this boot of the machine; `null` where the system does not tell. */
  readonly boot: string | null
  /** Seconds since the machine started, time suspended included. Comparable within one boot only. */
  readonly uptime: number
}

export type Clock = () => Moment
