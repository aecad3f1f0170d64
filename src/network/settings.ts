/** The types of the network settings. Loads nothing. */

import type { TokenError } from '../core/errors.js'

/** Certificates and keys as PEM texts. */
export interface Credentials {
  /** Authorities to trust in addition to Node's own. */
  readonly ca: string | null
  /** The certificate that this client shows to servers that ask for one; a proxy never sees it. */
  readonly client: { readonly cert: string; readonly key: string } | null
}

/** The settings by which servers are reached. */
export interface NetworkSettings {
  /** Used for `https:`; plain http goes straight. May hold a user name and a password, so it must not be printed. */
  readonly proxy: URL | null
  /** Hosts that are reached without the proxy, as in `NO_PROXY`. */
  readonly noProxy: string
  /** Why the proxy cannot be used; servers that need it cannot be reached then. */
  readonly proxyFault?: TokenError | null
  /**
   * Reads the named files; called before anything is sent.
   *
   * @throws {ConfigInvalid}
   */
  readonly credentials: () => Credentials
}

/** The default: no proxy, and Node's own authorities. */
export const STRAIGHT: NetworkSettings = {
  proxy: null,
  noProxy: '',
  credentials: () => ({ ca: null, client: null }),
}
