// Tells whether two OAuth2 clients are the same one. Pure: asks no server.
/**
 * An OAuth2 client at one authorization server, to which a grant belongs. At least one of `tokenUrl` and `issuer`
 * is set.
 *
 * @see RFC 6749 section 2
 */
export interface Client {
  /** The token endpoint; `null` if only its issuer is known. */
  readonly tokenUrl: string | null
  readonly issuer: string | null
  readonly clientId: string
}

/**
 * A client as the configuration names it: a missing part is `null`. The token endpoint of an issuer that was never
 * asked is missing too.
 */
export type NamedClient = Omit<Client, 'clientId'> & { readonly clientId: string | null }

/**
 * Whether a grant belongs to the configured client. A part that the configuration leaves out counts as equal.
 *
 * @returns `undefined` if one of the two is known only by its issuer, and the other only by its token endpoint.
 */
export function isSameClient(bound: Client, named: NamedClient): boolean | undefined {
  if (named.clientId !== null && named.clientId !== bound.clientId) return false
  return isSameServer(bound, named)
}

/** Like `isSameClient`, but compares the addresses only. */
export function isSameServer(bound: Client, named: NamedClient): boolean | undefined {
  const { tokenUrl, issuer } = named
  if (tokenUrl === null && issuer === null) return true
  if (tokenUrl !== null && bound.tokenUrl !== null) return normal(tokenUrl) === normal(bound.tokenUrl)
  if (issuer !== null && bound.issuer !== null) return normal(issuer) === normal(bound.issuer)
  return undefined
}

/** The client in full; `undefined` if the configuration does not name one. */
export function wholeClient({ tokenUrl, issuer, clientId }: NamedClient): Client | undefined {
  const isWhole = clientId !== null && (tokenUrl !== null || issuer !== null)
  return isWhole ? { tokenUrl, issuer, clientId } : undefined
}

/** For messages: `client 1012 at https://…`. */
export function clientName({ tokenUrl, issuer, clientId }: NamedClient): string {
  const server = tokenUrl ?? issuer
  if (server === null && clientId === null) return 'no client'
  const client = clientId === null ? 'a client' : `client ${clientId}`
  return server === null ? client : `${client} at ${server}`
}

/** Removes differences that mean nothing: the case of the host, a default port, a trailing slash. */
function normal(address: string): string {
  if (!URL.canParse(address)) return address
  const url = new URL(address)
  url.pathname = url.pathname.replace(/\/+$/, '')
  return url.href
}

/**
 * Whether a server that decodes `client_secret_basic` reads another text than one that does not. The form encoding
 * leaves some characters as they are, and those read the same either way.
 */
export function isReadTwoWays(text: string): boolean {
  return /[^\w.*-]/.test(text)
}
