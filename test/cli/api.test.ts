import { once } from 'node:events'
import {
  appendFileSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type RequestListener } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { apiUrl } from '../../src/cli/commands/api/api-url.js'
import { folder } from '../support/folder.js'
import { place, type Place } from '../support/place.js'
import { told, type Told, type WorldOptions } from '../support/world.js'

const closing: (() => void)[] = []

afterEach(() => {
  for (const close of closing.splice(0)) close()
})

async function listening(handler: RequestListener): Promise<string> {
  const server = createServer(handler)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  closing.push(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

interface Seen {
  readonly method: string
  readonly url: string
  readonly headers: IncomingMessage['headers']
  readonly body: string
}

/** An API that takes one token, and remembers what it was asked. */
let there: Place
let seen: Seen[]
let api: string
/** Answers a request whose token is taken. */
let answer: RequestListener
/** Which tokens it takes: by default all that were issued but the refused one. */
let takes: (token: string) => boolean

beforeEach(async () => {
  there = await place({}, 3600)
  seen = []
  answer = (_request, response) =>
    void response.setHeader('content-type', 'application/json').end('{"ok":true}')
  takes = () => true
  api = await listening((request, response) => {
    void (async () => {
      const body = (await buffer(request)).toString()
      seen.push({ method: request.method ?? '', url: request.url ?? '', headers: request.headers, body })
      const token = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1] ?? ''
      if (takes(token)) answer(request, response)
      else response.writeHead(403).end('Access denied')
    })()
  })
})

function ask(args: readonly string[], options: WorldOptions = {}): Promise<Told> {
  const env = { HQ_TOKEN_CONFIG: there.config, HQ_TOKEN_API_URL: `${api}/acme/api/` }
  return told(['api', ...args], { ...options, env })
}

describe('a path', () => {
  const base = new URL('https://acme.highq.com/acme/api/')
  it.each([
    ['1/sites', 'https://acme.highq.com/acme/api/1/sites'],
    ['/1/sites?x=1', 'https://acme.highq.com/acme/api/1/sites?x=1'],
    ['/acme/api/1/sites', 'https://acme.highq.com/acme/api/1/sites'],
    ['/acme/authorize.action', 'https://acme.highq.com/acme/authorize.action'],
    ['https://acme.highq.com/acme/api/1/sites#x', 'https://acme.highq.com/acme/api/1/sites'],
    ['https://someone:else@acme.highq.com/x', 'https://acme.highq.com/x'],
    ['../x', 'https://acme.highq.com/acme/x'],
    ['', 'https://acme.highq.com/acme/api/'],
  ])('%j leads to %s', (path, url) => {
    expect(apiUrl(path, base).href).toBe(url)
  })

  it.each([
    'https://evil.example/acme/api/1/sites',
    'http://acme.highq.com/acme/api/1/sites',
    'https://acme.highq.com:444/1/sites',
    'https://acme.highq.com.evil.example/',
    'https://acme.highq.com@evil.example/',
    'javascript:alert(1)',
    'https://',
  ])('%j is refused', (path) => {
    expect(() => apiUrl(path, base)).toThrow(/not where the token is for|neither a path nor a URL/)
  })

  it.each(['//evil.example/x', '\\\\evil.example/x', '/\\evil.example', '\t//evil.example'])(
    '%j stays on the host, or is refused',
    (path) => {
      const url = ((): URL | null => {
        try {
          return apiUrl(path, base)
        } catch {
          return null
        }
      })()
      expect(url?.origin ?? base.origin).toBe(base.origin)
    },
  )

  it('with a colon is said to be taken for a URL', async () => {
    const { code, stderr } = await ask(['sites:search'])
    expect(code).toBe(2)
    expect(stderr).toMatch(
      /"sites:search" is neither a path nor a URL\n.*hint: .* hq-token api \.\/sites:search\n/,
    )
    expect(await ask(['./sites:search'])).toMatchObject({ code: 0 })
    expect(seen).toMatchObject([{ url: '/acme/api/sites:search' }])
  })

  it('needs an API to be relative to', async () => {
    const env = { HQ_TOKEN_STORE: join(there.dir, 'token.db'), HQ_TOKEN_CLIENT_ID: '1012' }
    const ended = await told(['api', '1/sites'], { env })
    expect(ended).toMatchObject({
      code: 78,
      stdout: '',
      stderr: expect.stringContaining('api_url') as string,
    })
  })
})

describe('a call', () => {
  it('carries the token, and asks for JSON', async () => {
    expect(await ask(['1/sites'])).toEqual({
      code: 0,
      stdout: '{"ok":true}',
      stderr: expect.any(String) as string,
    })
    expect(seen).toMatchObject([
      { method: 'GET', url: '/acme/api/1/sites', headers: { accept: 'application/json' } },
    ])
    expect(seen[0]?.headers.authorization).toMatch(/^Bearer \S+$/)
  })

  it('takes headers and a method', async () => {
    await ask(['x', '-X', 'delete', '-H', 'Accept: application/xml', '-H', 'x-y:z'])
    expect(seen).toMatchObject([{ method: 'DELETE', headers: { accept: 'application/xml', 'x-y': 'z' } }])
  })

  it('sends a header as often as it is given, and the usual one not at all where it is given without a value', async () => {
    await ask([
      'x',
      '-H',
      'X-Tag: a',
      '-H',
      'x-tag: b',
      '-H',
      'Accept: a/b',
      '-H',
      'Accept: c/d',
      '-H',
      'User-Agent:',
    ])
    await ask(['x', '-H', 'Accept:', '-H', '__proto__: x'])
    expect(seen[0]?.headers).toMatchObject({ 'x-tag': 'a, b', accept: 'a/b, c/d' })
    expect(seen[0]?.headers).not.toHaveProperty('user-agent')
    expect(seen[1]?.headers).not.toHaveProperty('accept')
    expect(seen[1]?.headers['user-agent']).toMatch(/^hq-token/)
  })

  it.each([
    [['-H', 'nonsense'], /is not "name: value"/],
    [['-H', 'Authorization: Bearer x'], /set by hq-token itself/],
    [['-H', 'a: b\r\nc: d'], /is not "name: value"/],
    [['-f', 'nonsense'], /is not key=value/],
    [['-f', 'a=1', '-f', 'a[b]=2'], /has a value and is an object\n.*hint: hq-token api --help/],
    [['-f', 'a=1', '-f', 'a=2'], /given twice\n.*hint: hq-token api --help/],
    [['-F', 'a=@/nowhere'], /\/nowhere .* cannot be read/],
    [['-F', 'a=@/bin/sh'], /is no text in UTF-8/],
    [['-F', 'a=9007199254740993'], /number of the field a .*\n.*hint: as a string: -f a=9007199254740993/],
    [['-F', 'a=@-', '--input', '-'], /standard input is there once/],
    [['-F', 'a=@-', '-F', 'b=@-'], /standard input is there once/],
    [['--input', '/nowhere'], /\/nowhere cannot be read \(ENOENT\)/],
    [['--input', '/'], /cannot be read \(EISDIR\)/],
    [['-H', 'X: €'], /is not "name: value"/],
    [['-H', 'Expect: 100-continue', '-f', 'a=b'], /Expect is set by hq-token itself/],
    [['-H', 'Upgrade: h2c'], /Upgrade is set by/],
    [['-H', 'Keep-Alive: 3'], /Keep-Alive is set by/],
    [['-H', 'connection: a b'], /cannot be made: invalid connection/],
    [['-X', 'GE T'], /no method .*\n.*hint: hq-token api --help/],
    [['-X', 'CONNECT'], /no method/],
    [['--timeout', 'soon'], /A duration/],
  ])('with %j is refused before anything is sent', async (args, message) => {
    const ended = await ask(['x', ...args])
    expect(ended).toMatchObject({ code: 2, stdout: '' })
    expect(ended.stderr).toMatch(message)
    expect(seen).toEqual([])
  })

  it('sends fields as JSON, as gh does', async () => {
    const file = join(there.dir, 'text')
    writeFileSync(file, 'of the file')
    await ask(
      ['x', '-f', 'a=1', '-F', 'b=2', '-F', 'c=true', '-F', 'd=null', '-F', `e=@${file}`].concat(
        ...['f[g]=1', 'f[h][]=x', 'f[h][]=y', 'i[][j]=1', 'i[][k]=2', 'i[][j]=3', '__proto__=x', 'l=m=n'].map(
          (field) => ['-f', field],
        ),
      ),
    )
    expect(seen).toMatchObject([{ method: 'POST', headers: { 'content-type': 'application/json' } }])
    expect(JSON.parse(seen[0]?.body ?? '')).toEqual(
      JSON.parse(
        '{"a":"1","b":2,"c":true,"d":null,"e":"of the file","f":{"g":"1","h":["x","y"]},"i":[{"j":"1","k":"2"},{"j":"3"}],"__proto__":"x","l":"m=n"}',
      ),
    )
  })

  it('takes a field from standard input, whatever its length, but not from a terminal', async () => {
    const input = 'ä'.repeat(2_000_000)
    expect(await ask(['x', '-F', 'a=@-'], { input })).toMatchObject({ code: 0 })
    expect(JSON.parse(seen[0]?.body ?? '')).toEqual({ a: input })
    for (const args of [
      ['-F', 'a=@-'],
      ['--input', '-'],
    ]) {
      const { code, stderr } = await ask(['x', ...args], { keyboard: true })
      expect({ code, stderr }).toMatchObject({
        code: 2,
        stderr: expect.stringContaining('a terminal here') as string,
      })
    }
    expect(seen).toHaveLength(1)
  })

  it('sends whole numbers as numbers as long as they stay the same', async () => {
    await ask([
      'x',
      ...['a=9007199254740991', 'b=-9007199254740991', 'c=1234567890123456', 'd=007'].flatMap((field) => [
        '-F',
        field,
      ]),
    ])
    expect(seen[0]?.body).toBe('{"a":9007199254740991,"b":-9007199254740991,"c":1234567890123456,"d":"007"}')
  })

  it('puts fields into the query of a GET, and beside a body', async () => {
    await ask(['x?q=0', '-X', 'GET', '-f', 'a=1 2', '-F', 'b=3'])
    await ask(['x', '--input', '-', '-f', 'a=1'], { input: '<xml/>' })
    expect(seen).toMatchObject([
      { method: 'GET', url: '/acme/api/x?q=0&a=1+2&b=3', body: '' },
      { method: 'POST', url: '/acme/api/x?a=1', body: '<xml/>' },
    ])
  })

  it('sends a file, or standard input', async () => {
    const file = join(there.dir, 'body')
    writeFileSync(file, 'of a file')
    await ask(['x', '-X', 'PUT', '--input', file])
    await ask(['x', '--input', '-'], { input: 'of a pipe' })
    expect(seen).toMatchObject([
      { method: 'PUT', body: 'of a file', headers: { 'content-length': '9' } },
      { method: 'POST', body: 'of a pipe' },
    ])
  })

  it('sends a file that grows meanwhile as it was, and tells of one that shrinks', async () => {
    const file = join(there.dir, 'log')
    const SIZE = 32_000_000
    const meanwhile = async (change: () => void): Promise<Told> => {
      writeFileSync(file, Buffer.alloc(SIZE, 'a'))
      const changing = await listening((request, response) => {
        change()
        void buffer(request).then(
          (bytes) => response.end(String(bytes.byteLength)),
          () => undefined,
        )
      })
      const env = { HQ_TOKEN_CONFIG: there.config, HQ_TOKEN_API_URL: `${changing}/` }
      return told(['api', 'x', '--input', file], { env })
    }
    expect(
      await meanwhile(() => {
        appendFileSync(file, 'more')
      }),
    ).toMatchObject({ code: 0, stdout: String(SIZE) })
    const shrunk = await meanwhile(() => {
      truncateSync(file, 10)
    })
    expect(shrunk).toMatchObject({ code: 2, stdout: '' })
    expect(shrunk.stderr).toMatch(/log changed while it was sent/)
  })

  it.skipIf(process.platform !== 'linux')('sends a file that tells no size', async () => {
    await ask(['x', '--input', '/proc/version'])
    const empty = join(there.dir, 'empty')
    writeFileSync(empty, '')
    await ask(['x', '--input', empty])
    expect(seen).toMatchObject([
      { method: 'POST', body: readFileSync('/proc/version', 'utf8') },
      { method: 'POST', body: '', headers: { 'content-length': '0' } },
    ])
  })

  it('prints status and headers with -i', async () => {
    const { stdout } = await ask(['x', '-i'])
    expect(stdout).toMatch(
      /^HTTP\/1\.1 200 OK\r\ncontent-type: application\/json\r\n[^]*\r\n\r\n\{"ok":true\}$/,
    )
  })

  it('writes a file with -o, whole or not at all', async () => {
    const dir = folder()
    const file = join(dir, 'answer')
    writeFileSync(file, 'of yesterday')
    expect(await ask(['x', '-o', file])).toMatchObject({ code: 0, stdout: '' })
    expect(readFileSync(file, 'utf8')).toBe('{"ok":true}')
    answer = (_request, response) => {
      response.writeHead(200, { 'content-length': '100' }).write('half of it', () => response.destroy())
    }
    expect(await ask(['x', '-o', file])).toMatchObject({ code: 75, stdout: '' })
    expect(readFileSync(file, 'utf8')).toBe('{"ok":true}')
    expect(readdirSync(dir)).toEqual(['answer'])
    const nowhere = join(dir, 'none', 'answer')
    const asked = seen.length
    const ended = await ask(['x', '-o', nowhere])
    expect(seen).toHaveLength(asked)
    expect(ended).toMatchObject({ code: 74, stdout: '' })
    expect(ended.stderr).toContain(nowhere)
  })

  it('writes with -o no file but that one, behind a link too, and leaves it its mode', async () => {
    const dir = folder()
    const [file, part, link] = ['answer', 'answer.part', 'link'].map((name) => join(dir, name)) as [
      string,
      string,
      string,
    ]
    writeFileSync(file, 'of yesterday', { mode: 0o640 })
    writeFileSync(part, 'of another')
    symlinkSync('answer', link)
    expect(await ask(['x', '-o', link])).toMatchObject({ code: 0, stdout: '' })
    expect(readlinkSync(link)).toBe('answer')
    expect(readFileSync(file, 'utf8')).toBe('{"ok":true}')
    expect(statSync(file).mode & 0o777).toBe(0o640)
    expect(readFileSync(part, 'utf8')).toBe('of another')
    expect(readdirSync(dir)).toEqual(['answer', 'answer.part', 'link'])
  })

  it('writes with -o a new file with the mode that the umask leaves', async () => {
    const dir = folder()
    const plain = join(dir, 'plain')
    writeFileSync(plain, '')
    await ask(['x', '-o', join(dir, 'answer')])
    expect(statSync(join(dir, 'answer')).mode).toBe(statSync(plain).mode)
  })

  it('writes one file with -o from two at once, and it is of one of them', async () => {
    const dir = folder()
    const file = join(dir, 'answer')
    const both: (() => void)[] = []
    answer = (request, response) => {
      const letter = request.url?.endsWith('a') === true ? 'a' : 'b'
      response.write(letter.repeat(100_000))
      both.push(() => response.end(letter.repeat(100_000)))
      if (both.length === 2) for (const end of both) end()
    }
    const ended = await Promise.all(['a', 'b'].map((path) => ask([path, '-o', file])))
    expect(ended.map(({ code }) => code)).toEqual([0, 0])
    expect(readFileSync(file, 'utf8')).toMatch(/^(?:a{200000}|b{200000})$/)
    expect(readdirSync(dir)).toEqual(['answer'])
  })

  it('that the API answers with an error exits with 22, and prints what it said', async () => {
    answer = (_request, response) => void response.writeHead(404).end('no such thing')
    const ended = await ask(['x'])
    expect(ended).toMatchObject({ code: 22, stdout: 'no such thing' })
    expect(ended.stderr).toMatch(/error: GET \S+\/acme\/api\/x: HTTP 404 Not Found/)
  })

  it('that the API answers with an error leaves the file of -o as it was', async () => {
    answer = (_request, response) => void response.writeHead(404).end('no such thing')
    const dir = folder()
    const file = join(dir, 'answer')
    expect(await ask(['x', '-o', file])).toMatchObject({ code: 22, stdout: 'no such thing' })
    expect(readdirSync(dir)).toEqual([])
    writeFileSync(file, 'of yesterday')
    expect(await ask(['x', '-o', file])).toMatchObject({ code: 22, stdout: 'no such thing' })
    expect(readFileSync(file, 'utf8')).toBe('of yesterday')
  })

  it('that finds nobody exits with 75', async () => {
    for (const close of closing.splice(0)) close()
    expect(await ask(['x'])).toMatchObject({
      code: 75,
      stdout: '',
      stderr: expect.stringContaining('ECONNREFUSED') as string,
    })
  })

  it('that is answered in no HTTP exits with 75', async () => {
    answer = (request) => void request.socket.end('SSH-2.0-server\r\n')
    expect(await ask(['x'])).toMatchObject({ code: 75, stdout: '' })
  })

  it('that hears nothing for --timeout exits with 75', async () => {
    answer = () => undefined
    expect(await ask(['x', '--timeout', '1'])).toMatchObject({ code: 75, stdout: '' })
  })

  it('whose output nobody takes exits with 74, quietly', async () => {
    expect(await ask(['x'], { broken: true })).toEqual({ code: 74, stdout: '', stderr: '' })
  })

  it('that the API refuses exits with 22, with a word, whether or not anybody reads its answer', async () => {
    answer = (_request, response) => void response.writeHead(404).end('{"status":404}')
    const refused = await ask(['x'], { broken: true })
    expect(refused).toMatchObject({ code: 22, stdout: '' })
    expect(refused.stderr).toMatch(/^hq-token: error: GET \S+\/x: HTTP 404/)
  })

  it('over TLS that nobody checks is not made', async () => {
    const env = {
      HQ_TOKEN_CONFIG: there.config,
      HQ_TOKEN_API_URL: `${api}/`,
      NODE_TLS_REJECT_UNAUTHORIZED: '0',
    }
    expect(await told(['api', 'x'], { env })).toMatchObject({ code: 78, stdout: '' })
    expect(seen).toEqual([])
  })
})

describe('an answer on a terminal', () => {
  const ESCAPE = '\u001b'
  const of =
    (type: string | undefined, body: string | Buffer): RequestListener =>
    (_request, response) => {
      response.writeHead(200, type === undefined ? {} : { 'content-type': type, 'x-y': 'a' }).end(body)
    }

  it.each(['application/json', 'text/plain; charset=utf-8', 'application/atom+xml', undefined])(
    'gives it no command: %s',
    async (type) => {
      const body = `a${ESCAPE}]0;x\u0007\u009b2J\tb\r\nc\rdé`
      answer = of(type, body)
      expect(await ask(['x'], { terminal: 80 })).toMatchObject({
        code: 0,
        // What follows on the terminal, a message or the prompt, has a line of its own.
        stdout: 'a\\x1b]0;x\\x07\\x9b2J\tb\r\nc\\x0ddé\n',
      })
      expect(await ask(['x'])).toMatchObject({ code: 0, stdout: body })
    },
  )

  it('is whole where it comes in parts', async () => {
    const bytes = Buffer.from('éé')
    answer = (_request, response) => {
      response.writeHead(200, { 'content-type': 'text/plain' }).write(bytes.subarray(0, 1))
      setTimeout(() => response.end(bytes.subarray(1)), 50)
    }
    expect(await ask(['x'], { terminal: 80 })).toMatchObject({ code: 0, stdout: 'éé\n' })
  })

  it.each([
    ['one that ends its line', 200, '{}\n', 0, '{}\n'],
    ['one that does not', 200, '{}', 0, '{}\n'],
    ['an empty one', 200, '', 0, ''],
    ['an error', 404, '{"status":404}', 22, '{"status":404}\n'],
  ])('is followed by a line of its own: %s', async (_what, status, body, code, stdout) => {
    answer = (_request, response) =>
      void response.writeHead(status, { 'content-type': 'application/json' }).end(body)
    expect(await ask(['x'], { terminal: 80 })).toMatchObject({ code, stdout })
    // What a program reads is as it came.
    expect(await ask(['x'])).toMatchObject({ code, stdout: body })
  })

  it('that breaks off leaves the message a line of its own', async () => {
    answer = (_request, response) => {
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': '100' })
      response.write('{"site":[', () => setTimeout(() => response.destroy(), 50))
    }
    const cut = await ask(['x'], { terminal: 80 })
    expect(cut).toMatchObject({ code: 75, stdout: '{"site":[\n' })
    expect(cut.stderr).toMatch(/^hq-token: error: the transfer with /)
    expect(await ask(['x'])).toMatchObject({ code: 75, stdout: '{"site":[' })
  })

  it('is not shown where it is no text', async () => {
    answer = of('application/pdf', '%PDF')
    const ended = await ask(['x'], { terminal: 80 })
    expect(ended).toMatchObject({ code: 2, stdout: '' })
    expect(ended.stderr).toMatch(/no text \(application\/pdf\).*\n.*hint: .* -o FILE/)
    expect(await ask(['x', '-i'], { terminal: 80 })).toMatchObject({
      stdout: expect.stringMatching(/^HTTP.*200.*\r\n[^]*\r\n\r\n$/) as string,
    })
    expect(await ask(['x'])).toMatchObject({ code: 0, stdout: '%PDF' })
    answer = (_request, response) => void response.writeHead(500, { 'content-type': 'image/png' }).end('PNG')
    expect(await ask(['x'], { terminal: 80 })).toMatchObject({ code: 22, stdout: '' })
  })
})

describe('a long transfer', () => {
  const ESCAPE = '\u001b'
  const slowly: RequestListener = (_request, response) => {
    response.writeHead(200, { 'content-length': '2000000' }).write(Buffer.alloc(1_000_000))
    setTimeout(() => response.end(Buffer.alloc(1_000_000)), 1600)
  }

  it('shows on a terminal how far it is, and leaves nothing behind', async () => {
    answer = slowly
    const file = join(there.dir, 'answer')
    const { code, stderr } = await ask(['x', '-o', file], { terminal: 80 })
    expect(code).toBe(0)
    expect(stderr).toMatch(/received 1\.0 MB of 2\.0 MB \(50 %\), \d+\.\d MB\/s/)
    expect(stderr.endsWith(`\r${ESCAPE}[K`)).toBe(true)
    expect(readFileSync(file)).toHaveLength(2_000_000)
  })

  it('shows nothing in a pipe', async () => {
    answer = slowly
    expect((await ask(['x'])).stderr).not.toContain('MB')
  })
})

describe('a token that the API refuses', () => {
  const tokenOf = ({ headers }: Seen): string => headers.authorization ?? ''
  /** What the store holds from the start is refused. */
  const refuseTheFirst = async (): Promise<void> => {
    const first = (await told(['get'], { env: { HQ_TOKEN_CONFIG: there.config } })).stdout.trim()
    takes = (token) => token !== first
  }

  it.each([
    ['no body', []],
    ['fields', ['-f', 'a=1']],
  ])('is renewed once, and the call with %s repeated once', async (_what, args) => {
    await refuseTheFirst()
    expect(await ask(['x', ...args])).toMatchObject({ code: 0, stdout: '{"ok":true}' })
    expect(there.sandbox.refreshes()).toBe(1)
    expect(seen).toHaveLength(2)
    expect(tokenOf(seen[0] as Seen)).not.toBe(tokenOf(seen[1] as Seen))
    expect(seen[1]?.body).toBe(seen[0]?.body)
    // And it helped: the next refusal is a reason again.
    expect((await there.store.read())?.rejectedAt).toBeNull()
  })

  it('is renewed and a file sent again', async () => {
    await refuseTheFirst()
    const file = join(there.dir, 'body')
    writeFileSync(file, 'of a file')
    expect(await ask(['x', '--input', file])).toMatchObject({ code: 0 })
    expect(seen.map(({ body }) => body)).toEqual(['of a file', 'of a file'])
    expect(await ask(['y', '--input', '-'], { input: 'small' })).toMatchObject({ code: 0 })
  })

  it('is renewed for the next call where a long pipe cannot be sent again', async () => {
    await refuseTheFirst()
    const input = 'x'.repeat(2_000_000)
    const ended = await ask(['x', '--input', '-'], { input })
    expect(ended).toMatchObject({ code: 22, stdout: 'Access denied' })
    expect(ended.stderr).toMatch(/hint: the token was renewed, .* run the same command again/)
    expect(await ask(['x', '--input', '-'], { input })).toMatchObject({ code: 0 })
    expect([there.sandbox.refreshes(), seen.length]).toEqual([1, 2])
  })

  it('in an answer without an end leaves nothing open that the program would wait for', async () => {
    const sockets: Socket[] = []
    answer = (request, response) => {
      sockets.push(request.socket)
      if (sockets.length === 1) response.writeHead(403).write('no')
      else response.end('yes')
    }
    expect(await ask(['x'])).toMatchObject({ code: 0, stdout: 'yes' })
    await vi.waitFor(
      () => {
        expect(sockets.map(({ destroyed }) => destroyed)).toEqual([true, true])
      },
      { timeout: 120_000 },
    )
  })

  it('for good costs one refresh over many calls', async () => {
    takes = () => false
    for (let call = 0; call < 10; call++)
      expect(await ask(['x'])).toMatchObject({ code: 22, stdout: 'Access denied' })
    expect(there.sandbox.refreshes()).toBe(1)
    expect(seen).toHaveLength(11)
  })

  it('is no reason to renew where the scope does not suffice', async () => {
    answer = (_request, response) =>
      void response.writeHead(403, { 'www-authenticate': 'Bearer error="insufficient_scope"' }).end()
    expect(await ask(['x'])).toMatchObject({ code: 22 })
    expect(there.sandbox.refreshes()).toBe(0)
  })
})

describe('a redirect', () => {
  it('to another origin is followed without the token', async () => {
    let shown: string | undefined = 'nobody asked'
    const elsewhere = await listening((request, response) => {
      shown = request.headers.authorization
      response.end('of the other')
    })
    answer = (_request, response) => void response.writeHead(302, { location: `${elsewhere}/file` }).end()
    expect(await ask(['x'])).toMatchObject({ code: 0, stdout: 'of the other' })
    expect(shown).toBeUndefined()
  })

  it('to another origin takes none of the headers along that were typed, nor does the way back', async () => {
    const there: IncomingHttpHeaders[] = []
    const elsewhere = await listening((request, response) => {
      there.push(request.headers)
      response.writeHead(302, { location: `${api}/acme/api/back` }).end()
    })
    answer = (request, response) => {
      if (request.url?.endsWith('/back') === true) response.end('back')
      else if (request.url?.endsWith('/y') === true)
        response.writeHead(302, { location: `${elsewhere}/file` }).end()
      else response.writeHead(302, { location: 'y' }).end()
    }
    takes = () => true
    const typed = {
      'x-api-key': 'k3y',
      cookie: 'a=b',
      'proxy-authorization': 'Basic x',
      accept: 'application/pdf',
      'x-trace': '1',
    }
    const flags = Object.entries(typed).flatMap(([name, value]) => ['-H', `${name}: ${value}`])
    expect(await ask(['x', ...flags, '-H', 'User-Agent:'])).toMatchObject({ code: 0, stdout: 'back' })
    // On its own origin they go along.
    expect(seen.map(({ url }) => url)).toEqual(['/acme/api/x', '/acme/api/y', '/acme/api/back'])
    for (const { headers } of seen.slice(0, 2)) expect(headers).toMatchObject(typed)
    for (const headers of [...there, seen[2]?.headers ?? {}]) {
      for (const name of [
        'x-api-key',
        'cookie',
        'proxy-authorization',
        'x-trace',
        'authorization',
        'user-agent',
      ])
        expect(headers).not.toHaveProperty(name)
      expect(headers.accept).toBe('application/json')
    }
  })

  it.each([302, 307, 308])('of a GET that has a body is not followed: %d', async (status) => {
    let asked = 0
    const elsewhere = await listening((_request, response) => {
      asked += 1
      response.end()
    })
    answer = (_request, response) => void response.writeHead(status, { location: `${elsewhere}/y` }).end()
    const { code, stderr } = await ask(['x', '-X', 'GET', '--input', '-'], { input: 'a secret' })
    expect({ code, asked }).toEqual({ code: 22, asked: 0 })
    expect(stderr).toContain(`hint: what has a body is not redirected; it leads to ${elsewhere}/y\n`)
  })

  it('to another origin that refuses says nothing of the token', async () => {
    const elsewhere = await listening((_request, response) => void response.writeHead(403).end())
    answer = (_request, response) => void response.writeHead(302, { location: `${elsewhere}/file` }).end()
    expect(await ask(['x'])).toMatchObject({ code: 22 })
    expect(there.sandbox.refreshes()).toBe(0)
  })

  it('over another origin and back takes the token off, which is not blamed for the refusal then', async () => {
    const elsewhere = await listening(
      (_request, response) => void response.writeHead(302, { location: `${api}/acme/api/back` }).end(),
    )
    answer = (_request, response) => void response.writeHead(302, { location: `${elsewhere}/there` }).end()
    takes = (token) => token !== ''
    const ended = await ask(['x'])
    expect(ended).toMatchObject({ code: 22 })
    expect(ended.stderr).not.toContain('a new token did not help')
    expect(seen.map(({ url }) => url)).toEqual(['/acme/api/x', '/acme/api/back'])
    expect(there.sandbox.refreshes()).toBe(0)
  })

  it('on its own origin is followed with the token', async () => {
    answer = (request, response) => {
      if (request.url?.endsWith('/x') === true) response.writeHead(307, { location: 'y' }).end()
      else response.end('of y')
    }
    expect(await ask(['x'])).toMatchObject({ code: 0, stdout: 'of y' })
    expect(seen.map(({ headers }) => headers.authorization !== undefined)).toEqual([true, true])
  })

  it('that leads round in a circle is an error of the API', async () => {
    answer = (request, response) => {
      response.writeHead(302, { location: request.url?.endsWith('/x') === true ? 'y' : 'x' }).end()
    }
    expect(await ask(['x'])).toMatchObject({
      code: 22,
      stdout: '',
      stderr: expect.stringMatching(/error: GET \S+\/api\/x: redirects in a circle/) as string,
    })
  })

  it.each(['ftp://acme.example/x', 'http://[', 'mailto:someone'])(
    'to %s is an error of the API',
    async (location) => {
      answer = (_request, response) => void response.writeHead(302, { location }).end()
      expect(await ask(['x'])).toMatchObject({
        code: 22,
        stdout: '',
        stderr: expect.stringMatching(/redirects to what is no address/) as string,
      })
    },
  )

  it('of what changes something is not followed, and where it leads to is said', async () => {
    answer = (_request, response) => void response.writeHead(307, { location: 'y?secret=z' }).end()
    const { code, stderr } = await ask(['x', '-f', 'a=1'])
    expect(code).toBe(22)
    expect(stderr).toContain(
      `hint: what changes something is not redirected; it leads to ${api}/acme/api/y\n`,
    )
    expect(seen).toHaveLength(1)
  })

  it('too many of them are an error, and the last one is named', async () => {
    let count = 0
    answer = (_request, response) => void response.writeHead(302, { location: `y${++count}` }).end()
    const { code, stderr } = await ask(['x'])
    expect(code).toBe(22)
    expect(stderr).toContain(
      `hint: there are too many redirects; the last one leads to ${api}/acme/api/y11\n`,
    )
  })
})
