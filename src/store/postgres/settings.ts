/** The types of the settings of a shared store's database. Loads nothing. */

import type { Secret } from '../../core/secret.js'

export interface DatabaseHost {
  /** A name, an address without brackets, or the folder of a socket, which begins with a slash. */
  readonly name: string
  readonly port: number
  /** False only for this machine itself. Else the server's certificate must be of a trusted authority and of this name. */
  readonly isTls: boolean
}

/** The settings by which the database is reached. */
export interface SharedStoreSettings {
  /** The URL without the password, for messages. */
  readonly display: string
  /** In the order in which they are tried; one of them can write. */
  readonly hosts: readonly DatabaseHost[]
  /** @throws {ConfigInvalid} */
  readonly login: () => { readonly user: string; readonly database: string }
  /**
   * Asked when a server asks for a password.
   *
   * @returns `undefined` if there is none.
   * @throws {ConfigInvalid}
   */
  readonly password: (host: DatabaseHost) => Promise<Secret | undefined>
  /** PEM texts; `ca` replaces the authorities that Node trusts by itself. @throws {ConfigInvalid} */
  readonly credentials: () => {
    readonly ca: string | null
    readonly client: { readonly cert: string; readonly key: string } | null
  }
}
