import { readFileSync } from 'node:fs'
import tls from 'node:tls'
import { Agent, Client, EnvHttpProxyAgent, Pool, type Dispatcher } from 'undici'

/** PEM texts. */
export interface Credentials {
  /** Authorities to trust beside those that Node trusts by itself. */
  readonly ca: string | null
  /** What this client shows to servers that ask who it is. */
  readonly client: { readonly cert: string; readonly key: string } | null
}

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

export interface ConnectOptions {
  /** Milliseconds to establish a connection, TLS included. */
  readonly connectMs: number
  /** Milliseconds without a byte after which an exchange is given up; 0 for never. */
  readonly idleMs: number
  /** Ends a connection that is still being made. */
  readonly signal?: AbortSignal
}

/** The way to all servers: every request of the program is made through it. */
export class Network {
  readonly #settings: NetworkSettings
  #tls: tls.SecureContextOptions | undefined

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

  /** For one request to one server. @throws As `prepare`. */
  client(origin: string, options: ConnectOptions): Dispatcher {
    if (this.#settings.proxy !== null) return this.agent(options)
    return new Client(origin, { ...limits(options), connect: this.#connect(options) })
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

function limits({ idleMs }: ConnectOptions) {
  return { headersTimeout: idleMs, bodyTimeout: idleMs }
}

/** Told of any authority, Node forgets those that it trusts by itself. */
function tlsOptions({ ca, client }: Credentials): tls.SecureContextOptions {
  return { ...(ca !== null && { ca: [...usualAuthorities(), ca] }), ...client }
}

/** What Node trusts by itself, `NODE_EXTRA_CA_CERTS` included. */
function usualAuthorities(): readonly string[] {
  const { getCACertificates } = tls as { getCACertificates?: () => string[] }
  if (getCACertificates !== undefined) return getCACertificates()
  // Before 22.15 Node does not tell. It reads the file at its start, and goes without where it cannot.
  const extra = process.env['NODE_EXTRA_CA_CERTS']
  return extra ? [...tls.rootCertificates, ...textOf(extra)] : tls.rootCertificates
}

function textOf(path: string): string[] {
  try {
    return [readFileSync(path, 'utf8')]
  } catch {
    return []
  }
}
