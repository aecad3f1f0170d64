import { writeFileSync } from 'node:fs'
import { type IncomingHttpHeaders } from 'node:http'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import { describe, expect, it, vi } from 'vitest'
import { told } from '../support/world.js'
import { api, ask, backend, listening, type Seen, seen, there } from './api-server.js'

describe('a token that the API refuses', () => {
  const tokenOf = ({ headers }: Seen): string => headers.authorization ?? ''
  /** What the store holds from the start is refused. */
  const refuseTheFirst = async (): Promise<void> => {
    const first = (await told(['get'], { env: { HQ_TOKEN_CONFIG: there.config } })).stdout.trim()
    backend.takes = (token) => token !== first
  }

  it.each([
    ['no body', []],
    ['fields', ['-f', 'a=1']],
  ])(
    'a token that the API refuses is renewed once, and the call with %s repeated once',
    async (_what, args) => {
      await refuseTheFirst()
      expect(await ask(['x', ...args])).toMatchObject({ code: 0, stdout: '{"ok":true}' })
      expect(there.sandbox.refreshes()).toBe(1)
      expect(seen).toHaveLength(2)
      expect(tokenOf(seen[0] as Seen)).not.toBe(tokenOf(seen[1] as Seen))
      expect(seen[1]?.body).toBe(seen[0]?.body)
      // And it helped: the next refusal is a reason again.
      expect((await there.store.read())?.rejectedAt).toBeNull()
    },
  )

  it('a token that the API refuses is renewed and a file sent again', async () => {
    await refuseTheFirst()
    const file = join(there.dir, 'body')
    writeFileSync(file, 'of a file')
    expect(await ask(['x', '--input', file])).toMatchObject({ code: 0 })
    expect(seen.map(({ body }) => body)).toEqual(['of a file', 'of a file'])
    expect(await ask(['y', '--input', '-'], { input: 'small' })).toMatchObject({ code: 0 })
  })

  it('a token that the API refuses is renewed for the next call where a long pipe cannot be sent again', async () => {
    await refuseTheFirst()
    const input = 'x'.repeat(2_000_000)
    const ended = await ask(['x', '--input', '-'], { input })
    expect(ended).toMatchObject({ code: 22, stdout: 'Access denied' })
    expect(ended.stderr).toMatch(/hint: the token was renewed, .* run the same command again/)
    expect(await ask(['x', '--input', '-'], { input })).toMatchObject({ code: 0 })
    expect([there.sandbox.refreshes(), seen.length]).toEqual([1, 2])
  })

  it('a token that the API refuses in an answer without an end leaves nothing open that the program would wait for', async () => {
    const sockets: Socket[] = []
    backend.answer = (request, response) => {
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

  it('a token that the API refuses for good costs one refresh over many calls', async () => {
    backend.takes = () => false
    for (let call = 0; call < 10; call++)
      expect(await ask(['x'])).toMatchObject({ code: 22, stdout: 'Access denied' })
    expect(there.sandbox.refreshes()).toBe(1)
    expect(seen).toHaveLength(11)
  })

  it('a token that the API refuses is no reason to renew where the scope does not suffice', async () => {
    backend.answer = (_request, response) =>
      void response.writeHead(403, { 'www-authenticate': 'Bearer error="insufficient_scope"' }).end()
    expect(await ask(['x'])).toMatchObject({ code: 22 })
    expect(there.sandbox.refreshes()).toBe(0)
  })
})

describe('a redirect', () => {
  it('a redirect to another origin is followed without the token', async () => {
    let shown: string | undefined = 'nobody asked'
    const elsewhere = await listening((request, response) => {
      shown = request.headers.authorization
      response.end('of the other')
    })
    backend.answer = (_request, response) =>
      void response.writeHead(302, { location: `${elsewhere}/file` }).end()
    expect(await ask(['x'])).toMatchObject({ code: 0, stdout: 'of the other' })
    expect(shown).toBeUndefined()
  })

  it('a redirect to another origin takes none of the headers along that were typed, nor does the way back', async () => {
    const there: IncomingHttpHeaders[] = []
    const elsewhere = await listening((request, response) => {
      there.push(request.headers)
      response.writeHead(302, { location: `${api}/acme/api/back` }).end()
    })
    backend.answer = (request, response) => {
      if (request.url?.endsWith('/back') === true) response.end('back')
      else if (request.url?.endsWith('/y') === true)
        response.writeHead(302, { location: `${elsewhere}/file` }).end()
      else response.writeHead(302, { location: 'y' }).end()
    }
    backend.takes = () => true
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

  it.each([302, 307, 308])('a redirect of a GET that has a body is not followed: %d', async (status) => {
    let asked = 0
    const elsewhere = await listening((_request, response) => {
      asked += 1
      response.end()
    })
    backend.answer = (_request, response) =>
      void response.writeHead(status, { location: `${elsewhere}/y` }).end()
    const { code, stderr } = await ask(['x', '-X', 'GET', '--input', '-'], { input: 'a secret' })
    expect({ code, asked }).toEqual({ code: 22, asked: 0 })
    expect(stderr).toContain(
      `hint: a request with a body does not follow a redirect; this one leads to ${elsewhere}/y\n`,
    )
  })

  it('a redirect to another origin that refuses says nothing of the token', async () => {
    const elsewhere = await listening((_request, response) => void response.writeHead(403).end())
    backend.answer = (_request, response) =>
      void response.writeHead(302, { location: `${elsewhere}/file` }).end()
    expect(await ask(['x'])).toMatchObject({ code: 22 })
    expect(there.sandbox.refreshes()).toBe(0)
  })

  it('a redirect over another origin and back takes the token off, which is not blamed for the refusal then', async () => {
    const elsewhere = await listening(
      (_request, response) => void response.writeHead(302, { location: `${api}/acme/api/back` }).end(),
    )
    backend.answer = (_request, response) =>
      void response.writeHead(302, { location: `${elsewhere}/there` }).end()
    backend.takes = (token) => token !== ''
    const ended = await ask(['x'])
    expect(ended).toMatchObject({ code: 22 })
    expect(ended.stderr).not.toContain('the API refused the new token')
    expect(seen.map(({ url }) => url)).toEqual(['/acme/api/x', '/acme/api/back'])
    expect(there.sandbox.refreshes()).toBe(0)
  })

  it('a redirect on its own origin is followed with the token', async () => {
    backend.answer = (request, response) => {
      if (request.url?.endsWith('/x') === true) response.writeHead(307, { location: 'y' }).end()
      else response.end('of y')
    }
    expect(await ask(['x'])).toMatchObject({ code: 0, stdout: 'of y' })
    expect(seen.map(({ headers }) => headers.authorization !== undefined)).toEqual([true, true])
  })

  it('a redirect that leads round in a circle is an error of the API', async () => {
    backend.answer = (request, response) => {
      response.writeHead(302, { location: request.url?.endsWith('/x') === true ? 'y' : 'x' }).end()
    }
    expect(await ask(['x'])).toMatchObject({
      code: 22,
      stdout: '',
      stderr: expect.stringMatching(/error: GET \S+\/api\/x: redirects in a circle/) as string,
    })
  })

  it.each(['ftp://acme.example/x', 'http://[', 'mailto:someone'])(
    'a redirect to %s is an error of the API',
    async (location) => {
      backend.answer = (_request, response) => void response.writeHead(302, { location }).end()
      expect(await ask(['x'])).toMatchObject({
        code: 22,
        stdout: '',
        stderr: expect.stringMatching(/redirects to something that is not an address/) as string,
      })
    },
  )

  it('a redirect of what changes something is not followed, and where it leads to is said', async () => {
    backend.answer = (_request, response) => void response.writeHead(307, { location: 'y?secret=z' }).end()
    const { code, stderr } = await ask(['x', '-f', 'a=1'])
    expect(code).toBe(22)
    expect(stderr).toContain(
      `hint: a request that changes something does not follow a redirect; this one leads to ${api}/acme/api/y\n`,
    )
    expect(seen).toHaveLength(1)
  })

  it('too many redirects are an error, and the last one is named', async () => {
    let count = 0
    backend.answer = (_request, response) => void response.writeHead(302, { location: `y${++count}` }).end()
    const { code, stderr } = await ask(['x'])
    expect(code).toBe(22)
    expect(stderr).toContain(
      `hint: there are too many redirects; the last one leads to ${api}/acme/api/y11\n`,
    )
  })
})
