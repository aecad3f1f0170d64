/** Tells which servers are reached without the proxy. Reads no environment. */

const PORTS: Readonly<Record<string, string>> = { 'http:': '80', 'https:': '443' }

/**
 * Whether `NO_PROXY` exempts a server: by its name, by a domain above it, or by either with its port. The rules are
 * those of undici's `EnvHttpProxyAgent`, because every other request of the program goes by that.
 */
export function isExempt({ protocol, host, port }: URL, noProxy: string): boolean {
  if (noProxy === '*') return true
  const hostname = host.replace(/:\d*$/, '').toLowerCase()
  return noProxy.split(/[,\s]/).some((entry) => {
    if (entry === '') return false
    const [, name = entry, only] = /^(.+):(\d+)$/.exec(entry) ?? []
    const domain = name.replace(/^\*?\./, '').toLowerCase()
    if (only !== undefined && Number(only) !== 0 && Number(only) !== Number(port || PORTS[protocol]))
      return false
    return hostname === domain || hostname.endsWith(`.${domain}`)
  })
}
