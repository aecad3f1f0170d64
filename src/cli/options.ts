// The options of every command, as rows that commander and the warm path both read. May not load commander.
import { seconds } from '../core/duration.js'

/** An option of the command line, for commander and for `plain.ts`. */
export interface OptionRow {
  /** As commander writes it: `-t, --min-valid <duration>`. */
  readonly flags: string
  readonly description: string
  readonly choices?: readonly string[]
  /** Turns the text into the value; without it the text is the value. */
  readonly value?: OptionValue
  readonly default?: string
  readonly hidden?: true
  /** The name of an option that cannot stand beside this one, as commander writes it: `ifOlder`. */
  readonly conflicts?: string
}

export interface OptionValue<Value = unknown> {
  /** `undefined` for a text that is no value. */
  readonly read: (text: string) => Value | undefined
  /** The message for such a text. */
  readonly otherwise: string
}

/** A span of time, in seconds. */
export const duration: OptionValue<number> = {
  read: seconds,
  otherwise: 'A duration is a number of seconds, or 90s, 30m, 5h, 10d.',
}

/** The options of every command. */
export const globalOptions: readonly OptionRow[] = [
  { flags: '--config <file>', description: 'config file (HQ_TOKEN_CONFIG)' },
  {
    flags: '--profile <name>',
    description: 'profile: another config and another store (HQ_TOKEN_PROFILE)',
  },
  { flags: '-v, --verbose', description: 'say more on standard error' },
  {
    flags: '--log-format <format>',
    description: 'format of the lines on standard error',
    choices: ['text', 'json'],
  },
]
