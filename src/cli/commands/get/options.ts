// The options of `hq-token get`, for commander and for the warm path, which must not load it.
import { duration, fileName, type OptionRow } from '../../options.js'
import { tokenFormats, type TokenFormat } from './formats.js'

export interface GetFlags {
  /** Seconds. */
  readonly minValid?: number
  /** Another name of `minValid`. */
  readonly time?: number
  readonly format: TokenFormat
  /** Always `-`, because a token does not belong on a command line. */
  readonly rejected?: string
  /** Standard output stays empty if this is a file; `-` is standard output. */
  readonly outfile?: string
}

export const getOptions: readonly OptionRow[] = [
  {
    flags: '-t, --min-valid <duration>',
    description: 'how long the token must still live (plain numbers are seconds)',
    value: duration,
  },
  { flags: '--time <duration>', description: 'the same as --min-valid', value: duration, hidden: true },
  {
    flags: '--format <format>',
    description: 'how to print the token',
    choices: tokenFormats,
    default: 'bare',
  },
  {
    flags: '--rejected <source>',
    description:
      'the token that the API refused, from - (standard input): refresh if the store still holds it, at most once an hour',
  },
  {
    flags: '--outfile <file>',
    description: 'write the token to a file, 0600 and replaced atomically, instead of standard output',
    value: fileName,
  },
]
