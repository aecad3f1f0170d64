// Checks that a set belongs to the configured client. Asks the server port only if the configuration cannot tell.
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
   * @param anew The command that is about to begin a grant, if there is one.
   * @param rebind Accept another address of the server.
   * @throws {OtherClient} the set belongs to another client
   */
  async own(set: TokenSet, anew?: Anew, rebind = false): Promise<TokenSet> {
    const { store, server, apiUrl } = this.#parts
    const { client: bound } = set
    let named = await server.client()
    // Prepare the server, because the token endpoint of an issuer that was never asked is unknown.
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
