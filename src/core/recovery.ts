// What a critical section does first: it saves what a process that died had received. No I/O of its own.
import { CodeExchange } from './code-exchange.js'
import type { HeldStore } from './store-ports.js'
import { RefreshExchange, type ExchangeParts } from './refresh-exchange.js'
import type { TokenSet } from './token-set.js'

export interface Recovered {
  /** The set as it stands in the store now; `undefined` where there is none. */
  readonly set: TokenSet | undefined
  /** The exchange that goes on from it; `undefined` where there is no set. */
  readonly exchange: RefreshExchange | undefined
  /** Whether the set came of a login whose process had died. */
  readonly isSignedIn: boolean
  /** Whether the set came of a refresh whose process had died. */
  readonly isLanded: boolean
}

/**
 * Takes up the answers that wait in the rescue file: a login's first, because its set replaces the one that a refresh was
 * for. Every section that reads a token set and acts on it begins with this; one that does not says why.
 *
 * @param missing Asked for a set where the store has none.
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
  if (found === undefined) return { set: undefined, exchange: undefined, isSignedIn: false, isLanded: false }
  const exchange = new RefreshExchange(held, found, parts)
  const set = await exchange.takeUp()
  return {
    ...{ set, exchange },
    isSignedIn: signedIn !== undefined && signedIn.generation !== before?.generation,
    isLanded: set.generation > found.generation,
  }
}
