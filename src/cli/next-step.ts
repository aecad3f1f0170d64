// Names the next command on the way to a token set. Prints nothing.
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
