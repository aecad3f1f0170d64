import { isUnconfigured, notConfigured } from '../core/unconfigured.js'
import { ConfigInvalid, hinted, LOGIN_HINT, LoginRequired } from '../core/errors.js'
import { waits } from '../core/logins.js'
import type { PendingLogin } from '../core/ports.js'
import type { Session } from './context.js'

type Known = Pick<
  Session['config'],
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
    return 'hq-token login --complete - (a login waits for its answer), or begin anew: hq-token login'
  if (config.file === null && config.clientId === null) return 'hq-token init'
  if (unfit.length > 0)
    return `mend what hq-token doctor shows of the configuration, then: hq-token login${SEED}`
  if (authorizeUrl === null && issuer === null) return `set authorize_url, then: hq-token login${SEED}`
  if (redirectUri === null) return `set redirect_uri in the configuration, then: hq-token login${SEED}`
  const isHere = /^http:\/\/(?:localhost|127\.[\d.]+|\[::1\])(?:[:/]|$)/.test(redirectUri)
  return `hq-token login${isHere ? '' : ' --no-browser'}${SEED}`
}

/** Does the work of a command; where a person must log in, says how it is done here. */
export async function namingTheNextStep<T>(session: Session, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    const { config, store, world } = session
    const isMissing = error instanceof LoginRequired || error instanceof ConfigInvalid
    if (isMissing && isUnconfigured(config) && (await isEmpty(store))) throw notConfigured()
    if (!(error instanceof LoginRequired) || error.hint?.includes(LOGIN_HINT) !== true) throw error
    const way = nextCommand(config, await store.login().catch(() => undefined), world.clock().now)
    throw hinted(error, error.hint.replace(LOGIN_HINT, way))
  }
}

/** A grant that has ended is a matter of logging in, whatever is configured. */
async function isEmpty(store: Session['store']): Promise<boolean> {
  return (await store.read()) === undefined && (await store.login()) === undefined
}
