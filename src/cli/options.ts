import { seconds } from '../core/duration.js'

/** An option of the command line, for whoever reads it: commander, and the short way of a plain `get`. */
export interface OptionRow {
  /** As commander writes it: `-t, --min-valid <duration>`. */
  readonly flags: string
  readonly description: string
  readonly choices?: readonly string[]
  /** From the text to the value; without one the text is the value. */
  readonly value?: OptionValue
  readonly default?: string
  readonly hidden?: true
}

export interface OptionValue {
  /** `undefined` for what is none. */
  readonly read: (text: string) => number | undefined
  /** What is said then. */
  readonly otherwise: string
}

/** In seconds. */
export const duration: OptionValue = {
  read: seconds,
  otherwise: 'A duration is a number of seconds, or 90s, 30m, 5h, 10d.',
}

/** What every command takes. */
export const globalOptions: readonly OptionRow[] = [
  { flags: '--config <file>', description: 'config file (HQ_TOKEN_CONFIG)' },
  {
    flags: '--profile <name>',
    description: 'profile: another config and another store (HQ_TOKEN_PROFILE)',
  },
  { flags: '-v, --verbose', description: 'say more on standard error' },
  { flags: '--log-format <format>', description: 'how standard error is written', choices: ['text', 'json'] },
]
