import type { SecureContextOptions } from 'node:tls'
import { Agent, EnvHttpProxyAgent, Pool, type Dispatcher } from 'undici'
import type { NetworkSettings } from './settings.js'
import { limits, tlsOptions, type ConnectOptions } from './tls.js'

/** The way to all servers: every request of the program but the one that spends a token. */
export class Network {
  readonly #settings: NetworkSettings
  #tls: SecureContextOptions | undefined

  constructor(settings: NetworkSettings) {
    this.#settings = settings
  }

  /**
   * Reads what it needs before anything is spent.
   *
   * @throws {ConfigInvalid}
   */
  prepare(): void {
    this.#tls ??= tlsOptions(this.#settings.credentials())
  }

  /** For requests to any server. @throws As `prepare`. */
  agent(options: ConnectOptions): Dispatcher {
    const { proxy, noProxy } = this.#settings
    const connect = this.#connect(options)
    if (proxy === null) return new Agent({ ...limits(options), connect })
    return new EnvHttpProxyAgent({
      ...limits(options),
      connect,
      requestTls: connect,
      proxyTls: { ...connect, cert: undefined, key: undefined },
      // A proxy that accepts and says nothing would keep us for undici's own five minutes.
      clientFactory: (url, given) => new ProxyPool(url, { ...given, ...limits(options) }),
      // Plain http goes to this machine itself only, where no proxy leads.
      httpProxy: '',
      httpsProxy: proxy.href,
      noProxy,
    })
  }

  #connect({ connectMs, signal }: ConnectOptions) {
    this.prepare()
    return { ...this.#tls, timeout: connectMs, ...(signal !== undefined && { signal }) }
  }
}

/**
 * The way to the proxy itself. Its refusal, and that it closed a connection, get codes of their own: undici has
 * none for the first, and takes the second for a connection that is worth making again, at once and for ever.
 */
class ProxyPool extends Pool {
  override connect = (async (options: Dispatcher.ConnectOptions) => {
    const tunnel = await super.connect(options).catch((error: unknown) => {
      throw (error as { code?: string }).code === 'UND_ERR_SOCKET' ? refused('PROXY_CLOSED', error) : error
    })
    if (tunnel.statusCode === 200) return tunnel
    tunnel.socket.on('error', () => undefined).destroy()
    throw refused(`PROXY_HTTP_${tunnel.statusCode}`)
  }) as Pool['connect']
}

function refused(code: string, cause?: unknown): Error {
  return Object.assign(new Error('the proxy made no connection', { cause }), { code })
}
