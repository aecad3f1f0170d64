// Saves the answers that a dead process had received: the first step of each critical section that acts on a token
// set. Does no I/O except through its ports.
import { CodeExchange } from './code-exchange.js'
import type { HeldStore } from './store-ports.js'
import { RefreshExchange, type ExchangeParts } from './refresh-exchange.js'
import type { TokenSet } from './token-set.js'

export interface Recovered {
  /** The set in the store now; `undefined` if there is none. */
  readonly set: TokenSet | undefined
  /** The exchange that continues from this set; `undefined` if there is no set. */
  readonly exchange: RefreshExchange | undefined
  /** Whether the set comes from a login whose process had died. */
  readonly tookUpLogin: boolean
  /** Whether the set comes from a refresh whose process had died. */
  readonly tookUpRefresh: boolean
}

/**
 * Takes up the answers in the rescue file, a login's first, because its set replaces the one that a refresh was
 * for. Every section that reads a token set and acts on it begins with this; a section that does not says why.
 *
 * @param missing Supplies a set if the store has none.
 * @throws {StoreUnusable}
 */
export async function recover(
  held: HeldStore,
  parts: ExchangeParts,
  missing: () => Promise<TokenSet | undefined> = () => Promise.resolve(undefined),
): Promise<Recovered> {
  const before = await held.read()
  const signedIn = await new CodeExchange(held, before, parts).takeUp()
  const found = signedIn ?? (await missing())
  if (found === undefined)
    return { set: undefined, exchange: undefined, tookUpLogin: false, tookUpRefresh: false }
  const exchange = new RefreshExchange(held, found, parts)
  const set = await exchange.takeUp()
  return {
    ...{ set, exchange },
    tookUpLogin: signedIn !== undefined && signedIn.generation !== before?.generation,
    tookUpRefresh: set.generation > found.generation,
  }
}
