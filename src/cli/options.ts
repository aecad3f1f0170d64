// The options of every command, as rows that commander and the warm path both read. May not load commander.
import { win32 } from 'node:path'
import { seconds } from '../core/duration.js'
import { windowsSpelling } from '../platform/windows-path.js'

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

/** The name of a file or a folder, or `-`. @param platform For tests. */
export function fileNameOn(platform: NodeJS.Platform): OptionValue<string> {
  return {
    read: (text) => {
      if (platform !== 'win32' || text === '' || text === '-') return text
      const path = win32.resolve(text)
      const spelling = windowsSpelling(path, platform)
      if (typeof spelling !== 'string') return undefined
      return spelling === path ? text : spelling
    },
    otherwise:
      platform === 'win32'
        ? ' No name on Windows holds < > " | ? * or a colon, is that of a device such as NUL, or ends in a space.'
        : '',
  }
}

export const fileName = fileNameOn(process.platform)

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
