import { openAsBlob, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { fetch as undiciFetch, Request as UndiciRequest } from 'undici'
import { describe, expect, expectTypeOf, it, vi } from 'vitest'
import { ConfigInvalid, LoginRequired, ServerUnavailable } from '../../src/core/errors.js'
import { Secret } from '../../src/core/secret.js'
import { tokenFetch } from '../../src/bearer/undici.js'
import { EXPIRED, FRESH, type Stage } from '../core/stage.js'
import { granted, invalidGrant, silence } from '../support/fake-server.js'
import { folder } from '../support/folder.js'
import { api, REFUSED } from './api.js'
import { gate, stage, until } from './stage.js'

type Body = NonNullable<RequestInit['body']>

describe('which requests carry the token', () => {
  it.each<[string, (url: string) => Parameters<typeof fetch>[0]]>([
    ['a string', (url) => url],
    ['a URL', (url) => new URL(url)],
    ['a Request', (url) => new Request(url)],
  ])('those to its origin, given as %s, and once more after a refusal', async (_, form) => {
    const { origin, seen } = await api()
    const fetch = tokenFetch(stage().guard(), { origin })
    expect(await (await fetch(form(`${origin}/a?b=c`))).text()).toBe('GET /a?b=c')
    expect(seen).toEqual(['/a?b=c access-1', '/a?b=c access-2'])
  })

  it('those to the origin of the guard, if none is given', async () => {
    const { origin, seen } = await api()
    await tokenFetch(stage().guard({ apiUrl: new URL('/acme/api/', origin) }))(origin)
    expect(seen).toEqual(['/ access-1', '/ access-2'])
  })

  it.each([
    ['1/sites?a=b', '/acme/api/1/sites?a=b'],
    ['./1/sites', '/acme/api/1/sites'],
    ['../x', '/acme/x'],
    ['', '/acme/api/'],
  ])('those to paths below the API, such as %j', async (path, whole) => {
    const { origin, seen } = await api()
    await tokenFetch(stage().guard({ apiUrl: new URL('/acme/api/', origin) }))(path)
    expect(seen).toEqual([`${whole} access-1`, `${whole} access-2`])
  })

  it.each(['/1/sites', '//evil.example/x', '\\\\evil.example/x', ' \t//evil.example/x', 'http://'])(
    'a request to %j carries no token: it is for fetch to refuse',
    async (path) => {
      const { origin, seen } = await api()
      const given: unknown[] = []
      const bare: typeof fetch = (input, init) => {
        given.push(input)
        return fetch(input, init)
      }
      const guard = stage().guard({ apiUrl: new URL('/acme/api/', origin) })
      await expect(tokenFetch(guard, { fetch: bare })(path)).rejects.toThrow(TypeError)
      expect([given, seen]).toEqual([[path], []])
    },
  )

  it('a request to a path carries no token where the API is not what the token is for', async () => {
    const { origin } = await api()
    const guard = stage().guard({ apiUrl: new URL('https://acme.highq.com/acme/api/') })
    await expect(tokenFetch(guard, { origin })('1/sites')).rejects.toThrow(TypeError)
  })

  it('none, and an error that says what to give, where nothing names an origin', () => {
    const make = (): unknown => tokenFetch(stage().guard())
    expect(make).toThrow(ConfigInvalid)
    expect(make).toThrow(expect.objectContaining({ hint: expect.stringContaining('{ origin:') as string }))
  })

  it('a request to another origin carries no token, be it another port of the same host', async () => {
    const [ours, theirs] = [await api(), await api({ takes: () => true })]
    const world = stage(EXPIRED)
    const fetch = tokenFetch(world.guard(), { origin: ours.origin })
    await fetch(theirs.origin)
    await fetch(new Request(theirs.origin.replace('127.0.0.1', 'localhost')))
    expect(await (await fetch('data:,nobody')).text()).toBe('nobody')
    expect(theirs.seen).toEqual(['/ -', '/ -'])
    expect(world.server.requests).toBe(0)
  })

  it('along redirects to itself and to nowhere else', async () => {
    const theirs = await api({ takes: () => true })
    const ours = await api({
      takes: (token) => token === 'access-1',
      on: { '/stay': '/there', '/leave': `${theirs.origin}/there` },
    })
    const fetch = tokenFetch(stage().guard(), { origin: ours.origin })
    expect(await fetch(`${ours.origin}/stay`)).toMatchObject({ status: 200, redirected: true })
    expect(ours.seen).toEqual(['/stay access-1', '/there access-1'])
    expect(await fetch(`${ours.origin}/leave`)).toMatchObject({ status: 200, redirected: true })
    expect(theirs.seen).toEqual(['/there -'])
    expect(theirs.calls[0]?.headers).not.toHaveProperty('authorization')
  })

  it('a request carries no token along redirects that are not to be followed', async () => {
    const { origin, seen } = await api({ on: { '/stay': '/there' } })
    const fetch = tokenFetch(stage().guard(), { origin })
    const answer = await fetch(`${origin}/stay`, { redirect: 'manual' })
    expect([answer.status, answer.headers.get('location')]).toEqual([307, '/there'])
    await expect(fetch(`${origin}/stay`, { redirect: 'error' })).rejects.toThrow(TypeError)
    expect(seen).toEqual(['/stay access-1', '/stay access-1'])
  })

  it('the token is not blamed for what another origin refuses', async () => {
    const theirs = await api({ takes: () => false })
    const ours = await api({ on: { '/leave': `${theirs.origin}/there` } })
    const world = stage()
    const fetch = tokenFetch(world.guard(), { origin: ours.origin })
    expect((await fetch(`${ours.origin}/leave`)).status).toBe(403)
    expect(world.server.requests).toBe(0)
  })

  it('blamed for what its own origin refuses after redirects, since nobody tells of the way', async () => {
    const { origin, seen } = await api({ on: { '/stay': '/there' } })
    const fetch = tokenFetch(stage().guard(), { origin })
    expect((await fetch(`${origin}/stay`)).status).toBe(200)
    expect(seen).toEqual(['/stay access-1', '/there access-1', '/stay access-2', '/there access-2'])
  })

  it.each<[string, RequestInit['headers']]>([
    ['an object', { AUTHORIZATION: 'Basic eA==' }],
    ['pairs', [['authorization', 'Basic eA==']]],
    ['Headers', new Headers({ authorization: 'Basic eA==' })],
  ])(
    'a request with an Authorization of its own, given as %s, does not get the token',
    async (_, headers) => {
      const { origin, calls } = await api()
      const world = stage(EXPIRED)
      const fetch = tokenFetch(world.guard(), { origin })
      for (const init of [{ headers: headers ?? {} }]) {
        expect(await (await fetch(origin, init)).text()).toBe(REFUSED)
        expect(await (await fetch(new Request(origin, init))).text()).toBe(REFUSED)
      }
      expect(calls.map(({ headers: { authorization } }) => authorization)).toEqual([
        'Basic eA==',
        'Basic eA==',
      ])
      expect(world.server.requests).toBe(0)
    },
  )

  it('a request carries the token with all else that it has', async () => {
    const { origin, calls } = await api()
    const fetch = tokenFetch(stage().guard(), { origin })
    const request = new Request(origin, { method: 'PUT', headers: { 'x-one': '1', 'x-two': '2' } })
    await fetch(request)
    await fetch(request, { method: 'POST', body: 'text', headers: { 'x-two': '3' } })
    expect(calls).toMatchObject([
      { method: 'PUT', token: 'access-1', headers: { 'x-one': '1', 'x-two': '2' } },
      { method: 'PUT', token: 'access-2', headers: { 'x-one': '1', 'x-two': '2' } },
      { method: 'POST', token: 'access-2', headers: { 'x-two': '3' }, body: 'text' },
    ])
    // As by fetch itself: headers given beside a Request take the place of its own.
    expect(calls[2]?.headers).not.toHaveProperty('x-one')
  })
})

describe('a refusal', () => {
  it('a refusal costs one refresh and one repetition, and is told to have been healed', async () => {
    const { origin, seen } = await api()
    const world = stage()
    const fetch = tokenFetch(world.guard(), { origin })
    expect((await fetch(origin)).status).toBe(200)
    expect((await fetch(origin)).status).toBe(200)
    expect(seen).toEqual(['/ access-1', '/ access-2', '/ access-2'])
    expect(world.server.requests).toBe(1)
    expect((await world.stored()).rejectedAt).toBeNull()
  })

  it('a refusal for want of scope is handed through', async () => {
    const { origin, seen } = await api({
      refuse: (response) =>
        response.writeHead(403, { 'www-authenticate': 'Bearer error="insufficient_scope"' }).end(),
    })
    expect((await tokenFetch(stage().guard(), { origin })(origin)).status).toBe(403)
    expect(seen).toEqual(['/ access-1'])
  })

  it('a refusal is met by one repetition, even where the guard has a new token each time', async () => {
    const { origin, seen } = await api({ takes: () => false })
    let issued = 0
    const guard = {
      apiUrl: new URL(origin),
      token: () =>
        Promise.resolve({
          secret: new Secret(`token-${++issued}`),
          tokenType: 'Bearer' as const,
          expiresAt: Infinity,
        }),
      accepted: () => Promise.reject(new Error('nothing was accepted')),
    }
    expect((await tokenFetch(guard)(origin)).status).toBe(403)
    expect(seen).toEqual(['/ token-1', '/ token-2'])
  })

  it('a refusal that lasts is handed through whole, and costs one refresh in all', async () => {
    const { origin, seen } = await api({ takes: () => false })
    const world = stage()
    const fetch = tokenFetch(world.guard(), { origin })
    for (let call = 0; call < 20; call++) {
      const response = await fetch(origin)
      expect([response.status, await response.text()]).toEqual([403, REFUSED])
    }
    expect(seen).toEqual(['/ access-1', '/ access-2', ...Array<string>(19).fill('/ access-2')])
    expect(world.server.requests).toBe(1)
  })

  it.each<[string, () => Body | Promise<Body>, RegExp]>([
    ['a string', () => 'some text', /^some text$/],
    ['parameters', () => new URLSearchParams({ some: 'text' }), /^some=text$/],
    ['a Blob', () => new Blob(['some text']), /^some text$/],
    ['a file', () => openAsBlob(file()), /^some text$/],
    ['a form', () => form(), /name="field"\r\n\r\nsome text/],
    ['an ArrayBuffer', () => new TextEncoder().encode('some text').buffer, /^some text$/],
    ['a Buffer', () => Buffer.from('some text'), /^some text$/],
    ['a part of an array', () => new TextEncoder().encode('not some text').subarray(4), /^some text$/],
  ])('a refusal of a request with %s is repeated with it', async (_, body, text) => {
    const { origin, calls } = await api()
    const fetch = tokenFetch(stage().guard(), { origin })
    expect((await fetch(origin, { method: 'POST', body: await body() })).status).toBe(200)
    const bodies = calls.map(({ body }) => body)
    expect(bodies).toHaveLength(2)
    for (const body of bodies) expect(body).toMatch(text)
  })

  it('a refusal of a Request is repeated with the body that is given beside it, and not with its own', async () => {
    const { origin, calls } = await api()
    const fetch = tokenFetch(stage().guard(), { origin })
    const request = (): Request => new Request(origin, { method: 'POST', body: 'of its own' })
    expect((await fetch(request(), { body: 'given' })).status).toBe(200)
    expect(calls.map(({ body }) => body)).toEqual(['given', 'given'])
    const stream = new Blob(['given']).stream()
    const again = tokenFetch(stage().guard(), { origin })
    expect((await again(request(), { body: stream, duplex: 'half' })).status).toBe(403)
  })

  it.each<[string, (url: string) => [Parameters<typeof fetch>[0], RequestInit?]]>([
    ['a stream', (url) => [url, { method: 'POST', body: new Blob(['some text']).stream(), duplex: 'half' }]],
    ['a generator', (url) => [url, { method: 'POST', body: chunks() as never, duplex: 'half' }]],
    ['the body of a Request', (url) => [new Request(url, { method: 'POST', body: 'some text' })]],
  ])('a refusal of a request with %s is handed through, and the next has a new token', async (_, make) => {
    const { origin, calls, seen } = await api()
    const world = stage()
    const fetch = tokenFetch(world.guard(), { origin })
    const refused = await fetch(...make(origin))
    expect([refused.status, await refused.text()]).toEqual([403, REFUSED])
    expect((await fetch(...make(origin))).status).toBe(200)
    expect(seen).toEqual(['/ access-1', '/ access-2'])
    expect(calls.map(({ body }) => body)).toEqual(['some text', 'some text'])
    expect(world.server.requests).toBe(1)
  })

  it('a refusal whose body does not end keeps no connection', async () => {
    const { origin, connections } = await api({
      refuse: (response) => void response.writeHead(403).write('x'.repeat(100_000)),
    })
    const response = await tokenFetch(stage().guard(), { origin })(origin)
    expect(await response.text()).toBe('GET /')
    await until(() => {
      expect(connections.open).toBeLessThan(2)
    })
  })
})

describe('a guard that fails', () => {
  it('a guard that fails fails the request with its own error, and nothing is sent', async () => {
    const { origin, seen } = await api()
    const world = stage(EXPIRED)
    world.server.answers(invalidGrant())
    await expect(tokenFetch(world.guard(), { origin })(origin)).rejects.toThrow(LoginRequired)
    expect(seen).toEqual([])
  })

  it('a guard that fails fails the request after a refusal too, and keeps no connection', async () => {
    const { origin, connections } = await api({
      refuse: (response) => void response.writeHead(403).write('x'.repeat(100_000)),
    })
    const world = stage()
    world.server.answers(() => ({ ...silence(), sent: false }))
    await expect(tokenFetch(world.guard(), { origin })(origin)).rejects.toThrow(ServerUnavailable)
    await until(() => {
      expect(connections.open).toBe(0)
    })
  })
})

describe('500 requests at once', () => {
  it.each([
    ['on an expired token', EXPIRED],
    ['on a token that the API refuses', FRESH],
  ])('%s cost one refresh', async (_, age) => {
    const { origin, seen } = await api()
    const world = stage(age)
    const fetch = tokenFetch(world.guard(), { origin })
    const answers = await Promise.all(Array.from({ length: 500 }, (_, nth) => fetch(`${origin}/${nth}`)))
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(500)
    expect(new Set(seen.filter((call) => call.endsWith(' access-2'))).size).toBe(500)
    expect(world.server.requests).toBe(1)
  })
})

describe('an abort', () => {
  const reason = new Error('changed my mind')

  function slow(age: number): { world: Stage; open: () => void } {
    const world = stage(age)
    const { promise, open } = gate()
    world.server.answers(async () => {
      await promise
      return granted('access-2', 'refresh-2')
    })
    return { world, open }
  }

  it.each<[string, (url: string, signal: AbortSignal) => [Parameters<typeof fetch>[0], RequestInit?]]>([
    ['by a signal', (url, signal) => [url, { signal }]],
    ['by the signal of a Request', (url, signal) => [new Request(url, { signal })]],
  ])('%s before the token is there ends the request at once, and nothing is sent', async (_, make) => {
    const { origin, seen } = await api()
    const { world, open } = slow(EXPIRED)
    const aborting = new AbortController()
    const sent = tokenFetch(world.guard(), { origin })(...make(origin, aborting.signal))
    await until(() => {
      expect(world.server.requests).toBe(1)
    })
    aborting.abort(reason)
    await expect(sent).rejects.toBe(reason)
    open()
    await until(async () => {
      expect((await world.stored()).generation).toBe(2)
    })
    await sleep(20)
    expect(seen).toEqual([])
  })

  it('an abort while the guard is asked after a refusal ends the request at once, and keeps no connection', async () => {
    const { origin, seen, connections } = await api({
      refuse: (response) => void response.writeHead(403).write('x'.repeat(100_000)),
    })
    const { world, open } = slow(FRESH)
    const aborting = new AbortController()
    const sent = tokenFetch(world.guard(), { origin })(origin, { signal: aborting.signal })
    await until(() => {
      expect(world.server.requests).toBe(1)
    })
    aborting.abort(reason)
    await expect(sent).rejects.toBe(reason)
    open()
    await until(() => {
      expect(connections.open).toBe(0)
    })
    expect(seen).toEqual(['/ access-1'])
  })

  it.each<[string, (given: AbortSignal) => RequestInit]>([
    ['another is given', (given) => ({ signal: given })],
    ['none is given', () => ({ signal: null })],
  ])('an abort by the signal of a Request, beside which %s, does not count', async (_, init) => {
    const { origin, seen } = await api()
    const { world, open } = slow(EXPIRED)
    const [given, own] = [new AbortController(), new AbortController()]
    const request = new Request(origin, { signal: own.signal })
    const sent = tokenFetch(world.guard(), { origin })(request, init(given.signal))
    await until(() => {
      expect(world.server.requests).toBe(1)
    })
    own.abort(reason)
    open()
    expect((await sent).status).toBe(200)
    expect(seen).toEqual(['/ access-2'])
  })

  it('an abort by the signal that is given beside a Request ends the request', async () => {
    const { origin } = await api()
    const { world, open } = slow(EXPIRED)
    const [given, own] = [new AbortController(), new AbortController()]
    const request = new Request(origin, { signal: own.signal })
    const sent = tokenFetch(world.guard(), { origin })(request, { signal: given.signal })
    given.abort(reason)
    await expect(sent).rejects.toBe(reason)
    open()
  })

  it('an abort before the beginning does not even ask the guard', async () => {
    const { origin } = await api()
    const world = stage(EXPIRED)
    const sent = tokenFetch(world.guard(), { origin })(origin, { signal: AbortSignal.abort(reason) })
    await expect(sent).rejects.toBe(reason)
    expect(world.server.requests).toBe(0)
  })

  it('an abort leaves no listener on a signal that lives on', async () => {
    const { origin } = await api()
    const { signal } = new AbortController()
    const [add, remove] = [vi.spyOn(signal, 'addEventListener'), vi.spyOn(signal, 'removeEventListener')]
    const bare: typeof fetch = () => Promise.resolve(new Response())
    await tokenFetch(stage().guard(), { origin, fetch: bare })(origin, { signal })
    expect(add.mock.calls.length).toBeGreaterThan(0)
    expect(remove).toHaveBeenCalledTimes(add.mock.calls.length)
  })
})

describe('a body that is streamed', () => {
  const half = { method: 'POST', duplex: 'half' } as const
  const endless = (): Readable => new Readable({ read: () => undefined })

  it('a body that is streamed and breaks before the token is there, fails its request and nothing else', async () => {
    const { origin, seen } = await api()
    const world = stage(EXPIRED)
    const { promise, open } = gate()
    world.server.answers(async () => {
      await promise
      return granted('access-2', 'refresh-2')
    })
    const body = endless()
    const sent = tokenFetch(world.guard(), { origin })(origin, { ...half, body: body as never })
    await until(() => {
      expect(world.server.requests).toBe(1)
    })
    body.destroy(new Error('the disk is gone'))
    await expect(sent).rejects.toThrow('the disk is gone')
    open()
    await until(async () => {
      expect((await world.stored()).generation).toBe(2)
    })
    await sleep(20)
    expect(seen).toEqual([])
  })

  it.each<[string, () => { body: unknown; isClosed: () => boolean }]>([
    [
      'a stream',
      () => {
        const body = endless()
        return { body, isClosed: () => body.destroyed }
      },
    ],
    [
      'a stream of the web',
      () => {
        let isClosed = false
        return {
          body: new ReadableStream({ cancel: () => void (isClosed = true) }),
          isClosed: () => isClosed,
        }
      },
    ],
  ])('a body that is streamed as %s, and is not sent for want of a token, is closed', async (_, make) => {
    const { origin } = await api()
    const world = stage(EXPIRED)
    world.server.answers(invalidGrant())
    const { body, isClosed } = make()
    const sent = tokenFetch(world.guard(), { origin })(origin, { ...half, body: body as never })
    await expect(sent).rejects.toThrow(LoginRequired)
    expect(isClosed()).toBe(true)
  })
})

describe('another fetch', () => {
  it('another fetch sends, and gives its own type to what comes back', async () => {
    const { origin, seen } = await api()
    const fetch = tokenFetch(stage().guard(), { origin, fetch: undiciFetch })
    expectTypeOf(fetch).toEqualTypeOf<typeof undiciFetch>()
    const response = await fetch(new UndiciRequest(`${origin}/a`), { headers: [['x-one', '1']] })
    expect([response.status, await response.text()]).toEqual([200, 'GET /a'])
    expect(seen).toEqual(['/a access-1', '/a access-2'])
  })

  it('another fetch is the global one, by type too, if none is given', () => {
    expectTypeOf(tokenFetch(stage().guard(), { origin: 'https://acme.highq.com' })).toEqualTypeOf<
      typeof fetch
    >()
  })
})

function file(): string {
  const path = join(folder(), 'body.txt')
  writeFileSync(path, 'some text')
  return path
}

function form(): FormData {
  const data = new FormData()
  data.append('field', 'some text')
  return data
}

async function* chunks(): AsyncGenerator<Buffer> {
  yield Buffer.from('some ')
  await sleep(1)
  yield Buffer.from('text')
}
