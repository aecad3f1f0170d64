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
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { describe, expect, it } from 'vitest'
import { apiUrl } from '../../src/cli/commands/api/api-url.js'
import { folder } from '../support/folder.js'
import { told, type Told } from '../support/world.js'
import { api, ask, backend, closing, listening, seen, there } from './api-server.js'

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
    expect(() => apiUrl(path, base)).toThrow(
      /the token is for .* and is not sent to |neither a path nor a URL/,
    )
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

  it('a path with a colon is said to be taken for a URL', async () => {
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
  it('a call carries the token, and asks for JSON', async () => {
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

  it('a call takes headers and a method', async () => {
    await ask(['x', '-X', 'delete', '-H', 'Accept: application/xml', '-H', 'x-y:z'])
    expect(seen).toMatchObject([{ method: 'DELETE', headers: { accept: 'application/xml', 'x-y': 'z' } }])
  })

  it('a call sends a header as often as it is given, and the usual one not at all where it is given without a value', async () => {
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
    [['-F', 'a=@/bin/sh'], /is not text in UTF-8/],
    [['-F', 'a=9007199254740993'], /number in the field a .*\n.*hint: as a string: -f a=9007199254740993/],
    [['-F', 'a=@-', '--input', '-'], /two options read standard input/],
    [['-F', 'a=@-', '-F', 'b=@-'], /two options read standard input/],
    [['--input', '/nowhere'], /\/nowhere cannot be read \(ENOENT\)/],
    [['--input', '/'], /cannot be read \(EISDIR\)/],
    [['-H', 'X: €'], /is not "name: value"/],
    [['-H', 'Expect: 100-continue', '-f', 'a=b'], /Expect is set by hq-token itself/],
    [['-H', 'Upgrade: h2c'], /Upgrade is set by/],
    [['-H', 'Keep-Alive: 3'], /Keep-Alive is set by/],
    [['-H', 'connection: a b'], /cannot be made: invalid connection/],
    [['-X', 'GE T'], /not a method .*\n.*hint: hq-token api --help/],
    [['-X', 'CONNECT'], /not a method/],
    [['--timeout', 'soon'], /A duration/],
  ])('a call with %j is refused before anything is sent', async (args, message) => {
    const ended = await ask(['x', ...args])
    expect(ended).toMatchObject({ code: 2, stdout: '' })
    expect(ended.stderr).toMatch(message)
    expect(seen).toEqual([])
  })

  it('a call sends fields as JSON, as gh does', async () => {
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

  it('a call takes a field from standard input, whatever its length, but not from a terminal', async () => {
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

  it('a call sends whole numbers as numbers as long as they stay the same', async () => {
    await ask([
      'x',
      ...['a=9007199254740991', 'b=-9007199254740991', 'c=1234567890123456', 'd=007'].flatMap((field) => [
        '-F',
        field,
      ]),
    ])
    expect(seen[0]?.body).toBe('{"a":9007199254740991,"b":-9007199254740991,"c":1234567890123456,"d":"007"}')
  })

  it('a call puts fields into the query of a GET, and beside a body', async () => {
    await ask(['x?q=0', '-X', 'GET', '-f', 'a=1 2', '-F', 'b=3'])
    await ask(['x', '--input', '-', '-f', 'a=1'], { input: '<xml/>' })
    expect(seen).toMatchObject([
      { method: 'GET', url: '/acme/api/x?q=0&a=1+2&b=3', body: '' },
      { method: 'POST', url: '/acme/api/x?a=1', body: '<xml/>' },
    ])
  })

  it('a call sends a file, or standard input', async () => {
    const file = join(there.dir, 'body')
    writeFileSync(file, 'of a file')
    await ask(['x', '-X', 'PUT', '--input', file])
    await ask(['x', '--input', '-'], { input: 'of a pipe' })
    expect(seen).toMatchObject([
      { method: 'PUT', body: 'of a file', headers: { 'content-length': '9' } },
      { method: 'POST', body: 'of a pipe' },
    ])
  })

  it('a call sends a file that grows meanwhile as it was, and tells of one that shrinks', async () => {
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

  it.skipIf(process.platform !== 'linux')('a call sends a file that tells no size', async () => {
    await ask(['x', '--input', '/proc/version'])
    const empty = join(there.dir, 'empty')
    writeFileSync(empty, '')
    await ask(['x', '--input', empty])
    expect(seen).toMatchObject([
      { method: 'POST', body: readFileSync('/proc/version', 'utf8') },
      { method: 'POST', body: '', headers: { 'content-length': '0' } },
    ])
  })

  it('a call prints status and headers with -i', async () => {
    const { stdout } = await ask(['x', '-i'])
    expect(stdout).toMatch(
      /^HTTP\/1\.1 200 OK\r\ncontent-type: application\/json\r\n[^]*\r\n\r\n\{"ok":true\}$/,
    )
  })

  it('a call writes a file with -o, whole or not at all', async () => {
    const dir = folder()
    const file = join(dir, 'answer')
    writeFileSync(file, 'of yesterday')
    expect(await ask(['x', '-o', file])).toMatchObject({ code: 0, stdout: '' })
    expect(readFileSync(file, 'utf8')).toBe('{"ok":true}')
    backend.answer = (_request, response) => {
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

  it('a call writes with -o no file but that one, behind a link too, and leaves it its mode', async () => {
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

  it('a call writes with -o a new file with the mode that the umask leaves', async () => {
    const dir = folder()
    const plain = join(dir, 'plain')
    writeFileSync(plain, '')
    await ask(['x', '-o', join(dir, 'answer')])
    expect(statSync(join(dir, 'answer')).mode).toBe(statSync(plain).mode)
  })

  it('a call writes one file with -o from two at once, and it is of one of them', async () => {
    const dir = folder()
    const file = join(dir, 'answer')
    const both: (() => void)[] = []
    backend.answer = (request, response) => {
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

  it('a call that the API answers with an error exits with 22, and prints what it said', async () => {
    backend.answer = (_request, response) => void response.writeHead(404).end('no such thing')
    const ended = await ask(['x'])
    expect(ended).toMatchObject({ code: 22, stdout: 'no such thing' })
    expect(ended.stderr).toMatch(/error: GET \S+\/acme\/api\/x: HTTP 404 Not Found/)
  })

  it('a call that the API answers with an error leaves the file of -o as it was', async () => {
    backend.answer = (_request, response) => void response.writeHead(404).end('no such thing')
    const dir = folder()
    const file = join(dir, 'answer')
    expect(await ask(['x', '-o', file])).toMatchObject({ code: 22, stdout: 'no such thing' })
    expect(readdirSync(dir)).toEqual([])
    writeFileSync(file, 'of yesterday')
    expect(await ask(['x', '-o', file])).toMatchObject({ code: 22, stdout: 'no such thing' })
    expect(readFileSync(file, 'utf8')).toBe('of yesterday')
  })

  it('a call that finds nobody exits with 75', async () => {
    for (const close of closing.splice(0)) close()
    expect(await ask(['x'])).toMatchObject({
      code: 75,
      stdout: '',
      stderr: expect.stringContaining('ECONNREFUSED') as string,
    })
  })

  it('a call that is answered in no HTTP exits with 75', async () => {
    backend.answer = (request) => void request.socket.end('SSH-2.0-server\r\n')
    expect(await ask(['x'])).toMatchObject({ code: 75, stdout: '' })
  })

  it('a call that hears nothing for --timeout exits with 75', async () => {
    backend.answer = () => undefined
    expect(await ask(['x', '--timeout', '1'])).toMatchObject({ code: 75, stdout: '' })
  })

  it('a call whose output nobody takes exits with 74, quietly', async () => {
    expect(await ask(['x'], { broken: true })).toEqual({ code: 74, stdout: '', stderr: '' })
  })

  it('a call that the API refuses exits with 22, with a word, whether or not anybody reads its answer', async () => {
    backend.answer = (_request, response) => void response.writeHead(404).end('{"status":404}')
    const refused = await ask(['x'], { broken: true })
    expect(refused).toMatchObject({ code: 22, stdout: '' })
    expect(refused.stderr).toMatch(/^hq-token: error: GET \S+\/x: HTTP 404/)
  })

  it('a call over TLS that nobody checks is not made', async () => {
    const env = {
      HQ_TOKEN_CONFIG: there.config,
      HQ_TOKEN_API_URL: `${api}/`,
      NODE_TLS_REJECT_UNAUTHORIZED: '0',
    }
    expect(await told(['api', 'x'], { env })).toMatchObject({ code: 78, stdout: '' })
    expect(seen).toEqual([])
  })
})
