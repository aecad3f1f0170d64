/**
 * An OAuth2 client at one authorization server: whose grant a token set is. At least one of `tokenUrl` and `issuer`
 * is there.
 *
 * @see RFC 6749 section 2
 */
export interface Client {
  /** The token endpoint; `null` where only its issuer is known. */
  readonly tokenUrl: string | null
  readonly issuer: string | null
  readonly clientId: string
}

/**
 * A client as the configuration names it: what it leaves out is `null`. Of an issuer that was never asked the token
 * endpoint is not known.
 */
export type NamedClient = Omit<Client, 'clientId'> & { readonly clientId: string | null }

/**
 * Whether a grant is that of the client that is configured now. What the configuration leaves out tells nothing
 * against it.
 *
 * @returns `undefined` where one of the two is known by its issuer only, and the other by its token endpoint.
 */
export function isSameClient(bound: Client, named: NamedClient): boolean | undefined {
  if (named.clientId !== null && named.clientId !== bound.clientId) return false
  return isSameServer(bound, named)
}

/** As `isSameClient`, of the address alone. */
export function isSameServer(bound: Client, named: NamedClient): boolean | undefined {
  const { tokenUrl, issuer } = named
  if (tokenUrl === null && issuer === null) return true
  if (tokenUrl !== null && bound.tokenUrl !== null) return normal(tokenUrl) === normal(bound.tokenUrl)
  if (issuer !== null && bound.issuer !== null) return normal(issuer) === normal(bound.issuer)
  return undefined
}

/** The client in full; `undefined` where the configuration does not name one. */
export function wholeClient({ tokenUrl, issuer, clientId }: NamedClient): Client | undefined {
  const isWhole = clientId !== null && (tokenUrl !== null || issuer !== null)
  return isWhole ? { tokenUrl, issuer, clientId } : undefined
}

/** For messages: `client 1012 at https://…`. */
export function clientName({ tokenUrl, issuer, clientId }: NamedClient): string {
  const server = tokenUrl ?? issuer
  const client = clientId === null ? 'a client' : `client ${clientId}`
  return server === null ? client : `${client} at ${server}`
}

/** Without what does not tell one address from another: the case of the host, a default port, a last slash. */
function normal(address: string): string {
  if (!URL.canParse(address)) return address
  const url = new URL(address)
  url.pathname = url.pathname.replace(/\/+$/, '')
  return url.href
}

/**
 * Whether a server that decodes what `client_secret_basic` sends reads another text than one that does not: the
 * characters that the form encoding leaves as they are tell nothing.
 */
export function isReadTwoWays(text: string): boolean {
  return /[^\w.*-]/.test(text)
}
