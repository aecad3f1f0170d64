// Prints an access token that works. Prints nothing else to standard output.
import { rfc3339 } from '../../../core/clock.js'
import { ServerUnavailable, UsageError } from '../../../core/errors.js'
import { Secret } from '../../../core/secret.js'
import { hints } from '../../../platform/hints.js'
import { assertNotOwn } from '../../../wiring/own-files.js'
import type { Session } from '../../session.js'
import { formatted } from './formats.js'
import { readText } from '../../terminal/input.js'
import type { GetFlags } from './options.js'
import { namesFile, replaceFile } from '../../terminal/output-file.js'
import { writeOut } from '../../terminal/output.js'
import type { World } from '../../world.js'

const REJECTED = 'hq-token get --rejected -'

/** Prints an access token that works, and nothing else. */
export async function get(session: Session, options: GetFlags): Promise<void> {
  await handOut(await answerOf(session, options), options, session.world)
}

/** The text to print. @throws {TokenError} */
export async function answerOf(session: Session, options: GetFlags): Promise<string> {
  const { world, guard } = session
  if (namesFile(options.outfile)) assertNotOwn(options.outfile, '--outfile', session.config)
  const minValid = options.minValid ?? options.time
  const rejected =
    options.rejected === undefined ? undefined : await rejectedToken(options.rejected, world.stdin)
  const token = await guard.token({
    ...(minValid !== undefined && { minValid }),
    ...(rejected !== undefined && { rejected }),
  })
  // A refusal is a reason to refresh at most once an hour, because its cause may be a missing permission.
  if (rejected?.equals(token.secret) === true)
    throw new ServerUnavailable('the store holds no other token than the one that the API refuses', {
      hint: 'check what the user of the token may do there; to refresh anyway: hq-token refresh',
    })
  if (session.voice.isVerbose) await tellOfRefreshToken(session)
  return formatted(token, options.format, world.clock().now)
}

async function tellOfRefreshToken({ store, voice }: Session): Promise<void> {
  // The token is good without it.
  const set = await store.read().catch(() => undefined)
  const end = set?.pair.refreshExpiresAt
  if (end === undefined) return
  voice.notice({
    level: 'info',
    message:
      end === null
        ? 'the server does not say how long the refresh token lives'
        : `the refresh token ends at ${rfc3339(end)}`,
  })
}

/** @throws {OutputFailed} */
export function handOut(
  answer: string | Uint8Array,
  { outfile }: Pick<GetFlags, 'outfile'>,
  { stdout }: Pick<World, 'stdout'>,
): Promise<void> {
  return namesFile(outfile) ? replaceFile(outfile, answer) : writeOut(stdout, answer)
}

async function rejectedToken(source: string, stdin: Session['world']['stdin']): Promise<Secret> {
  if (source !== '-')
    throw new UsageError(
      '--rejected takes the token from standard input only: a command line can be read by everyone',
      {
        hint: hints.fedBy('TOKEN', REJECTED),
      },
    )
  const text = await readText(stdin, 'a rejected token', REJECTED)
  // The formats that `get` prints are taken, too.
  const token = text.trim().replace(/^(?:Authorization: *)?Bearer +/i, '')
  if (token === '')
    throw new UsageError('--rejected - found no token on standard input', {
      hint: hints.fedBy('TOKEN', REJECTED),
    })
  return new Secret(token)
}
