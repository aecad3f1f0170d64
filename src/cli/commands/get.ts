import { ServerUnavailable, UsageError } from '../../core/errors.js'
import { Secret } from '../../core/secret.js'
import type { Session } from '../context.js'
import { formatted, type TokenFormat } from '../formats.js'
import { readAll } from '../input.js'
import { replaceFile } from '../outfile.js'
import { writeOut } from '../output.js'

export interface GetOptions {
  /** Seconds. */
  readonly minValid?: number
  readonly format: TokenFormat
  /** Always `-`: a token has no place on a command line. */
  readonly rejected?: string
  /** Standard output stays empty then; `-` is standard output. */
  readonly outfile?: string
}

/** Prints an access token that works, and nothing else. */
export async function get({ world, guard }: Session, options: GetOptions): Promise<void> {
  const rejected =
    options.rejected === undefined ? undefined : await rejectedToken(options.rejected, world.stdin)
  const token = await guard.token({
    ...(options.minValid !== undefined && { minValid: options.minValid }),
    ...(rejected !== undefined && { rejected }),
  })
  // Once an hour a refusal is a reason to refresh: what comes of it may be refused for want of permission.
  if (rejected?.equals(token.secret) === true)
    throw new ServerUnavailable('there is no other token than the one that the API refuses', {
      hint: 'check what its user may do there; to refresh all the same: hq-token refresh',
    })
  const answer = formatted(token, options.format, world.clock().now)
  await (options.outfile === undefined || options.outfile === '-'
    ? writeOut(world.stdout, answer)
    : replaceFile(options.outfile, answer))
}

async function rejectedToken(source: string, stdin: Session['world']['stdin']): Promise<Secret> {
  if (source !== '-')
    throw new UsageError(
      '--rejected takes the token from standard input only: a command line can be read by everyone',
      {
        hint: 'printf %s "$TOKEN" | hq-token get --rejected -',
      },
    )
  const text = (await readAll(stdin, 'a rejected token', 'hq-token get --rejected -')).toString('utf8').trim()
  if (text === '')
    throw new UsageError('--rejected - found no token on standard input', {
      hint: 'printf %s "$TOKEN" | hq-token get --rejected -',
    })
  return new Secret(text)
}
