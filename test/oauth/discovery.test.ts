import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib'
import { Agent } from 'undici'
import { afterEach, describe, expect, it } from 'vitest'
import type { TokenError } from '../../src/core/errors.js'
import { discover } from '../../src/oauth/discovery.js'
import type { Discovered } from '../../src/core/ports.js'

const OIDC = '/.well-known/openid-configuration'
const RFC_8414 = '/.well-known/oauth-authorization-server'
const NOW = 1_800_000_000

const closing: (() => void)[] = []
afterEach(() => {
  for (const close of closing.splice(0)) close()
})

type Answer = (request: IncomingMessage, response: ServerResponse, issuer: string) => void

/** A server that logs what it is asked. */
async function serving(answer: Answer): Promise<{ issuer: string; asked: string[] }> {
  const asked: string[] = []
  const server = createServer((request, response) => {
    asked.push(`${request.method ?? ''} ${request.url ?? ''}`)
    answer(request, response, issuer)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  closing.push(() => {
    server.closeAllConnections()
    server.close()
  })
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return { issuer, asked }
}

const ask = (issuer: string, timeoutMs?: number): Promise<Discovered> =>
  discover(issuer, new Agent(), NOW, timeoutMs)

async function failure(issuer: string, timeoutMs?: number): Promise<TokenError> {
  return ask(issuer, timeoutMs).then(
    () => {
      throw new Error('it did not fail')
    },
    (error: unknown) => error as TokenError,
  )
}

const all = (issuer: string): Record<string, unknown> => ({
  issuer,
  authorization_endpoint: `${issuer}/a`,
  token_endpoint: `${issuer}/t`,
  revocation_endpoint: `${issuer}/r`,
})

/** Answers with a document at one of the places, and with 404 elsewhere. */
const document =
  (body: (issuer: string) => unknown, place = OIDC, suffix = ''): Answer =>
  ({ url }, response, issuer) => {
    if (url !== place) response.writeHead(404).end()
    else
      response
        .writeHead(200, { 'content-type': 'application/json' })
        .end(JSON.stringify(body(`${issuer}${suffix}`)))
  }

describe('the endpoints of an issuer', () => {
  it.each([
    ['OpenID Connect, without a path', OIDC, ''],
    ['OpenID Connect, with a path', `/realms/firm${OIDC}`, '/realms/firm'],
    ['OpenID Connect, with a last slash', `/realms/firm${OIDC}`, '/realms/firm/'],
    ['RFC 8414, without a path', RFC_8414, ''],
    ['RFC 8414, with a path', `${RFC_8414}/realms/firm`, '/realms/firm'],
  ])('the endpoints of an issuer are found by %s', async (_, place, path) => {
    const { issuer } = await serving(document(all, place, path))
    const name = `${issuer}${path}`
    expect(await ask(name)).toEqual({
      ...{ issuer: name, authorizeUrl: `${name}/a`, tokenUrl: `${name}/t`, revocationUrl: `${name}/r` },
      at: NOW,
    })
  })

  it('the endpoints of an issuer may be few: what is missing, null or empty is not there', async () => {
    const { issuer } = await serving(
      document((issuer) => ({
        issuer,
        token_endpoint: `${issuer}/t`,
        authorization_endpoint: null,
        revocation_endpoint: '',
      })),
    )
    expect(await ask(issuer)).toMatchObject({
      authorizeUrl: null,
      tokenUrl: `${issuer}/t`,
      revocationUrl: null,
    })
  })

  it.each([
    ['elsewhere, by https', 'https://login.example.com/token'],
    ['with a query', 'https://login.example.com/token?tenant=1'],
    ['by the number of a host', 'https://192.0.2.1:8443/token'],
    ['in a name that is not ASCII', 'https://tökén.example/token'],
    ['on this machine, by http', 'http://127.0.0.1:9/token'],
    ['on this machine, by its other number', 'http://[::1]:9/token'],
  ])('the endpoints of an issuer may be %s', async (_, address) => {
    const { issuer } = await serving(document((issuer) => ({ ...all(issuer), token_endpoint: address })))
    expect(await ask(issuer)).toMatchObject({ tokenUrl: address })
  })
})

describe('an endpoint of an issuer is refused, whichever it is', () => {
  const cases = [
    [
      'by http elsewhere',
      'http://other.example/token',
      'must be an https URL (http only to this machine itself)',
    ],
    [
      'by http, at a name that begins as this machine',
      'http://localhost.evil.example/',
      'must be an https URL',
    ],
    [
      'by http, at a name that leads to this machine today',
      'http://127.0.0.1.nip.io/',
      'must be an https URL',
    ],
    ['by http, at a name with a dot behind', 'http://localhost./token', 'must be an https URL'],
    ['by http, at every address', 'http://0.0.0.0/token', 'must be an https URL'],
    [
      'with a host behind a user of this machine’s name',
      'http://localhost:80@evil.example/',
      'must be an https URL',
    ],
    ['with a host behind a backslash', 'http://evil.example\\@localhost/', 'must be an https URL'],
    ['by another scheme', 'ftp://127.0.0.1/token', 'must be an https URL'],
    ['as a script', 'javascript:alert(1)', 'must be an https URL'],
    ['as a file', 'file:///etc/passwd', 'must be an https URL'],
    ['with a user', 'https://user@login.example.com/', 'must not hold a user name or password'],
    ['with a password', 'https://:secret@login.example.com/', 'must not hold a user name or password'],
    ['with a fragment', 'https://login.example.com/#x', 'must not have a fragment (#…)'],
    ['with an empty fragment', 'https://login.example.com/#', 'must not have a fragment (#…)'],
    ['as a path', '/token', 'must be a URL'],
    ['with a space', 'https://login.example.com/ token', 'must be a URL'],
    ['with a line end', 'https://login.example.com/\r\nx: y', 'holds a control character'],
    ['longer than any', `https://login.example.com/${'x'.repeat(3000)}`, 'is longer than 2048 characters'],
    ['as a number', 5, 'is not text'],
    ['as a list', ['https://login.example.com/token'], 'is not text'],
    ['as an object', { href: 'https://login.example.com/' }, 'is not text'],
  ] as const

  it.each(cases)('an endpoint of an issuer is refused, whichever it is: %s', async (_, address, problem) => {
    for (const name of ['token_endpoint', 'authorization_endpoint', 'revocation_endpoint']) {
      const { issuer, asked } = await serving(document((issuer) => ({ ...all(issuer), [name]: address })))
      const error = await failure(issuer)
      expect(error).toMatchObject({
        exit: 78,
        hint: 'check issuer, or set authorize_url and token_url instead',
      })
      expect(error.message).toContain(`the metadata of ${issuer} cannot be used: ${name} ${problem}`)
      expect(error.message).not.toContain('secret')
      expect(asked).toEqual([`GET ${OIDC}`, `GET ${RFC_8414}`])
    }
  })
})

describe('metadata that are not taken', () => {
  const AGAIN = 'check issuer, or set authorize_url and token_url instead'

  it.each([
    ['an issuer elsewhere', 'https://login.example.com/', 'https://login.example.com/'],
    ['another path', 'https://login.example.com/realms/a', 'https://login.example.com/realms/a'],
    ['a user and a password', 'https://u:p@login.example.com/', 'https://login.example.com/'],
    [
      'what would command a terminal',
      'https://x.example/\u001b[31m\u202e',
      'https://x.example/%1B[31m%E2%80%AE',
    ],
    [
      'a name as long as a book',
      `https://x.example/${'y'.repeat(5000)}`,
      `https://x.example/${'y'.repeat(182)}…`,
    ],
    ['a name of its own kind', 'urn:firm:secret', 'urn:'],
  ])('metadata of another issuer are not taken, and the issuer is named: %s', async (_, other, shown) => {
    const { issuer } = await serving(document((issuer) => ({ ...all(issuer), issuer: other })))
    expect(await failure(issuer)).toMatchObject({
      ...{ exit: 78, hint: AGAIN },
      message: `the metadata at ${issuer}/ belongs to another issuer: ${shown}`,
    })
  })

  it('metadata of another issuer are named, also where they are at the second place only', async () => {
    const { issuer } = await serving(document(() => all('https://login.example.com'), RFC_8414))
    expect((await failure(issuer)).message).toContain('belongs to another issuer: https://login.example.com/')
  })

  it.each(['5', '[]', 'null', '"x"', '{"issuer":5}', '{"issuer":"no URL"}', '{', '<html>', '', '\0'])(
    'cannot be read: %j',
    async (body) => {
      const { issuer, asked } = await serving((_, response) => {
        response.writeHead(200, { 'content-type': 'application/json' }).end(body)
      })
      expect(await failure(issuer)).toMatchObject({
        ...{ exit: 78, hint: AGAIN },
        message: `the metadata of ${issuer}/ cannot be read (HTTP 200)`,
      })
      expect(asked).toHaveLength(2)
    },
  )

  it.each([301, 302, 307, 308])('are elsewhere: %i is not followed', async (status) => {
    const other = await serving(document(all))
    const { issuer } = await serving((_, response) => {
      response.writeHead(status, { location: `${other.issuer}${OIDC}` }).end()
    })
    expect(await failure(issuer)).toMatchObject({ exit: 78 })
    expect(other.asked).toEqual([])
  })

  it.each([
    [404, 78, 'publishes no metadata'],
    [403, 78, 'cannot be read (HTTP 403)'],
    [204, 78, 'cannot be read (HTTP 204)'],
    [429, 75, 'could not be fetched (HTTP 429)'],
    [503, 75, 'could not be fetched (HTTP 503)'],
    [799, 75, 'could not be fetched (HTTP 799)'],
  ])('come with HTTP %i', async (status, exit, message) => {
    const { issuer } = await serving((_, response) => {
      response.writeHead(status).end()
    })
    const error = await failure(issuer)
    expect([error.exit, error.message]).toEqual([exit, expect.stringContaining(message)])
  })

  it('metadata never come from where nobody listens', async () => {
    const error = await failure('http://127.0.0.1:1')
    expect(error).toMatchObject({
      exit: 75,
      hint: expect.stringContaining('check the network and issuer') as string,
    })
    expect(error.message).toContain('could not be fetched (ECONNREFUSED)')
  })
})

describe('metadata that are too much', () => {
  const TOO_LARGE = 'is larger than 1 MiB'
  const CHUNK = Buffer.alloc(64 * 1024, ' ')

  /** Writes for as long as somebody takes it; counts what left. */
  function endless(response: ServerResponse, written: { bytes: number }): void {
    const more = (): void => {
      while (!response.destroyed) {
        written.bytes += CHUNK.length
        if (!response.write(CHUNK)) {
          response.once('drain', more)
          return
        }
      }
    }
    more()
  }

  it('metadata that are too much are not read on: a document that never ends', async () => {
    const written = { bytes: 0 }
    const { issuer } = await serving((_, response) => {
      response.writeHead(200, { 'content-type': 'application/json' })
      endless(response, written)
    })
    const before = process.memoryUsage().rss
    const error = await failure(issuer)
    expect(error).toMatchObject({ exit: 78, message: expect.stringContaining(TOO_LARGE) as string })
    // Twice, for there are two places; what lies in the buffers of sockets counts too.
    expect(written.bytes).toBeLessThan(24 * 1024 * 1024)
    expect(process.memoryUsage().rss - before).toBeLessThan(100 * 1024 * 1024)
  })

  it.each([
    ['gzip', gzipSync],
    ['x-gzip', gzipSync],
    ['deflate', deflateSync],
    ['br', brotliCompressSync],
    ['GZIP ', gzipSync],
  ])('metadata that are too much are small and a bomb: %s', async (coding, compress) => {
    const bomb = compress(Buffer.alloc(64 * 1024 * 1024, ' '))
    expect(bomb.length).toBeLessThan(1024 * 1024)
    const { issuer } = await serving((_, response) => {
      response.writeHead(200, { 'content-type': 'application/json', 'content-encoding': coding }).end(bomb)
    })
    const before = process.memoryUsage().rss
    expect(await failure(issuer)).toMatchObject({
      exit: 78,
      message: expect.stringContaining(TOO_LARGE) as string,
    })
    expect(process.memoryUsage().rss - before).toBeLessThan(50 * 1024 * 1024)
  })

  it.each([
    ['gzip', gzipSync],
    ['deflate', deflateSync],
    ['br', brotliCompressSync],
  ])(
    'metadata that are too much or not, and compressed although that was not asked for: %s',
    async (coding, compress) => {
      const seen: unknown[] = []
      const { issuer } = await serving((request, response, issuer) => {
        seen.push(request.headers['accept-encoding'])
        response
          .writeHead(200, { 'content-type': 'application/json', 'content-encoding': coding })
          .end(compress(JSON.stringify({ ...all(issuer), more: 'x'.repeat(900_000) })))
      })
      expect(await ask(issuer)).toMatchObject({ tokenUrl: `${issuer}/t` })
      expect(seen).toEqual(['identity'])
    },
  )

  it.each(['gzip', 'br', 'zstd', 'gzip, gzip'])(
    'metadata that claim to be compressed by %s, and are not, are not taken',
    async (coding) => {
      const { issuer } = await serving((_, response) => {
        response
          .writeHead(200, { 'content-type': 'application/json', 'content-encoding': coding })
          .end('\u001f\u008b{')
      })
      expect(await failure(issuer)).toMatchObject({
        exit: 78,
        message: expect.stringContaining('cannot be read') as string,
      })
    },
  )

  it.each<[string, Answer]>([
    [
      'trickle',
      (_, response) => {
        response.writeHead(200, { 'content-type': 'application/json' })
        const timer = setInterval(() => response.write(' '), 50)
        response.on('close', () => {
          clearInterval(timer)
        })
      },
    ],
    [
      'stop in the middle',
      (_, response) => {
        response.writeHead(200, { 'content-type': 'application/json' }).write('{')
      },
    ],
    ['never begin', () => undefined],
    [
      'take their time at each of the two places',
      ({ url }, response) => {
        if (url === OIDC) setTimeout(() => response.writeHead(404).end(), 300)
      },
    ],
  ])('metadata that are too much and %s are given up in time, in all', async (_, answer) => {
    const { issuer } = await serving(answer)
    const begun = performance.now()
    expect(await failure(issuer, 500)).toMatchObject({
      exit: 75,
      message: `the metadata of ${new URL(issuer).host} could not be fetched (TIMEOUT: no whole answer in time)`,
    })
    expect(performance.now() - begun).toBeLessThan(2_000)
  })
})
