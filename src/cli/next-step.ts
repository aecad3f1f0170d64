// Names the next command on the way to a token set, and after it. Prints nothing.
import { existsSync } from 'node:fs'
import { isLoopbackRedirect } from '../core/address.js'
import { waits } from '../core/logins.js'
import type { PendingLogin } from '../core/store-ports.js'
import type { Opened } from '../wiring/open.js'

type Known = Pick<
  Opened['config'],
  'file' | 'clientId' | 'tokenUrl' | 'redirectUri' | 'authorizeUrl' | 'issuer' | 'unfit'
>

const SEED = '; or put a new token into a seed file, then: hq-token seed FILE'

/**
 * The next command on the way to a token set, as things stand.
 *
 * @param now Epoch seconds.
 */
export function nextCommand(config: Known, pending: PendingLogin | undefined, now: number): string {
  const { redirectUri, authorizeUrl, issuer, unfit } = config
  if (pending !== undefined && waits(pending, now))
    return 'hq-token login --complete - (a login waits for its answer), or begin again: hq-token login'
  if (config.file === null && config.clientId === null) return 'hq-token init'
  if (unfit.length > 0)
    return `fix what hq-token doctor shows of the configuration, then: hq-token login${SEED}`
  if (authorizeUrl === null && issuer === null) return `set authorize_url, then: hq-token login${SEED}`
  if (redirectUri === null) return `set redirect_uri in the configuration, then: hq-token login${SEED}`
  const isHere = URL.canParse(redirectUri) && isLoopbackRedirect(new URL(redirectUri))
  return `hq-token login${isHere ? '' : ' --no-browser'}${SEED}`
}

/** The command that most hosts lack once there is a grant: the one that keeps it alive while no job runs. */
export function keepAliveCommand(platform: NodeJS.Platform): string {
  const target =
    { darwin: 'launchd', win32: 'windows' }[platform as string] ??
    (platform === 'linux' && existsSync('/run/systemd/system') ? 'systemd' : 'cron')
  return `hq-token schedule ${target} keeps the grant alive while no job runs`
}
