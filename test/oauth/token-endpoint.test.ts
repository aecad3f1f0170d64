import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import type { Socket } from 'node:net'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { gzipSync } from 'node:zlib'
import ts from 'typescript'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'

import { ConfigInvalid } from '../../src/core/errors.js'
import type { RawAnswer } from '../../src/core/ports.js'
import { Secret } from '../../src/core/secret.js'
import { ordinary } from '../../src/oauth/raw-answer.js'
import { TokenEndpoint, type TokenEndpointOptions } from '../../src/oauth/token-endpoint.js'
import { CERTIFICATE, closedPort, http, loopback, type Loopback, type LoopbackOptions } from './loopback.js'

const SENT_AT = { now: 1_700_000_000, boot: 'boot', uptime: 42 }
const REFRESH = new Secret('RT+/= &é')
const GOOD = '{"access_token":"AT","refresh_token":"RT2"}'

function endpoint(url: string, changes: Partial<TokenEndpointOptions> = {}): TokenEndpoint {
  return new TokenEndpoint({
    tokenUrl: new URL(url),
    clientId: '1012',
    clientSecret: () => Promise.resolve(new Secret('s3cret')),
    authMethod: 'client_secret_post',
    scope: 'read',
    clock: () => SENT_AT,
    userAgent: 'hq-token/test',
    ...changes,
  })
}

interface Exchange {
  readonly answer: RawAnswer
  readonly text: string
  readonly server: Loopback
  readonly elapsedMs: number
}

/** One refresh against a server that misbehaves in one way. */
async function refresh(
  behaviour: LoopbackOptions,
  { protocol = 'http', timeoutMs = 5000 }: { protocol?: 'http' | 'https'; timeoutMs?: number } = {},
): Promise<Exchange> {
  const server = await loopback(behaviour)
  const begin = performance.now()
  const answer = await endpoint(`${protocol}://127.0.0.1:${server.port}/acme/api/oauth2/token`).refresh(
    REFRESH,
    {
      timeoutMs,
    },
  )
  const elapsedMs = performance.now() - begin
  await server.allClosed()
  return { answer, text: Buffer.from(answer.body).toString(), server, elapsedMs }
}

const answering = (bytes: string | Uint8Array) => ({
  onRequest: (socket: Socket) => void socket.write(bytes),
})
const thenEnd = (bytes: string | Uint8Array) => ({ onRequest: (socket: Socket) => void socket.end(bytes) })
const thenReset = (bytes: string | Uint8Array) => ({
  onRequest: (socket: Socket) =>
    void socket.write(bytes, () => setTimeout(() => socket.resetAndDestroy(), 20)),
})

describe('a refresh request', () => {
  test('a refresh request is what RFC 6749 section 6 says, and nothing more', async () => {
    const { answer, text, server } = await refresh(
      answering(http(200, GOOD, { date: 'Tue, 14 Nov 2023 22:13:20 GMT', 'retry-after': '7' })),
    )

    expect(answer).toMatchObject({
      sentAt: SENT_AT,
      sent: true,
      status: 200,
      contentType: 'application/json',
      contentEncoding: null,
      retryAfter: '7',
      date: 'Tue, 14 Nov 2023 22:13:20 GMT',
      complete: true,
      failure: null,
    })
    expect(text).toBe(GOOD)
    expect(server.requests).toHaveLength(1)
    const [head, body] = (server.requests[0] ?? '').split('\r\n\r\n')
    const [line, ...fields] = (head ?? '').split('\r\n')
    expect(line).toBe('POST /acme/api/oauth2/token HTTP/1.1')
    expect(fields.sort()).toEqual([
      'accept-encoding: identity',
      'accept: application/json',
      'connection: close',
      'content-length: 96',
      'content-type: application/x-www-form-urlencoded',
      `host: 127.0.0.1:${server.port}`,
      'user-agent: hq-token/test',
    ])
    expect(body).toBe(
      'grant_type=refresh_token&refresh_token=RT%2B%2F%3D+%26%C3%A9&client_id=1012&client_secret=s3cret',
    )
  })

  test('a refresh request keeps the query of the token endpoint', async () => {
    const server = await loopback(answering(http(200, GOOD)))
    await endpoint(`http://127.0.0.1:${server.port}/token?tenant=a%20b`).refresh(REFRESH, { timeoutMs: 5000 })
    expect(server.requests[0]).toMatch(/^POST \/token\?tenant=a%20b HTTP/)
  })

  test('a refresh request with client_secret_basic form-encodes the credentials before base64', async () => {
    const server = await loopback(answering(http(200, GOOD)))
    const basic = endpoint(`http://127.0.0.1:${server.port}/`, {
      authMethod: 'client_secret_basic',
      clientId: 'id:with colon&é',
      clientSecret: () => Promise.resolve(new Secret('p+q/=%:ü')),
    })
    await basic.refresh(REFRESH, { timeoutMs: 5000 })

    const credentials = /^authorization: Basic (\S+)$/m.exec(server.requests[0] ?? '')?.[1] ?? ''
    expect(Buffer.from(credentials, 'base64').toString()).toBe(
      'id%3Awith+colon%26%C3%A9:p%2Bq%2F%3D%25%3A%C3%BC',
    )
    expect(server.requests[0]).not.toMatch(/client_id|client_secret/)
  })

  test('a refresh request of a public client names the client and asks for no secret', async () => {
    const server = await loopback(answering(http(200, GOOD)))
    const clientSecret = vi.fn(() => Promise.resolve(undefined))
    await endpoint(`http://127.0.0.1:${server.port}/`, { authMethod: 'none', clientSecret }).refresh(
      REFRESH,
      {
        timeoutMs: 5000,
      },
    )
    expect(server.requests[0]).toMatch(/&client_id=1012$/)
    expect(clientSecret).not.toHaveBeenCalled()
  })

  test('a refresh request is not sent when the client secret cannot be had', async () => {
    const server = await loopback(answering(http(200, GOOD)))
    const url = `http://127.0.0.1:${server.port}/`
    const unreadable = endpoint(url, { clientSecret: () => Promise.reject(new ConfigInvalid('unreadable')) })
    const missing = endpoint(url, { clientSecret: () => Promise.resolve(undefined) })

    for (const broken of [unreadable, missing]) {
      await expect(broken.prepare()).rejects.toThrow(ConfigInvalid)
      await expect(broken.refresh(REFRESH, { timeoutMs: 5000 })).rejects.toThrow(ConfigInvalid)
    }
    expect(server.connections).toBe(0)
  })

  test('a refresh request uses the secret as it was at the last prepare', async () => {
    const server = await loopback(answering(http(200, GOOD)))
    const secrets = ['one', 'two']
    const changing = endpoint(`http://127.0.0.1:${server.port}/`, {
      clientSecret: () => Promise.resolve(new Secret(secrets.shift() ?? 'three')),
    })
    for (let round = 0; round < 2; round++) {
      await changing.prepare()
      await changing.refresh(REFRESH, { timeoutMs: 5000 })
    }
    expect(server.requests.map((request) => /client_secret=(\w+)/.exec(request)?.[1])).toEqual(['one', 'two'])
    expect(server.connections).toBe(2)
  })
})

describe('nothing is sent', () => {
  const nothing = { sent: false, status: null, complete: false, body: Buffer.alloc(0) }

  test.each(['127.0.0.1', '[::1]', 'localhost'])(
    'nothing is sent when %s refuses the connection',
    async (host) => {
      const answer = await endpoint(`http://${host}:${await closedPort()}/`).refresh(REFRESH, {
        timeoutMs: 5000,
      })
      expect(answer).toMatchObject(nothing)
      expect(answer.failure).toMatch(/^(ECONNREFUSED|EADDRNOTAVAIL)$/)
    },
  )

  test('nothing is sent when the name cannot be resolved', async () => {
    const answer = await endpoint('https://no-such-host.invalid/').refresh(REFRESH, { timeoutMs: 30_000 })
    expect(answer).toMatchObject(nothing)
    expect(answer.failure).toMatch(/^(ENOTFOUND|EAI_AGAIN)$/)
  })

  test('nothing is sent when nobody vouches for the certificate', async () => {
    const { answer, server } = await refresh({ tls: true }, { protocol: 'https' })
    expect(answer).toMatchObject({ ...nothing, failure: 'DEPTH_ZERO_SELF_SIGNED_CERT' })
    expect(server.requests).toHaveLength(0)
  })

  test('nothing is sent when the TLS port speaks HTTP', async () => {
    const { answer, server } = await refresh(
      { onConnection: (socket) => void socket.end(http(400, 'plain HTTP')) },
      { protocol: 'https' },
    )
    expect(answer).toMatchObject({
      ...nothing,
      failure: expect.stringMatching(/^ERR_SSL_|^EPROTO$/) as string,
    })
    expect(server.requests).toHaveLength(0)
  })

  test('nothing is sent when the TLS handshake never ends', async () => {
    const { answer, server, elapsedMs } = await refresh({}, { protocol: 'https', timeoutMs: 200 })
    expect(answer).toMatchObject({ ...nothing, failure: 'TIMEOUT' })
    expect(elapsedMs).toBeLessThan(5000)
    expect(server.connections).toBe(1)
  })

  test('nothing is sent by a request that fails beside one that succeeds', async () => {
    const server = await loopback(answering(http(200, GOOD)))
    const urls = [`http://127.0.0.1:${await closedPort()}/`, `http://127.0.0.1:${server.port}/`]
    const answers = await Promise.all(
      [...urls, ...urls].map((url) => endpoint(url).refresh(REFRESH, { timeoutMs: 5000 })),
    )
    expect(answers.map(({ sent }) => sent)).toEqual([false, true, false, true])
  })
})

describe('the request was sent, and the answer', () => {
  const half = GOOD.slice(0, 20)
  const chunked = (...parts: string[]) =>
    `HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n${parts.join('')}`
  const packed = gzipSync(GOOD)

  const LONG_HEAD = `HTTP/1.1 200 OK\r\nx: ${'y'.repeat(20_000)}\r\n`
  const BROKEN: Record<string, [LoopbackOptions, Partial<RawAnswer> & { text?: string }]> = {
    'is a closed connection': [thenEnd(''), { status: null, failure: 'CONNECTION_CLOSED', text: '' }],
    'is a reset': [thenReset(''), { status: null, failure: 'ECONNRESET', text: '' }],
    'is cut off by a close': [
      thenEnd(http(200, GOOD).subarray(0, -23)),
      { status: 200, failure: 'CONNECTION_CLOSED', text: half },
    ],
    'is cut off by a reset': [
      thenReset(http(200, GOOD).subarray(0, -23)),
      { status: 200, failure: 'ECONNRESET', text: half },
    ],
    'is cut off in a chunk': [
      thenEnd(chunked('14\r\n', half, '\r\n', '17\r\n{"x')),
      { status: 200, failure: 'CONNECTION_CLOSED', text: `${half}{"x` },
    ],
    'is cut off between chunks': [
      thenEnd(chunked('14\r\n', half, '\r\n')),
      { status: 200, failure: 'CONNECTION_CLOSED', text: half },
    ],
    'is cut off in the head': [
      thenEnd('HTTP/1.1 200 OK\r\ncontent-le'),
      {
        ...{ status: 200, failure: 'CONNECTION_CLOSED', isRaw: true },
        text: 'HTTP/1.1 200 OK\r\ncontent-le',
      },
    ],
    'is another protocol': [
      answering('SSH-2.0-OpenSSH_9.9\r\n'),
      { status: null, failure: 'HPE_INVALID_CONSTANT', isRaw: true, text: 'SSH-2.0-OpenSSH_9.9\r\n' },
    ],
    'has a head without end': [
      answering(LONG_HEAD),
      { status: 200, failure: 'TIMEOUT', isRaw: true, text: LONG_HEAD },
    ],
    'has a chunk of nonsense': [
      answering(chunked('14\r\n', half, '\r\nnonsense\r\n')),
      {
        ...{ status: 200, failure: 'HPE_INVALID_CHUNK_SIZE', isRaw: true },
        text: chunked('14\r\n', half, '\r\nnonsense\r\n'),
      },
    ],
    'is an alert, the port being TLS': [{ tls: true }, { status: null }],
  }

  test.each(Object.entries(BROKEN))(
    'the request was sent, and the answer %s',
    async (_situation, [behaviour, { text: expected, ...rest }]) => {
      const { answer, text, server } = await refresh(behaviour)
      expect(answer).toMatchObject({ sent: true, complete: false, ...rest })
      expect(answer.failure).toMatch(/^\w+$/)
      if (expected !== undefined) expect(text).toBe(expected)
      expect(server.requests).toHaveLength(behaviour.tls === true ? 0 : 1)
      expect(server.connections).toBe(behaviour.tls === true ? 0 : 1)
    },
  )

  test('the request was sent, and the answer is a closed connection that never read the request', async () => {
    const { answer, server } = await refresh({ onConnection: (socket) => void socket.destroy() })
    expect(answer).toMatchObject({ sent: true, status: null, complete: false })
    expect(answer.failure).toMatch(/^(CONNECTION_CLOSED|ECONNRESET|EPIPE)$/)
    expect(server.connections).toBe(1)
  })

  test('the request was sent, and the answer is silence', async () => {
    const { answer, server, elapsedMs } = await refresh({}, { timeoutMs: 200 })
    expect(answer).toMatchObject({ sent: true, status: null, complete: false, failure: 'TIMEOUT' })
    expect(elapsedMs).toBeLessThan(5000)
    expect(server.requests).toHaveLength(1)
  })

  test('the request was sent, and the answer drips', async () => {
    const drip = (socket: Socket): void => {
      socket.write('HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n')
      const timer = setInterval(() => socket.write('x'), 20)
      socket.on('close', () => {
        clearInterval(timer)
      })
    }
    const { answer, text, server, elapsedMs } = await refresh({ onRequest: drip }, { timeoutMs: 300 })
    expect(answer).toMatchObject({ sent: true, status: 200, complete: false, failure: 'TIMEOUT' })
    expect(text).toMatch(/^x{3,}$/)
    expect(elapsedMs).toBeLessThan(5000)
    expect(server.requests).toHaveLength(1)
  })

  test('the request was sent, and the answer is 50 MB', async () => {
    let written = 0
    const flood = (socket: Socket): void => {
      socket.write('HTTP/1.1 200 OK\r\ncontent-length: 50000000\r\n\r\n')
      const more = (): void => {
        while (socket.writable && written < 50_000_000) {
          written += 65_536
          if (!socket.write(Buffer.alloc(65_536, 'x'))) return void socket.once('drain', more)
        }
      }
      more()
    }
    const { answer, server } = await refresh({ onRequest: flood })
    expect(answer).toMatchObject({ sent: true, status: 200, complete: false, failure: 'BODY_TOO_LARGE' })
    expect(answer.body).toHaveLength(1024 * 1024)
    expect(written).toBeLessThan(20_000_000)
    expect(server.requests).toHaveLength(1)
  })

  test('the request was sent, and the answer is exactly as long as it may be', async () => {
    const { answer } = await refresh(answering(http(200, 'x'.repeat(1024 * 1024))))
    expect(answer).toMatchObject({ complete: true, failure: null })
    expect(answer.body).toHaveLength(1024 * 1024)
  })

  test('the request was sent, and the answer is a gzip bomb, kept as it came', async () => {
    const bomb = gzipSync(Buffer.alloc(50_000_000))
    const { answer } = await refresh(answering(http(200, bomb, { 'content-encoding': 'gzip' })))
    expect(answer).toMatchObject({ sent: true, status: 200, contentEncoding: 'gzip', complete: true })
    expect(Buffer.compare(answer.body, bomb)).toBe(0)
    await expect(endpoint('http://127.0.0.1/').read(answer)).resolves.toMatchObject({ kind: 'unreadable' })
  })

  test('the request was sent, and the answer is gzip cut off, kept as it came', async () => {
    const { answer } = await refresh(
      thenEnd(http(200, packed, { 'content-encoding': 'gzip' }).subarray(0, -9)),
    )
    expect(answer).toMatchObject({ contentEncoding: 'gzip', complete: false, failure: 'CONNECTION_CLOSED' })
    expect(Buffer.compare(answer.body, packed.subarray(0, -9))).toBe(0)
  })

  test('the request was sent, and the answer has no length and ends with the connection', async () => {
    const { answer, text } = await refresh(thenEnd(`HTTP/1.0 200 OK\r\n\r\n${GOOD}`))
    expect(answer).toMatchObject({ sent: true, status: 200, complete: true, isFramed: false, failure: null })
    expect(text).toBe(GOOD)
  })

  test('the request was sent, and the answer is followed by bytes that nobody asked for', async () => {
    const bytes = Buffer.concat([http(200, GOOD), Buffer.from('trailing'), http(500, 'more')])
    const { answer, text, server } = await refresh(answering(bytes))
    expect(answer).toMatchObject({ status: 200, complete: true, isRaw: true, failure: null })
    expect(text).toBe(bytes.toString())
    expect(ordinary(answer)).toMatchObject({ body: Buffer.from(GOOD), isFramed: true })
    expect(server.requests).toHaveLength(1)
  })

  test('the request was sent, and the answer follows after early hints', async () => {
    const { answer, text } = await refresh(
      answering(Buffer.concat([Buffer.from('HTTP/1.1 103 Early Hints\r\ndate: x\r\n\r\n'), http(200, GOOD)])),
    )
    expect(answer).toMatchObject({ status: 200, date: null, complete: true })
    expect(text).toBe(GOOD)
  })

  test('the request was sent, and the answer breaks off after early hints, which are no status', async () => {
    const { answer } = await refresh(thenEnd('HTTP/1.1 103 Early Hints\r\n\r\n'))
    expect(answer).toMatchObject({ sent: true, status: null, complete: false })
  })

  test('the request was sent, and the answer begins with a 100 that was not asked for', async () => {
    const { answer, text } = await refresh(
      answering(Buffer.concat([Buffer.from('HTTP/1.1 100 Continue\r\n\r\n'), http(200, GOOD)])),
    )
    expect(answer).toMatchObject({ sent: true, status: 200, complete: true, isFramed: true, failure: null })
    expect(text).toBe(GOOD)
  })

  test.each([301, 302, 303, 307, 308])(
    'the request was sent, and the answer is a redirect with %i, which is not followed',
    async (status) => {
      const target = await loopback(answering(http(200, GOOD)))
      const location = `http://127.0.0.1:${target.port}/`
      const { answer, server } = await refresh(answering(http(status, 'moved', { location })))
      expect(answer).toMatchObject({ sent: true, status, complete: true })
      expect(server.requests).toHaveLength(1)
      expect(target.connections).toBe(0)
    },
  )

  test.each([
    [429, '120'],
    [503, 'Wed, 21 Oct 2037 07:28:00 GMT'],
  ])('the request was sent, and the answer is %i with Retry-After', async (status, retryAfter) => {
    const { answer, server } = await refresh(answering(http(status, '', { 'retry-after': retryAfter })))
    expect(answer).toMatchObject({ sent: true, status, retryAfter, complete: true, failure: null })
    expect(server.requests).toHaveLength(1)
  })
})

test('the token endpoint repeats no client secret that the server quotes', async () => {
  const server = await loopback(
    thenEnd(
      `HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\n\r\n${JSON.stringify({ error: 'invalid_client', error_description: `no s3cret here` })}`,
    ),
  )
  const tokenEndpoint = endpoint(`http://127.0.0.1:${server.port}/token`)
  const reading = await tokenEndpoint.read(await tokenEndpoint.refresh(REFRESH, { timeoutMs: 5000 }))
  expect(reading).toEqual({ kind: 'error', code: 'invalid_client', description: 'no [secret] here' })
})

describe('a process', () => {
  const sources = fileURLToPath(new URL('../../src/', import.meta.url))
  let folder: string

  beforeAll(async () => {
    // Inside node_modules, from where the dependencies resolve.
    const cache = fileURLToPath(new URL('../../node_modules/.cache/', import.meta.url))
    await mkdir(cache, { recursive: true })
    folder = await mkdtemp(`${cache}oauth-`)
    await writeFile(`${folder}/package.json`, '{"type":"module"}')
    for (const room of ['core', 'network', 'oauth', 'platform']) {
      await mkdir(`${folder}/${room}`)
      for (const file of await readdir(sources + room)) {
        const text = await readFile(`${sources}${room}/${file}`, 'utf8')
        const { outputText } = ts.transpileModule(text, {
          compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 },
        })
        await writeFile(`${folder}/${room}/${file.replace(/\.ts$/, '.js')}`, outputText)
      }
    }
    await writeFile(
      `${folder}/main.js`,
      `import { TokenEndpoint } from './oauth/token-endpoint.js'
      import { Secret } from './core/secret.js'
      const [tokenUrl, timeoutMs] = process.argv.slice(2)
      const answer = await new TokenEndpoint({
        tokenUrl: new URL(tokenUrl), clientId: 'id', authMethod: 'none', userAgent: 'child', clock: () => ({}),
      }).refresh(new Secret('RT'), { timeoutMs: Number(timeoutMs) })
      const returned = performance.now()
      process.on('exit', () => {
        const { sent, status, complete, failure } = answer
        const lingeredMs = performance.now() - returned
        console.log(JSON.stringify({ sent, status, complete, failure, lingeredMs }))
      })`,
    )
  })
  afterAll(() => rm(folder, { recursive: true, force: true }))

  async function child(url: string, timeoutMs: number) {
    const { stdout } = await promisify(execFile)(
      process.execPath,
      [`${folder}/main.js`, url, String(timeoutMs)],
      { env: { ...process.env, NODE_EXTRA_CA_CERTS: fileURLToPath(CERTIFICATE) }, timeout: 20_000 },
    )
    return JSON.parse(stdout) as Record<string, unknown> & { lingeredMs: number }
  }

  test.each<[situation: string, protocol: string, server: LoopbackOptions, expected: object]>([
    [
      'an answer over TLS',
      'https',
      { tls: true, ...answering(http(200, GOOD)) },
      { status: 200, complete: true },
    ],
    [
      'an answer whose connection the server keeps open',
      'http',
      answering(http(200, GOOD, { connection: 'keep-alive', 'keep-alive': 'timeout=60' })),
      { status: 200, complete: true },
    ],
    ['silence', 'http', {}, { sent: true, failure: 'TIMEOUT' }],
    ['a TLS handshake that never ends', 'https', {}, { sent: false, failure: 'TIMEOUT' }],
    [
      'half an answer',
      'http',
      answering(http(200, GOOD).subarray(0, -5)),
      { status: 200, complete: false, failure: 'TIMEOUT' },
    ],
  ])('a process exits at once after %s', async (_situation, protocol, behaviour, expected) => {
    const server = await loopback(behaviour)
    const { lingeredMs, ...answer } = await child(`${protocol}://127.0.0.1:${server.port}/`, 1500)
    expect(answer).toMatchObject(expected)
    expect(lingeredMs).toBeLessThan(3000)
    expect(server.connections).toBeLessThanOrEqual(1)
  })
})
