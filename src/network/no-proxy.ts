/** Tells which servers are reached without the proxy. Reads no environment and resolves no name. */
import { BlockList, isIP } from 'node:net'
import type { NetworkSettings } from './settings.js'

const PORTS: Readonly<Record<string, string>> = { 'http:': '80', 'https:': '443' }

/**
 * Checks that a server can be reached. Checked at each connection, because the environment may name a proxy that
 * was meant for other programs.
 *
 * @throws {TokenError} the server needs a proxy that cannot be used
 */
export function assertWay(url: URL, way: Pick<NetworkSettings, 'noProxy' | 'proxyFault'>): void {
  // Plain http goes to this machine only.
  if (way.proxyFault && url.protocol === 'https:' && !isExempt(url, way.noProxy)) throw way.proxyFault
}

/**
 * Whether `NO_PROXY` exempts a server. Reads it as curl and Go do: names with all names below them (`example.com`,
 * `.example.com`, `*.example.com`), addresses, ranges (`10.0.0.0/8`, `fd00::/8`), each with or without a port, and
 * `*` for all. A range matches addresses only, because no name is resolved.
 */
export function isExempt({ protocol, hostname, port }: URL, noProxy: string): boolean {
  const host = plain(hostname)
  const at = port === '' ? PORTS[protocol] : port
  return noProxy.split(/[,\s]+/).some((entry) => {
    if (entry === '') return false
    if (entry === '*') return true
    const [, inBrackets, named, only] = /^(?:\[(.+)\]|([^:]+))(?::(\d+))?$/.exec(entry) ?? []
    if (only !== undefined && Number(only) !== Number(at)) return false
    return covers(plain(inBrackets ?? named ?? entry), host)
  })
}

/** In lower case, and without brackets or dots around it. */
function plain(host: string): string {
  return host
    .toLowerCase()
    .replace(/^\[|\]$/g, '')
    .replace(/\.$/, '')
}

function covers(entry: string, host: string): boolean {
  const [address = '', prefix] = entry.split('/')
  if (isIP(address) !== 0) return holds(address, prefix, host)
  const domain = entry.replace(/^\*?\./, '')
  // An address has no domain above it.
  return domain !== '' && isIP(host) === 0 && (host === domain || host.endsWith(`.${domain}`))
}

function holds(address: string, prefix: string | undefined, host: string): boolean {
  if (isIP(host) === 0) return false
  const most = isIP(address) === 4 ? 32 : 128
  const bits = prefix === undefined ? most : Number(prefix)
  if (prefix === '' || !Number.isInteger(bits) || bits < 0 || bits > most) return false
  const list = new BlockList()
  list.addSubnet(address, bits, familyOf(address))
  return list.check(host, familyOf(host))
}

function familyOf(address: string): 'ipv4' | 'ipv6' {
  return isIP(address) === 4 ? 'ipv4' : 'ipv6'
}
