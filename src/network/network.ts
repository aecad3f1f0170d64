// Connects all requests of the program but the one that spends a token (`send-once.ts`). Sends nothing itself.
import type { SecureContextOptions } from 'node:tls'
import { Agent, Dispatcher, Pool, ProxyAgent } from 'undici'
import { THIS_RUNTIME, type TrustRuntime } from '../platform/authorities.js'
import { families } from './connection.js'
import { assertWay, isExempt } from './no-proxy.js'
import type { NetworkSettings } from './settings.js'
import { limits, tlsOptions, type ConnectOptions } from './tls.js'

/** Makes the dispatchers for all servers. */
export class Network {
  readonly #settings: NetworkSettings
  readonly #runtime: TrustRuntime
  #tls: SecureContextOptions | undefined

  constructor(settings: NetworkSettings, runtime = THIS_RUNTIME) {
    this.#settings = settings
    this.#runtime = runtime
  }

  /**
   * Reads the needed files before anything is spent.
   *
   * @throws {ConfigInvalid}
   */
  prepare(): void {
    this.#tls ??= tlsOptions(this.#settings.credentials(), this.#runtime)
  }

  /** A dispatcher for requests to any server. @throws As `prepare`. */
  agent(options: ConnectOptions): Dispatcher {
    const { proxy, proxyFault } = this.#settings
    const connect = this.#connect(options)
    const straight = new Agent({ ...limits(options), connect })
    if (proxy === null) return proxyFault ? new Ways(straight, straight, this.#settings) : straight
    const proxied = new ProxyAgent({
      ...limits(options),
      uri: proxy.href,
      requestTls: connect,
      proxyTls: { ...connect, cert: undefined, key: undefined },
      // Limit the proxy's connections too: a proxy that accepts and stays silent would cost undici's own five
      // minutes.
      clientFactory: (url, given) => new ProxyPool(url, { ...given, ...limits(options) }),
    })
    return new Ways(straight, proxied, this.#settings)
  }

  #connect({ connectMs, signal }: ConnectOptions) {
    this.prepare()
    return {
      ...this.#tls,
      ...families(connectMs),
      timeout: connectMs,
      ...(signal !== undefined && { signal }),
    }
  }
}

/** Sends each request directly or through the proxy, as its server requires. */
class Ways extends Dispatcher {
  // Not `#`, because undici's `compose` wraps them in a Proxy, which has no private fields.
  private readonly straight: Dispatcher
  private readonly proxied: Dispatcher
  private readonly settings: Parameters<typeof assertWay>[1]

  constructor(straight: Dispatcher, proxied: Dispatcher, settings: Parameters<typeof assertWay>[1]) {
    super()
    this.straight = straight
    this.proxied = proxied
    this.settings = settings
  }

  override dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    const url = new URL(options.origin ?? '')
    assertWay(url, this.settings)
    // Plain http goes to this machine only, and never through a proxy.
    const isStraight = url.protocol === 'http:' || isExempt(url, this.settings.noProxy)
    return (isStraight ? this.straight : this.proxied).dispatch(options, handler)
  }

  override close(): Promise<void>
  override close(callback: () => void): void
  override close(callback?: () => void): Promise<void> | void {
    const closed = Promise.all([...new Set([this.straight, this.proxied])].map((way) => way.close()))
    if (callback === undefined) return closed.then(() => undefined)
    void closed.then(callback)
  }

  override destroy(error?: unknown): Promise<void> {
    const ways = [...new Set([this.straight, this.proxied])]
    return Promise.all(ways.map((way) => way.destroy(error as Error | null))).then(() => undefined)
  }
}

/**
 * The connections to the proxy itself. Its refusal gets a code of its own, because undici has none. So does a
 * connection that it closed, because undici would make that one again, at once and for ever.
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
