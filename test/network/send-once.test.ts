import { spawn } from 'node:child_process'
import dns from 'node:dns'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer as createHttpServer } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import { connect, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { TLSSocket } from 'node:tls'
import { afterEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import type { RawAnswer, RequestLimits } from '../../src/core/ports.js'
import { Secret } from '../../src/core/secret.js'
import { Network } from '../../src/network/network.js'
import { STRAIGHT, type NetworkSettings } from '../../src/network/settings.js'
import { TokenEndpoint } from '../../src/oauth/token-endpoint.js'
import { CERTIFICATE, closedPort, http, loopback, type Loopback } from '../oauth/loopback.js'
import { authority, pem } from '../support/authority.js'
import { listening } from '../support/proxy.js'

const GOOD = '{"access_token":"AT","refresh_token":"RT2"}'
const LENGTH = GOOD.length

function endpoint(url: string, network?: NetworkSettings): TokenEndpoint {
  return new TokenEndpoint({
    ...{ tokenUrl: new URL(url), clientId: '1012', authMethod: 'client_secret_post', scope: null },
    clientSecret: () => Promise.resolve(new Secret('s3cret')),
    clock: () => ({ now: 1_700_000_000, boot: 'boot', uptime: 42 }),
    userAgent: 'hq-token/test',
    ...(network && { network }),
  })
}

async function refresh(url: string, limits: Partial<RequestLimits> = {}, network?: NetworkSettings) {
  const begin = performance.now()
  const server = endpoint(url, network)
  const answer = await server.refresh(new Secret('RT'), { timeoutMs: 6000, ...limits })
  return { answer, reading: await server.read(answer), elapsedMs: performance.now() - begin }
}

/** Packet by packet, as a server writes that flushes in between. */
const saying = (...packets: readonly (string | Buffer)[]) => ({
  onRequest: (socket: Socket): void => {
    void (async () => {
      for (const packet of packets) {
        socket.write(packet)
        await new Promise((resolve) => setTimeout(resolve, 30))
      }
      socket.end()
    })()
  },
})

const OK = 'HTTP/1.1 200 OK\r\n'
const CHUNKED = `${OK}Transfer-Encoding: chunked\r\n\r\n`
const hex = LENGTH.toString(16)
const UMLAUTS = '{"access_token":"AT","refresh_token":"RT2","user":"Jörg Müller"}'

/** What a strict parser refuses, or cuts off: the pair is in it, and is found. */
const ODD: Record<string, readonly (string | Buffer)[]> = {
  'a space before the colon': [`${OK}Content-Length : ${LENGTH}\r\n\r\n${GOOD}`],
  'its length twice': [`${OK}Content-Length: ${LENGTH}\r\nContent-Length: ${LENGTH}\r\n\r\n${GOOD}`],
  'its length twice, the body in a later packet': [
    `${OK}Content-Length: ${LENGTH}\r\nContent-Length: ${LENGTH}\r\n\r\n`,
    GOOD.slice(0, 9),
    GOOD.slice(9),
  ],
  'two lengths that differ': [`${OK}Content-Length: 3\r\nContent-Length: ${LENGTH}\r\n\r\n${GOOD}`],
  'a length that is no number': [`${OK}Content-Length: many\r\n\r\n${GOOD}`],
  'a control character in its head': [`${OK}X: a\u0001b\r\nContent-Length: ${LENGTH}\r\n\r\n${GOOD}`],
  'lines that end in LF': [`HTTP/1.1 200 OK\nContent-Length: ${LENGTH}\n\n${GOOD}`],
  'lines that end in CR': [`HTTP/1.1 200 OK\rContent-Length: ${LENGTH}\r\r${GOOD}`],
  'a length and chunks': [
    `${OK}Content-Length: ${LENGTH}\r\nTransfer-Encoding: chunked\r\n\r\n${hex}\r\n${GOOD}\r\n0\r\n\r\n`,
  ],
  'a head of 40 KB': [`${OK}X: ${'y'.repeat(40_000)}\r\nContent-Length: ${LENGTH}\r\n\r\n${GOOD}`],
  'a line in its head that is no field': [
    `${OK}this is not a field\r\nContent-Length: ${LENGTH}\r\n\r\n${GOOD}`,
  ],
  'a warning in its head, packet by packet': [OK, 'Warning in /srv/app.php\r\n', '\r\n', GOOD],
  'a head with no empty line behind it': [`${OK}Content-Type: application/json\r\n${GOOD}`],
  'no head at all': [GOOD.slice(0, 20), GOOD.slice(20)],
  'the head of a CGI program': [`Status: 200 OK\r\nContent-Type: application/json\r\n\r\n${GOOD}`],
  'a status line of another protocol': [`ICY 200 OK\r\nContent-Length: ${LENGTH}\r\n\r\n${GOOD}`],
  'an upgrade that nobody asked for before it': [
    'HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n',
    http(200, GOOD),
  ],
  'nonsense behind its chunk': [CHUNKED, `${hex}\r\n${GOOD}\r\nnonsense\r\n`],
  'a trailer that is no field': [CHUNKED, `${hex}\r\n${GOOD}\r\n0\r\nno field\r\n\r\n`],
  'chunks told too small': [CHUNKED, `5\r\n${GOOD}\r\n0\r\n\r\n`],
  'chunks told too large': [CHUNKED, `${(LENGTH + 4).toString(16)}\r\n${GOOD}\r\n0\r\n\r\n`],
  'the word chunked and no chunks': [CHUNKED, GOOD],
  'a length told in characters': [Buffer.from(`${OK}Content-Length: ${UMLAUTS.length}\r\n\r\n${UMLAUTS}`)],
}

describe('an answer with', () => {
  it.each(Object.entries(ODD))('%s is read, after one request', async (_, packets) => {
    const server = await loopback(saying(...packets))
    const { answer, reading } = await refresh(`http://127.0.0.1:${server.port}/token`)
    expect(answer).toMatchObject({ sent: true, failure: null, complete: true })
    expect(reading).toMatchObject({ kind: 'tokens' })
    expect(pairOf(reading)).toEqual(['AT', 'RT2'])
    expect(server.requests).toHaveLength(1)
  })

  it('what the parser refused is over as soon as its length is met, and keeps its status', async () => {
    const bytes = `HTTP/1.1 400 Bad Request\r\nRetry-After: 7\r\nContent-Type: text/x\r\nContent-Length: 25\r\nContent-Length: 25\r\n\r\n{"error":"invalid_grant"}`
    const server = await loopback({ onRequest: (socket) => void socket.write(bytes) })
    const { answer, reading, elapsedMs } = await refresh(`http://127.0.0.1:${server.port}/token`)
    expect(elapsedMs).toBeLessThan(1500)
    expect(answer).toMatchObject({ status: 400, retryAfter: '7', contentType: 'text/x', isRaw: true })
    expect(Buffer.from(answer.body).toString()).toBe(bytes)
    expect(reading).toMatchObject({ kind: 'error', code: 'invalid_grant' })
  })

  it('no end that the parser has refused is over soon after its last byte', async () => {
    const server = await loopback({ onRequest: (socket) => void socket.write('SSH-2.0-x\r\n') })
    const { answer, elapsedMs } = await refresh(`http://127.0.0.1:${server.port}/token`, {
      timeoutMs: 30_000,
    })
    expect(answer).toMatchObject({ sent: true, complete: false, failure: 'HPE_INVALID_CONSTANT' })
    expect(elapsedMs).toBeLessThan(10_000)
  })

  it('more bytes than anybody keeps, refused by the parser, ends at the limit', async () => {
    const block = Buffer.alloc(65_536, 'x')
    const server = await loopback({
      onRequest: (socket) => {
        const more = (): void => {
          while (socket.writable && socket.write(block));
          socket.once('drain', more)
        }
        more()
      },
    })
    const { answer } = await refresh(`http://127.0.0.1:${server.port}/token`)
    expect(answer).toMatchObject({ sent: true, complete: false, failure: 'BODY_TOO_LARGE', isRaw: true })
    expect(answer.body).toHaveLength(2 * 1024 * 1024)
  })
})

function pairOf(reading: Awaited<ReturnType<TokenEndpoint['read']>>): (string | undefined)[] {
  if (reading.kind !== 'tokens') return [reading.kind]
  return [reading.accessToken.reveal(), reading.refreshToken?.reveal()]
}

describe('whether a body is framed', () => {
  it.each([
    ['by a length', http(200, GOOD), true],
    ['by chunks', `${CHUNKED}${hex}\r\n${GOOD}\r\n0\r\n\r\n`, true],
    ['by the end of the connection alone', `${OK}\r\n${GOOD}`, false],
    ['by a length that the parser refused', ODD['its length twice']?.[0] ?? '', true],
    ['by nothing, without a head', GOOD, false],
  ])('whether a body is framed: %s', async (_, bytes, isFramed) => {
    const server = await loopback(saying(bytes))
    const { answer } = await refresh(`http://127.0.0.1:${server.port}/token`)
    expect(answer).toMatchObject({ complete: true, isFramed })
  })
})

describe('where a redirect points', () => {
  it.each([
    ['/token/', 308, '/token/'],
    ['/token/?refresh_token=RT#x', 301, '/token/'],
    ['//127.0.0.1:1/token', 302, null],
    ['https://elsewhere.example/token', 307, null],
    ['', 200, null],
    ['http://[', 302, null],
  ])('%s with %i', async (location, status, path) => {
    const server = await loopback({
      onRequest: (socket) => void socket.write(http(status, '', { location })),
    })
    const origin = `http://127.0.0.1:${server.port}`
    const { answer } = await refresh(`${origin}/token`)
    expect(answer.location).toBe(path === null ? null : origin + path)
    expect(server.requests).toHaveLength(1)
  })
})

describe('the last look', () => {
  const TRUSTING: NetworkSettings = {
    proxy: null,
    noProxy: '',
    credentials: () => ({ ca: readFileSync(CERTIFICATE, 'utf8'), client: null }),
  }

  it.each(['http', 'https'])(
    'the last look is taken once, when the connection stands, over %s',
    async (scheme) => {
      let connections = 0
      const looks: number[] = []
      const server = await loopback({
        tls: scheme === 'https',
        onConnection: () => (connections += 1),
        onRequest: (socket) => void socket.write(http(200, GOOD)),
      })
      const lastLook = (): null => {
        looks.push(server.requests.length)
        return null
      }
      const { answer } = await refresh(`${scheme}://localhost:${server.port}/token`, { lastLook }, TRUSTING)
      expect(answer).toMatchObject({ sent: true, status: 200 })
      expect({ connections, looks }).toEqual({ connections: 1, looks: [0] })
    },
  )

  it.each(['http', 'https'])(
    'the last look holds the request back, over %s: not a byte of it leaves',
    async (scheme) => {
      let bytes = 0
      const server = await loopback({
        tls: scheme === 'https',
        onConnection: (socket) => socket.on('data', (chunk) => (bytes += chunk.byteLength)),
      })
      const { answer } = await refresh(
        `${scheme}://localhost:${server.port}/token`,
        { lastLook: () => 'SIGTERM' },
        TRUSTING,
      )
      expect(answer).toMatchObject({ sent: false, status: null, failure: 'SIGTERM', complete: false })
      await server.allClosed()
      expect({ bytes, requests: server.requests }).toEqual({ bytes: 0, requests: [] })
    },
  )

  it('the last look is taken early where connecting is stopped', async () => {
    const server = await loopback({})
    const stop = new AbortController()
    setTimeout(() => {
      stop.abort('SIGINT')
    }, 200)
    const { answer, elapsedMs } = await refresh(`https://127.0.0.1:${server.port}/token`, {
      lastLook: () => (stop.signal.aborted ? 'SIGINT' : null),
      stop: stop.signal,
    })
    expect(answer).toMatchObject({ sent: false, failure: 'SIGINT' })
    expect(elapsedMs).toBeLessThan(2000)
  })

  it('the last look is too late for a request that has left', async () => {
    const stop = new AbortController()
    const server = await loopback({
      onRequest: (socket) => {
        stop.abort('SIGINT')
        setTimeout(() => socket.write(http(200, GOOD)), 100)
      },
    })
    const { answer } = await refresh(`http://127.0.0.1:${server.port}/token`, {
      lastLook: () => (stop.signal.aborted ? 'SIGINT' : null),
      stop: stop.signal,
    })
    expect(answer).toMatchObject({ sent: true, status: 200, complete: true })
  })
})

describe('a name with several addresses', () => {
  afterEach(() => vi.restoreAllMocks())

  function resolvesTo(...addresses: readonly string[]): void {
    const found = addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }))
    vi.spyOn(dns, 'lookup').mockImplementation(((_name: string, _options: object, done: unknown) => {
      setImmediate(done as (error: null, found: object[]) => void, null, found)
    }) as typeof dns.lookup)
  }
  const answering = (): Promise<Loopback> =>
    loopback({ onRequest: (socket) => void socket.write(http(200, GOOD)) })

  it('a name with several addresses is reached where the first one refuses', async () => {
    const server = await answering()
    resolvesTo('::1', '127.0.0.1')
    const { answer } = await refresh(`http://there.example:${server.port}/token`)
    expect(answer).toMatchObject({ sent: true, status: 200 })
  })

  it('a name with several addresses is reached where the first one is dead', async () => {
    const server = await answering()
    await fullAt('127.0.0.3', server.port)
    resolvesTo('127.0.0.3', '127.0.0.1')
    const { answer, elapsedMs } = await refresh(`http://there.example:${server.port}/token`, {
      timeoutMs: 9000,
    })
    expect(answer).toMatchObject({ sent: true, status: 200 })
    expect(elapsedMs).toBeGreaterThan(500)
  })

  it('a name with several addresses has its time where the first one is slow and the next one refuses', async () => {
    const port = await closedPort()
    await fullAt('127.0.0.3', port, 0.5)
    resolvesTo('127.0.0.3', '::1')
    const { answer, elapsedMs } = await refresh(`http://there.example:${port}/token`, { timeoutMs: 20_000 })
    expect(answer).toMatchObject({ sent: true, status: 200 })
    expect(elapsedMs).toBeGreaterThan(500)
  })

  it('has its time for every other request too', async () => {
    const port = await closedPort()
    await fullAt('127.0.0.3', port, 0.5)
    resolvesTo('127.0.0.3', '::1')
    const agent = new Network(STRAIGHT).agent({ connectMs: 15_000, idleMs: 15_000 })
    const asked = { origin: `http://there.example:${port}`, path: '/', method: 'GET' } as const
    const { statusCode, body } = await agent.request(asked)
    await body.dump()
    expect(statusCode).toBe(200)
  })
})

/**
 * Somebody who lets no connection in: the queue of those that wait is full, and the kernel drops what comes.
 *
 * @param after Seconds until it serves all the same; never by default.
 */
async function fullAt(address: string, port: number, after?: number): Promise<void> {
  const body = JSON.stringify(GOOD)
  const script = `
import socket, time
s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind((${JSON.stringify(address)}, ${port})); s.listen(0)
filling = []
for _ in range(3):
    c = socket.socket(); c.setblocking(False); c.connect_ex((${JSON.stringify(address)}, ${port})); filling.append(c)
time.sleep(0.2); print('full', flush=True)
time.sleep(${after ?? 3600})
for c in filling: c.close()
while True:
    c, _ = s.accept(); c.settimeout(2)
    try:
        if c.recv(65536):
            c.sendall(b'HTTP/1.1 200 OK\\r\\n\\r\\n' + ${body}.encode()); c.close()
    except OSError: pass
`
  const child = spawn('python3', ['-c', script], { stdio: ['ignore', 'pipe', 'inherit'] })
  onTestFinished(() => void child.kill())
  await once(child.stdout, 'data')
}

describe('through a proxy', () => {
  const firm = authority()
  const client = firm.issue('client.example.com')
  const HOST = '127.0.0.2'

  interface Seen {
    readonly connects: { readonly url: string | undefined; readonly authorization: string | undefined }[]
    readonly shownToProxy: string[]
    readonly shownToServer: string[]
    requests: number
  }

  async function way(
    scheme: 'http' | 'https',
    user = '',
  ): Promise<{ url: string; network: NetworkSettings; seen: Seen }> {
    const seen: Seen = { connects: [], shownToProxy: [], shownToServer: [], requests: 0 }
    const server = createHttpsServer(
      { ...pem(firm.issue(HOST)), requestCert: true, ca: readFileSync(firm.cert) },
      (request, response) => {
        seen.requests += 1
        seen.shownToServer.push(shown(request.socket))
        response.end(GOOD)
      },
    )
    const port = await listening(server, HOST)
    const proxy =
      scheme === 'https'
        ? createHttpsServer({ ...pem(firm.issue('localhost')), requestCert: true, rejectUnauthorized: false })
        : createHttpServer()
    proxy.on('connect', ({ url, headers }, socket: Duplex) => {
      seen.connects.push({ url, authorization: headers['proxy-authorization'] })
      seen.shownToProxy.push(shown(socket))
      const onward = connect(port, HOST, () => {
        socket.write('HTTP/1.1 200 Connection established\r\n\r\n')
        socket.pipe(onward).pipe(socket)
      })
      for (const one of [onward, socket]) one.on('error', () => undefined)
    })
    const proxyPort = await listening(proxy, '127.0.0.1')
    return {
      url: `https://${HOST}:${port}/token`,
      seen,
      network: {
        proxy: new URL(`${scheme}://${user}localhost:${proxyPort}`),
        noProxy: 'localhost',
        credentials: () => ({
          ca: readFileSync(firm.cert, 'utf8'),
          client: { cert: readFileSync(client.cert, 'utf8'), key: readFileSync(client.key, 'utf8') },
        }),
      },
    }
  }

  const shown = (socket: unknown): string =>
    socket instanceof TLSSocket
      ? String((socket.getPeerCertificate() as { subject?: { CN?: string } }).subject?.CN)
      : 'plain'

  it.each(['http', 'https'] as const)(
    'through a proxy that speaks %s, which is shown neither the certificate nor the request',
    async (scheme) => {
      const { url, network, seen } = await way(scheme, 'some%40one:p%3Ass%zz@')
      const { answer } = await refresh(url, {}, network)
      expect(answer).toMatchObject({ sent: true, status: 200, complete: true })
      expect(seen.connects).toEqual([
        {
          url: new URL(url).host,
          authorization: `Basic ${Buffer.from('some@one:p%3Ass%zz').toString('base64')}`,
        },
      ])
      expect(seen.shownToProxy).toEqual([scheme === 'https' ? 'undefined' : 'plain'])
      expect(seen.shownToServer).toEqual(['client.example.com'])
    },
  )

  it('a request goes past the proxy where NO_PROXY exempts the server', async () => {
    const { url, network, seen } = await way('http')
    const { answer } = await refresh(url, {}, { ...network, noProxy: HOST })
    expect(answer).toMatchObject({ sent: true, status: 200 })
    expect(seen.connects).toEqual([])
  })

  it('nothing is sent through a proxy whose certificate nobody vouches for, not even to it', async () => {
    const { url, network, seen } = await way('https')
    const untrusting = { ...network, credentials: () => ({ ca: null, client: null }) }
    const { answer } = await refresh(url, {}, untrusting)
    expect(answer).toMatchObject({ sent: false, status: null })
    expect(answer.failure).toMatch(/CERT|SIGNATURE|ISSUER/)
    expect(seen).toMatchObject({ connects: [], requests: 0 })
  })

  it.each<[string, (socket: Socket) => void, RegExp]>([
    ['closes', (socket) => void socket.end(), /^PROXY_CLOSED$/],
    ['resets', (socket) => void socket.resetAndDestroy(), /^(PROXY_CLOSED|ECONNRESET)$/],
    [
      'says 407',
      (socket) => void socket.end('HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n'),
      /^PROXY_HTTP_407$/,
    ],
    ['says 502 and a page', (socket) => void socket.end(http(502, '<html>')), /^PROXY_HTTP_502$/],
    [
      'says 200 and closes',
      (socket) => void socket.end('HTTP/1.1 200 OK\r\n\r\n'),
      /^(ECONNRESET|CONNECTION_CLOSED)$/,
    ],
    [
      'says 200 and no TLS',
      (socket) => void socket.write('HTTP/1.1 200 OK\r\n\r\nhello, hello\r\n'),
      /^(ERR_SSL_|EPROTO)/,
    ],
    ['says nothing', () => undefined, /^TIMEOUT$/],
    ['says no HTTP', (socket) => void socket.write('SSH-2.0\r\n'), /^PROXY_HPE_/],
  ])('nothing is sent through a proxy that %s, and its connection is closed', async (_, onRequest, code) => {
    const server = await loopback({ onRequest })
    const network: NetworkSettings = {
      ...{ proxy: new URL(`http://127.0.0.1:${server.port}`), noProxy: '' },
      credentials: () => ({ ca: null, client: null }),
    }
    const { answer } = await refresh('https://there.example/token', { timeoutMs: 2000 }, network)
    expect(answer).toMatchObject<Partial<RawAnswer>>({ sent: false, status: null, complete: false })
    expect(answer.failure).toMatch(code)
    expect(server.requests).toHaveLength(1)
    expect(server.requests[0]).toMatch(/^CONNECT there\.example:443 HTTP\/1\.1\r\n/)
    expect(server.requests[0]).not.toMatch(/RT|s3cret|token/)
    await server.allClosed()
  })
})
