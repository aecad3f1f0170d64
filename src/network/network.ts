import type { SecureContextOptions } from 'node:tls'
import { Agent, EnvHttpProxyAgent, Pool, type Dispatcher } from 'undici'
import { limits, tlsOptions, type ConnectOptions, type Credentials } from './tls.js'

/** How servers are reached. */
export interface NetworkSettings {
  /** May hold a user name and a password: not for messages. */
  readonly proxy: URL | null
  /** Hosts that are reached without the proxy, as in `NO_PROXY`. */
  readonly noProxy: string
  /**
   * Reads the files that are named; asked before anything is sent.
   *
   * @throws {ConfigInvalid}
   */
  readonly credentials: () => Credentials
}

/** The way to all servers: every request of the program is made through it. */
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
      throw this.#unreached(error)
    })
    if (tunnel.statusCode === 200) return tunnel
    tunnel.socket.on('error', () => undefined).destroy()
    throw this.#refused(`PROXY_HTTP_${tunnel.statusCode}`)
  }) as Pool['connect']
  readonly #proxy: string

  constructor(url: URL, options: Pool.Options) {
    super(url, options)
    this.#proxy = url.host
  }

  #unreached(error: unknown): unknown {
    const { code } = error as { readonly code?: string }
    if (code === undefined) return error
    return this.#refused(code === 'UND_ERR_SOCKET' ? 'PROXY_CLOSED' : `PROXY_${code}`, error)
  }

  #refused(code: string, cause?: unknown): Error {
    const { syscall } = (cause ?? {}) as NodeJS.ErrnoException
    return Object.assign(new Error('the proxy made no connection', { cause }), {
      code,
      proxy: this.#proxy,
      ...(syscall !== undefined && { syscall }),
    })
  }
}
