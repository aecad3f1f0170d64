// The options of `hq-token check`, for commander and for `plain.ts`, which must not load it.
import { seconds } from '../../../core/duration.js'
import { range, type Range } from '../../../core/range.js'
import { duration, fileName, type OptionRow, type OptionValue } from '../../options.js'

export interface CheckFlags {
  readonly warning?: Range
  readonly critical?: Range
  /** Seconds, as all below. Default: 15 minutes. */
  readonly failingFor?: number
  readonly maxAge?: number
  /** Default: 10. */
  readonly timeout?: number
  readonly prometheus?: string
  readonly all?: boolean
  readonly notify?: boolean
  /** Prints what was seen, for a check in another process. */
  readonly look?: boolean
}

const alertRange: OptionValue = {
  read: range,
  otherwise: 'A range is START:END, START: or END, such as 14d: or @0:3d.',
}

const DAY = 86_400

const timeLimit: OptionValue = {
  read: (text) => {
    const found = seconds(text)
    return found !== undefined && found > 0 && found <= DAY ? found : undefined
  },
  otherwise: 'A time limit is a duration from 1s to 1d.',
}

export const checkOptions: readonly OptionRow[] = [
  {
    flags: '-w, --warning <range>',
    description:
      'alert range for the time that the refresh token has left (default: 14d:, at most half of its life)',
    value: alertRange,
  },
  {
    flags: '-c, --critical <range>',
    description: 'likewise (default: 3d:, at most a tenth of its life)',
    value: alertRange,
  },
  {
    flags: '--failing-for <duration>',
    description: 'WARNING once refreshes have failed for so long (default: 15m)',
    value: duration,
  },
  {
    flags: '--max-age <duration>',
    description:
      'WARNING when the last success is older (default: 30d where the server tells no end of the refresh token)',
    value: duration,
  },
  {
    flags: '-t, --timeout <duration>',
    description: 'give up after so long: UNKNOWN (default: 10s)',
    value: timeLimit,
  },
  {
    flags: '--prometheus <file>',
    value: {
      // A dash begins the next option: the value is missing.
      read: (text) => (text === '-' || /^[^-]/.test(text) ? fileName.read(text) : undefined),
      otherwise: `A file has a name; ./-x is one that begins with a dash.${fileName.otherwise}`,
    },
    description: 'also write a textfile for node_exporter; - prints the metrics, and no status line',
  },
  {
    flags: '--all',
    description: 'a line for each profile of the config folder, and first one for all of them',
  },
  {
    flags: '--notify',
    description:
      'also tell people of what is due, as [notify] says; that may take as long as its timeout and lock_wait more',
  },
  { flags: '--look', description: 'print what was seen, for a check in another process', hidden: true },
]
