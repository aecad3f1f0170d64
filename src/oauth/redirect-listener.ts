// Waits on a loopback address for the one redirect that ends a login. Judges no answer itself, and stores nothing.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { isLoopback, isLoopbackRedirect } from '../core/address.js'
import { ConfigInvalid, ServerUnavailable } from '../core/errors.js'

/** A page for the person at the browser. */
export interface Page {
  readonly status: number
  /** A whole HTML document. */
  readonly html: string
  readonly contentSecurityPolicy: string
}

/** The listener's own pages. */
export interface Pages {
  /** For a request that is no answer to a login. */
  readonly elsewhere: Page
  /** For an answer that comes after the first one. */
  readonly taken: Page
}

/**
 * Judges an answer, because anybody on this machine, or any page in the browser, can have made it up.
 *
 * @returns The page to show if it is not the answer to the login that waits; the wait goes on then. Else
 *   `undefined`.
 */
export type Judge = (parameters: URLSearchParams) => Page | undefined

/** The browser's answer. */
export interface Arrival {
  readonly parameters: URLSearchParams
  /** Shows the page that the person waits for. Never throws, because the person may have closed the window. */
  readonly show: (page: Page) => Promise<void>
}

/**
 * Waits on this machine's own address for the one redirect that ends a login. Any other request costs one answer
 * and a short connection, and there can be no more connections than a browser needs.
 *
 * @see RFC 8252 sections 7.3 and 8.3
 */
export class RedirectListener {
  /** Includes the port that it listens on. */
  readonly redirectUri: string
  readonly #servers: readonly Server[]
  readonly #desk: Desk

  private constructor(redirectUri: string, servers: readonly Server[], desk: Desk) {
    this.redirectUri = redirectUri
    this.#servers = servers
    this.#desk = desk
  }

  /** The first answer that `judge` accepts. Before this call there is no login to answer to. */
  answer(judge: Judge): Promise<Arrival> {
    return this.#desk.answer(judge)
  }

  /**
   * @param redirectUri `http` to a loopback address. Without a port any free one is taken.
   * @throws {ConfigInvalid} for any other
   * @throws {ServerUnavailable} when the port is taken
   */
  static async open(redirectUri: string, pages: Pages): Promise<RedirectListener> {
    const url = new URL(redirectUri)
    if (!isLoopbackRedirect(url))
      throw new ConfigInvalid(
        `hq-token cannot listen for the browser at ${url.origin}: it is not an address of this machine`,
        {
          hint: 'hq-token login --no-browser',
        },
      )
    const desk = new Desk(url.pathname, pages)
    const servers: Server[] = []
    try {
      let port = portOf(redirectUri, url)
      for (const address of addressesOf(url.hostname)) {
        const server = createServer(LIMITS, (request, response) => {
          desk.receive(request, response)
        })
        boundConnections(server)
        if (!(await listens(server, port, address, servers.length > 0))) continue
        servers.push(server)
        port = (server.address() as AddressInfo).port
      }
      url.port = String(port)
      desk.host = url.host
      return new RedirectListener(withPort(redirectUri, port), servers, desk)
    } catch (error) {
      for (const server of servers) server.close()
      throw notListening(url, error as NodeJS.ErrnoException)
    }
  }

  close(): void {
    for (const server of this.#servers) {
      server.close()
      server.closeAllConnections()
    }
  }
}

/** The error for a port that cannot be had, with the way out on this system. */
export function notListening(
  { port: named, hostname }: URL,
  cause: NodeJS.ErrnoException,
  platform = process.platform,
): ConfigInvalid | ServerUnavailable {
  const port = named === '' ? '80' : named
  const inTwo = 'log in in two steps: hq-token login --no-browser'
  if (cause.code !== 'EACCES')
    return new ServerUnavailable(
      `port ${port} of ${hostname} cannot be listened on (${cause.code ?? 'unknown'})`,
      { hint: `another login may be waiting there: end it, or ${inTwo}`, cause },
    )
  // Windows asks for no rights below 1024, but Hyper-V and WinNAT reserve whole ranges, others after each start.
  return platform === 'win32'
    ? new ConfigInvalid(`Windows has reserved port ${port} of ${hostname}, or another program has it alone`, {
        hint: `netsh int ipv4 show excludedportrange tcp shows the reserved ranges: register a redirect URI with a port outside of them, or ${inTwo}`,
      })
    : new ConfigInvalid(`this user may not listen on port ${port} of ${hostname}`, {
        hint: `register a redirect URI with a port above 1023, or ${inTwo}`,
      })
}

/** Milliseconds to wait for the browser to take a page. */
const SHOWN_MS = 2_000
const LIMITS = { requestTimeout: 10_000, connectionsCheckingInterval: 2_000, maxHeaderSize: 64 * 1024 }
/**
 * A browser opens a few connections at once and sends its requests at once, so more silent ones are not a
 * browser's.
 */
const MOST_SILENT = 64

/** Answers requests and hands over the first good one. */
class Desk {
  /** The host as the browser names it; known once the port is. */
  host = ''
  readonly #path: string
  readonly #pages: Pages
  #judge: Judge | undefined
  #arrive: (arrival: Arrival) => void = () => undefined
  #isTaken = false

  constructor(path: string, pages: Pages) {
    this.#path = path
    this.#pages = pages
  }

  answer(judge: Judge): Promise<Arrival> {
    this.#judge = judge
    return new Promise((resolve) => (this.#arrive = resolve))
  }

  receive(request: IncomingMessage, response: ServerResponse): void {
    const show = (page: Page): Promise<void> => shown(response, page)
    const parameters = isVisit(request, this.host) ? parametersOf(request.url ?? '', this.#path) : null
    if (parameters === null || this.#judge === undefined) void show(this.#pages.elsewhere)
    else if (this.#isTaken) void show(this.#pages.taken)
    else {
      const instead = this.#judge(parameters)
      if (instead !== undefined) void show(instead)
      else {
        this.#isTaken = true
        this.#arrive({ parameters, show })
      }
    }
  }
}

/**
 * Closes the oldest silent connection if there are too many, so that nobody keeps the browser out by opening many.
 */
function boundConnections(server: Server): void {
  const silent = new Set<Socket>()
  server.on('connection', (socket) => {
    silent.add(socket)
    socket.once('close', () => silent.delete(socket))
    const [oldest] = silent
    if (silent.size > MOST_SILENT) oldest?.destroy()
  })
  server.on('request', ({ socket }) => silent.delete(socket))
}

function addressesOf(hostname: string): readonly string[] {
  // The browser decides what `localhost` means, so listen on both.
  if (hostname === 'localhost') return ['127.0.0.1', '::1']
  if (hostname === '[::1]') return ['::1']
  return isLoopback(hostname) ? [hostname] : []
}

/** Whether a browser visits our page: not another name that leads here, nor a picture on a page. */
function isVisit({ headers, method }: IncomingMessage, host: string): boolean {
  const { 'sec-fetch-dest': destination = 'document', 'sec-purpose': purpose } = headers
  return headers.host === host && method === 'GET' && destination === 'document' && purpose === undefined
}

/** `null` if the request is no answer to a login. */
function parametersOf(target: string, path: string): URLSearchParams | null {
  const [, pathname, query] = /^([^?#]*)\?([^#]*)/.exec(target) ?? []
  const parameters = new URLSearchParams(query)
  return pathname === path && (parameters.has('code') || parameters.has('error')) ? parameters : null
}

/**
 * Fills in the port if the configured address leaves it open, and changes nothing else, because servers compare the
 * text.
 */
function withPort(text: string, port: number): string {
  return text.replace(/^(http:\/\/(?:\[[^\]]*\]|[^:/?#]*))(?::0)?(?=[/?#]|$)/i, `$1:${port}`)
}

/** Reads the port from the text, because `URL` drops a port that is the scheme's default. */
function portOf(text: string, url: URL): number {
  if (url.port !== '') return Number(url.port)
  return /^http:\/\/[^/?#]*:80(?:[/?#]|$)/i.test(text) ? 80 : 0
}

/** @returns False if the second address cannot be had, because the machine may have no IPv6. */
function listens(server: Server, port: number, address: string, isSecond: boolean): Promise<boolean> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (isSecond && error.code !== 'EADDRINUSE') resolve(false)
      else reject(error)
    })
    server.listen(port, address, () => {
      resolve(true)
    })
  })
}

function shown(response: ServerResponse, { status, html, contentSecurityPolicy }: Page): Promise<void> {
  return new Promise((resolve) => {
    // Do not wait for a closed window, nor for a connection that takes nothing.
    if (response.closed || response.destroyed) {
      resolve()
      return
    }
    const timer = setTimeout(resolve, SHOWN_MS)
    response
      .on('close', () => {
        clearTimeout(timer)
        resolve()
      })
      .on('error', () => undefined)
    response.writeHead(status, {
      'content-type': 'text/html; charset=utf-8',
      'cache-control': 'no-store',
      'content-security-policy': contentSecurityPolicy,
      'referrer-policy': 'no-referrer',
      'x-content-type-options': 'nosniff',
      connection: 'close',
    })
    response.end(html)
  })
}
