/** Opens one connection to a server, directly or through a proxy's tunnel. Sends the server nothing. */
import http from 'node:http'
import net, { type Socket } from 'node:net'
import tls from 'node:tls'
import { errnoOf } from '../platform/errno.js'
import { isExempt } from './no-proxy.js'
import type { NetworkSettings } from './settings.js'

/** The server to connect to, and the way to it. */
export interface Target {
  readonly url: URL
  readonly proxy: NetworkSettings['proxy']
  readonly noProxy: string
  readonly tls: tls.SecureContextOptions
  /** Milliseconds to connect, over all the addresses that the name has. */
  readonly connectMs: number
}

export interface Hears {
  /** Called in the same turn of the event loop in which the connection stands, TLS included. */
  readonly onOpen: (socket: Socket) => void
  /** Called with a code if nothing was sent to the server. Never called after `onOpen`. */
  readonly onFailure: (code: string) => void
}

/** @returns A function that closes the connection at any time. */
export function openConnection(target: Target, { onOpen, onFailure }: Hears): () => void {
  const opened: Socket[] = []
  const { url, proxy, noProxy } = target
  const isTls = url.protocol === 'https:'

  let isWithProxy = isTls && proxy !== null && !isExempt(url, noProxy)
  const fail = (code: string): void => {
    onFailure(isWithProxy ? ofProxy(code) : code)
  }

  const made = (socket: Socket, event: 'connect' | 'secureConnect', then: () => void): void => {
    opened.push(socket)
    socket.once(event, then)
    // The listener stays, because an abandoned connection may still fail, and an error that nobody hears ends the
    // process.
    socket.on('error', (error) => {
      fail(errnoOf(error))
    })
    socket.once('close', () => {
      fail('CONNECTION_CLOSED')
    })
  }
  const dial = (
    to: URL,
    secure: tls.SecureContextOptions | undefined,
    then: (socket: Socket) => void,
  ): void => {
    const at = { ...address(to), ...families(target.connectMs) }
    const socket = secure === undefined ? net.connect(at) : tls.connect({ ...at, ...secured(to, secure) })
    made(socket, secure === undefined ? 'connect' : 'secureConnect', () => {
      then(socket)
    })
  }

  if (proxy === null || !isWithProxy) dial(url, isTls ? target.tls : undefined, onOpen)
  else {
    const { ca } = target.tls
    dial(proxy, proxy.protocol === 'https:' ? (ca === undefined ? {} : { ca }) : undefined, (toProxy) => {
      const onTunnel = (): void => {
        isWithProxy = false
        const socket = tls.connect({ socket: toProxy, host: hostOf(url), ...secured(url, target.tls) })
        made(socket, 'secureConnect', () => {
          onOpen(socket)
        })
      }
      askForTunnel(toProxy, proxy, url, { onTunnel, onFailure: fail })
    })
  }
  return () => {
    for (const socket of opened) socket.destroy()
  }
}

/** @see RFC 9110 section 9.3.6 */
function askForTunnel(
  socket: Socket,
  proxy: URL,
  url: URL,
  { onTunnel, onFailure }: Pick<Hears, 'onFailure'> & { readonly onTunnel: () => void },
): void {
  const authority = `${url.hostname}:${url.port || '443'}`
  const request = http.request({
    ...{ method: 'CONNECT', path: authority, insecureHTTPParser: true },
    headers: { host: authority, 'proxy-connection': 'keep-alive', ...credentials(proxy) },
    createConnection: () => socket,
  })
  request.removeHeader('connection')
  request.on('connect', ({ statusCode = 0 }, _, first) => {
    if (statusCode < 200 || statusCode > 299) {
      onFailure(`PROXY_HTTP_${statusCode}`)
      return
    }
    if (first.byteLength > 0) socket.unshift(first)
    onTunnel()
  })
  request.on('error', (error) => {
    onFailure(errnoOf(error))
  })
  request.end()
}

/** Marks a failure from before the tunnel was open as the proxy's. */
function ofProxy(code: string): string {
  if (code.startsWith('PROXY_')) return code
  return code === 'ECONNRESET' || code === 'CONNECTION_CLOSED' ? 'PROXY_CLOSED' : `PROXY_${code}`
}

function credentials({ username, password }: URL): { 'proxy-authorization'?: string } {
  if (username === '' && password === '') return {}
  const pair = `${unescaped(username)}:${unescaped(password)}`
  return { 'proxy-authorization': `Basic ${Buffer.from(pair).toString('base64')}` }
}

function unescaped(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

function address(url: URL): { host: string; port: number } {
  return { host: hostOf(url), port: Number(url.port || (url.protocol === 'https:' ? 443 : 80)) }
}

/** Milliseconds for each address of a name, at most: the second lost packet takes three seconds. */
const ATTEMPT_MS = 5_000

/**
 * The time for each address of a name, except the last one. Node's default of 250 ms cuts off connections to distant
 * servers, and lets a dead address take the time of all.
 */
export function families(connectMs: number) {
  const attemptMs = Math.min(ATTEMPT_MS, connectMs / 3)
  return { autoSelectFamily: true, autoSelectFamilyAttemptTimeout: Math.max(10, Math.round(attemptMs)) }
}

/** `host` names what the certificate must match; SNI takes names only (RFC 6066 section 3). */
function secured(url: URL, options: tls.SecureContextOptions): tls.ConnectionOptions {
  const host = hostOf(url)
  const name = net.isIP(host) === 0 ? { servername: host.replace(/\.$/, '') } : {}
  return { ...options, ...name, ALPNProtocols: ['http/1.1'], rejectUnauthorized: true }
}

function hostOf({ hostname }: URL): string {
  return hostname.replace(/^\[|\]$/g, '')
}
