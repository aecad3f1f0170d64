/** Words for a request that did not reach its server. Pure. */

/**
 * Names the machine that could not be reached. A code that begins with `PROXY_` means that the connection failed at
 * the proxy, so the person must look there and not at the server.
 *
 * @param code The failure's code: `ECONNREFUSED`, `PROXY_ECONNREFUSED`, `PROXY_HTTP_407`.
 * @param proxy Host and port of the proxy, without a password; `null` if unknown.
 */
export function unreached(host: string, code: string, proxy: string | null): string {
  if (proxy === null || !code.startsWith('PROXY_')) return `${host} could not be reached (${code})`
  const own = /^PROXY_(?!HTTP_|CLOSED$)(\w+)$/.exec(code)?.[1]
  return own === undefined
    ? `${host} could not be reached (${code}) through the proxy ${proxy}`
    : `the proxy ${proxy} could not be reached (${own}), and the way to ${host} leads through it`
}

/** The thing that the person should check then. */
export function checkOf(code: string): string {
  if (code.startsWith('PROXY_'))
    return 'check the proxy ([network] proxy, HTTPS_PROXY or ALL_PROXY; NO_PROXY exempts a host)'
  // Most often a firm's own authority, because its proxy signs what it looks into.
  if (/CERT|SIGNATURE/.test(code))
    return 'look at the certificate with: hq-token doctor (an authority of your own goes into [network] ca_file)'
  return 'check the network and the URL'
}
