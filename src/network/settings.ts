/** How servers are reached: the types of it. Loads nothing. */

import type { TokenError } from '../core/errors.js'

/** PEM texts. */
export interface Credentials {
  /** Authorities to trust beside those that Node trusts by itself. */
  readonly ca: string | null
  /** What this client shows to servers that ask who it is; a proxy is not shown it. */
  readonly client: { readonly cert: string; readonly key: string } | null
}

/** How servers are reached. */
export interface NetworkSettings {
  /** For `https:`; plain http is sent straight. May hold a user name and a password: not for messages. */
  readonly proxy: URL | null
  /** Hosts that are reached without the proxy, as in `NO_PROXY`. */
  readonly noProxy: string
  /** Why the proxy is of no use, and servers that need one cannot be reached. */
  readonly proxyFault?: TokenError | null
  /**
   * Reads the files that are named; asked before anything is sent.
   *
   * @throws {ConfigInvalid}
   */
  readonly credentials: () => Credentials
}

/** Straight, with the authorities that Node trusts. */
export const STRAIGHT: NetworkSettings = {
  proxy: null,
  noProxy: '',
  credentials: () => ({ ca: null, client: null }),
}
