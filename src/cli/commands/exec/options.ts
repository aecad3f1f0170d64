// The options of `hq-token exec`, for commander and for `plain.ts`, which must not load it.
import { duration, type OptionRow } from '../../options.js'

export interface ExecFlags {
  /** Seconds. */
  readonly minValid?: number
  readonly tokenFile?: boolean
}

export const execOptions: readonly OptionRow[] = [
  {
    flags: '-t, --min-valid <duration>',
    description: 'how long the token must still live (plain numbers are seconds)',
    value: duration,
  },
  {
    flags: '--token-file',
    description: 'also keep a fresh token in a file while the command runs; HQ_TOKEN_FILE names the file',
  },
]
