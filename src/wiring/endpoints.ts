// Finds the endpoints of an issuer: in the configuration, else in the store, else by asking the issuer. Sends no
// token.
import { namedClient, withEndpoints, type Config } from '../config/load.js'
import type { NamedClient } from '../core/client.js'
import { ConfigInvalid } from '../core/errors.js'
import type { Clock } from '../core/clock.js'
import type { TokenStore } from '../core/store-ports.js'
import type { Discovered } from '../core/ports.js'
import type { Network } from '../network/network.js'

/** Keeps what an issuer has named: `HeldStore.pin`, which needs the store's lock. */
export type Keep = (found: Discovered) => Promise<void>

export interface EndpointsParts {
  readonly store: TokenStore
  /** Makes the way to the issuer. @throws {ConfigInvalid} */
  readonly agent: (first: URL | null) => Promise<Network['agent']>
  readonly clock: Clock
}

/** The configuration with the endpoints of its issuer, if it names one. */
export class Endpoints {
  readonly #config: Config
  readonly #parts: EndpointsParts

  constructor(config: Config, parts: EndpointsParts) {
    this.#config = config
    this.#parts = parts
  }

  /**
   * The configuration with the endpoints that are known, without asking anybody. An issuer's may still be `null`.
   *
   * @throws {ConfigInvalid} if the store keeps a token endpoint that is not fit
   * @throws {StoreUnusable}
   */
  async known(): Promise<Config> {
    if (this.#config.issuer === null) return this.#config
    return withEndpoints(this.#config, await this.#parts.store.discovered())
  }

  /**
   * The client that the configuration names, as far as it is known without asking anybody. An address that is not
   * fit counts as not known.
   *
   * @throws {StoreUnusable}
   */
  async client(): Promise<NamedClient> {
    const discovered = await this.#parts.store.discovered()
    return namedClient(knownHere(this.#config, discovered).config, discovered)
  }

  /**
   * The configuration for a request to the token endpoint. Asks the issuer if that endpoint is not known.
   *
   * @param keep Called under the store's lock, so that one of many processes asks. Without it nothing is kept.
   * @throws As `known`.
   * @throws {ConfigInvalid} the issuer's answer cannot be used
   * @throws {ServerUnavailable} the issuer could not be asked
   */
  async withDiscovery(keep?: Keep): Promise<Config> {
    const known = await this.known()
    if (known.issuer === null || known.tokenUrl !== null) return known
    const found = await this.#ask(known.issuer)
    await keep?.(found)
    return withEndpoints(this.#config, found)
  }

  /**
   * Does the same as `withDiscovery`, ahead of the first request that needs it.
   *
   * @param waitMs Milliseconds to wait for the store's lock.
   * @throws As `withDiscovery`.
   * @throws {LockTimeout | StoreUnusable}
   */
  async inAdvance(waitMs: number): Promise<Config> {
    const known = await this.known()
    if (known.issuer === null || known.tokenUrl !== null) return known
    // Without a recovery, because this section reads and changes no token set.
    return this.#parts.store.exclusive((held) => this.withDiscovery((found) => held.pin(found)), { waitMs })
  }

  /**
   * The configuration for a logout. Asks an issuer that was never asked, unless there is nothing to revoke.
   *
   * @throws As `withDiscovery`.
   */
  async forRevocation(): Promise<Config> {
    const { store } = this.#parts
    const { issuer, revocationUrl } = this.#config
    if (issuer === null || revocationUrl !== null || (await store.isUntouched())) return this.known()
    const kept = await store.discovered()
    // If this issuer was asked and named no revocation endpoint, it has none.
    const found = kept?.issuer === issuer ? kept : await this.#ask(issuer)
    return withEndpoints(this.#config, found, 'revocationUrl')
  }

  async #ask(issuer: string): Promise<Discovered> {
    const agent = await this.#parts.agent(new URL(issuer))
    const { discover } = await import('../oauth/discovery.js')
    return discover(issuer, agent({ connectMs: 10_000, idleMs: 15_000 }), this.#parts.clock().now)
  }
}

/** The configuration as far as the store completes it; `problem` says why the store's endpoints cannot be used. */
export function knownHere(
  config: Config,
  discovered: Discovered | undefined,
): { readonly config: Config; readonly problem: ConfigInvalid | undefined } {
  try {
    return { config: withEndpoints(config, discovered), problem: undefined }
  } catch (error) {
    if (!(error instanceof ConfigInvalid)) throw error
    return { config, problem: error }
  }
}
