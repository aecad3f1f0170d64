// The options of `hq-token refresh`, for commander and for `plain.ts`, which must not load it.
import { duration, type OptionRow } from '../../options.js'

export interface RefreshFlags {
  /** Seconds. */
  readonly ifOlder?: number
  /** Accepts that the server of the grant has a new address. */
  readonly rebind?: boolean
  /** Says nothing where the exit code is 0 or 75. */
  readonly quiet?: boolean
}

export const refreshOptions: readonly OptionRow[] = [
  {
    flags: '--if-older <duration>',
    description: 'only if the last refresh is older: the keep-alive for cron',
    value: duration,
  },
  {
    flags: '--rebind',
    description: 'the same server has a new address: ask it there, and keep that address with the new tokens',
    conflicts: 'ifOlder',
  },
  {
    flags: '-q, --quiet',
    description: 'nothing on standard error where the exit code is 0 or 75, with -v too: for cron',
  },
]
