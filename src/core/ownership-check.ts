// Compares whose grant a set is with the client that the configuration names. Asks the server who it is where only that can tell.
import { isSameClient } from './client.js'
import { asSeenBy, mayUse, otherClient, type Anew } from './ownership.js'
import type { AuthorizationServer } from './ports.js'
import type { TokenStore } from './store-ports.js'
import type { TokenSet } from './token-set.js'

export interface OwnershipParts {
  readonly store: Pick<TokenStore, 'name'>
  readonly server: Pick<AuthorizationServer, 'client' | 'prepare'>
  readonly apiUrl: URL | null
}

export class OwnershipCheck {
  readonly #parts: OwnershipParts

  constructor(parts: OwnershipParts) {
    this.#parts = parts
  }

  /**
   * The set as the configured client sees it.
   *
   * @param anew The command that is to begin a grant, if one is.
   * @param rebind Another address of the server is none that counts.
   * @throws {OtherClient} it is another client's
   */
  async own(set: TokenSet, anew?: Anew, rebind = false): Promise<TokenSet> {
    const { store, server, apiUrl } = this.#parts
    const { client: bound } = set
    let named = await server.client()
    // Of an issuer that was never asked the token endpoint is not known: only that can tell.
    if (bound !== null && isSameClient(bound, named) === undefined && !rebind) {
      await server.prepare()
      named = await server.client()
    }
    const isTheirs = bound !== null && !mayUse(set, named, apiUrl)
    if (isTheirs && !(rebind && bound.clientId === named.clientId))
      throw otherClient(store.name, bound, named, anew)
    return asSeenBy(set, named)
  }
}
