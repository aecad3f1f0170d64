import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import type { ServerResponse } from 'node:http'
import { createSecureServer } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { PassThrough, Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  Agent,
  BalancedPool,
  Client,
  fetch as undiciFetch,
  FormData as UndiciFormData,
  interceptors,
  MockAgent,
  Pool,
  RetryAgent,
  type Dispatcher,
} from 'undici'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { ConfigInvalid, LoginRequired, ServerUnavailable } from '../../src/core/errors.js'
import type { TokenGuard } from '../../src/core/guard.js'
import { Secret } from '../../src/core/secret.js'
import { bearer } from '../../src/bearer/undici.js'
import { EXPIRED, FRESH, Stage } from '../core/stage.js'
import { granted, invalidGrant, silence } from '../support/fake-server.js'
import { api, REFUSED } from './api.js'
import { gate, stage, until } from './stage.js'

function closing<D extends Dispatcher>(dispatcher: D): D {
  onTestFinished(() => dispatcher.destroy())
  return dispatcher
}

const agent = (options: Agent.Options = {}): Agent => closing(new Agent(options))
/** So that what keeps a connection shows. */
const ONE = { connections: 1 }
const redirect = (): Dispatcher.DispatcherComposeInterceptor => interceptors.redirect({ maxRedirections: 5 })

const RETRY = { minTimeout: 1, maxTimeout: 5 }
const RETRIES: [string, (origin: string, guard: TokenGuard) => Dispatcher][] = [
  ['around it', (origin, guard) => new RetryAgent(agent().compose(bearer(guard, { origin })), RETRY)],
  ['below it', (origin, guard) => new RetryAgent(agent(), RETRY).compose(bearer(guard, { origin }))],
]

interface Answered {
  readonly status: number
  readonly text: string
}

async function send(
  dispatcher: Dispatcher,
  options: Partial<Dispatcher.RequestOptions> & { origin?: string },
): Promise<Answered> {
  const { statusCode, body } = await dispatcher.request({ path: '/', method: 'GET', ...options })
  return { status: statusCode, text: await body.text() }
}

describe('which requests carry the token', () => {
  const DISPATCHERS: [string, (origin: string) => Dispatcher][] = [
    ['an Agent', () => new Agent()],
    ['a Pool', (origin) => new Pool(origin)],
    ['a Pool of one connection', (origin) => new Pool(origin, { connections: 1 })],
    ['a BalancedPool', (origin) => new BalancedPool(origin)],
    ['a Client', (origin) => new Client(origin)],
    ['a RetryAgent', () => new RetryAgent(new Agent())],
  ]

  it.each(DISPATCHERS)('those to its origin, by %s', async (_, make) => {
    const { origin, seen } = await api({ takes: (token) => token === 'access-1' })
    const dispatcher = closing(make(origin)).compose(bearer(stage().guard(), { origin }))
    expect(await send(dispatcher, { origin, path: '/a' })).toEqual({ status: 200, text: 'GET /a' })
    expect(await send(dispatcher, { origin, path: '/b', method: 'POST', body: 'x' })).toEqual({
      status: 200,
      text: 'POST /b',
    })
    expect(seen).toEqual(['/a access-1', '/b access-1'])
  })

  it.each(DISPATCHERS)('once more after a refusal, by %s', async (_, make) => {
    const { origin, seen } = await api()
    const world = stage()
    const dispatcher = closing(make(origin)).compose(bearer(world.guard(), { origin }))
    expect(await send(dispatcher, { origin })).toEqual({ status: 200, text: 'GET /' })
    expect(seen).toEqual(['/ access-1', '/ access-2'])
    expect(world.server.requests).toBe(1)
  })

  it.each(['Pool', 'Client'])(
    'those that name no origin, by a %s of it that is said to be one',
    async (kind) => {
      const { origin, seen } = await api()
      const dispatcher = closing(kind === 'Pool' ? new Pool(origin) : new Client(origin)).compose(
        bearer(stage().guard(), { origin, singleOrigin: true }),
      )
      expect(await send(dispatcher, {})).toEqual({ status: 200, text: 'GET /' })
      expect(seen).toEqual(['/ access-1', '/ access-2'])
    },
  )

  it.each([
    ['none', {}],
    ['an empty one', { origin: '' }],
  ])(
    'none, and an error, where they name %s and nothing says where the dispatcher leads',
    async (_, named) => {
      const theirs = await api({ takes: () => true })
      const world = stage()
      const dispatcher = closing(new Pool(theirs.origin)).compose(
        bearer(world.guard(), { origin: 'https://acme.highq.com' }),
      )
      await expect(send(dispatcher, named)).rejects.toThrow(ConfigInvalid)
      await expect(send(dispatcher, named)).rejects.toMatchObject({
        message: 'a request names no origin, and the token is for one alone',
        hint: expect.stringContaining('{ singleOrigin: true }') as string,
      })
      expect(theirs.seen).toEqual([])
    },
  )

  it('are sent before `dispatch` returns, once the token is known', async () => {
    const origin = 'https://acme.highq.com'
    const dispatch = vi.fn<Dispatcher['dispatch']>(() => true)
    const composed = bearer(stage().guard(), { origin })(dispatch)
    const one = (): unknown =>
      composed({ origin: `${origin}/`, path: '/', method: 'GET' }, { onRequestStart: () => undefined })
    for (let sent = 1; sent < 3; sent++) {
      one()
      await until(() => {
        expect(dispatch).toHaveBeenCalledTimes(sent)
      })
    }
    one()
    expect(dispatch).toHaveBeenCalledTimes(3)
    expect(dispatch.mock.lastCall?.[0].headers).toEqual({ authorization: 'Bearer access-1' })
  })

  it.each([
    ['a string', (origin: string) => origin],
    ['a URL', (origin: string) => new URL(origin)],
    ['a URL below it', (origin: string) => `${origin}/acme/api/`],
  ])('those to the origin given as %s', async (_, form) => {
    const { origin, seen } = await api()
    await send(agent().compose(bearer(stage().guard(), { origin: form(origin) })), { origin })
    expect(seen).toEqual(['/ access-1', '/ access-2'])
  })

  it('those to the origin of the guard, if none is given', async () => {
    const { origin, seen } = await api()
    const guard = stage().guard({ apiUrl: new URL('/acme/api/', origin) })
    await send(agent().compose(bearer(guard)), { origin })
    expect(seen).toEqual(['/ access-1', '/ access-2'])
  })

  it.each([
    ['nothing names an origin', undefined, /^nothing says which origin the token is for$/],
    ['it is no URL', 'acme.highq.com', /^not the URL of a server: acme\.highq\.com$/],
    ['no server answers it', 'file:///etc', /^not the URL of a server/],
  ])('none, and an error that says what to give, where %s', (_, origin, message) => {
    const make = (): unknown => bearer(stage().guard(), origin === undefined ? {} : { origin })
    expect(make).toThrow(ConfigInvalid)
    expect(make).toThrow(message)
    expect(make).toThrow(expect.objectContaining({ hint: expect.stringContaining('{ origin:') as string }))
  })

  it('not those to another origin, be it another port of the same host', async () => {
    const [ours, theirs] = [await api(), await api({ takes: () => true })]
    const dispatcher = agent().compose(bearer(stage().guard(), { origin: ours.origin }))
    expect(await send(dispatcher, { origin: theirs.origin })).toEqual({ status: 200, text: 'GET /' })
    await send(dispatcher, { origin: theirs.origin.replace('127.0.0.1', 'localhost') })
    expect(theirs.seen).toEqual(['/ -', '/ -'])
    expect(ours.seen).toEqual([])
  })

  it.each([
    ['outside', (guard: TokenGuard, origin: string) => [bearer(guard, { origin }), redirect()]],
    ['inside', (guard: TokenGuard, origin: string) => [redirect(), bearer(guard, { origin })]],
  ])('along redirects to itself and to nowhere else, with the redirect %s', async (_, order) => {
    const theirs = await api({ takes: () => true })
    const ours = await api({
      takes: (token) => token === 'access-1',
      on: { '/stay': '/there', '/leave': `${theirs.origin}/there` },
    })
    const dispatcher = agent().compose(...order(stage().guard(), ours.origin))
    expect(await send(dispatcher, { origin: ours.origin, path: '/stay' })).toMatchObject({ status: 200 })
    expect(ours.seen).toEqual(['/stay access-1', '/there access-1'])
    expect(await send(dispatcher, { origin: ours.origin, path: '/leave' })).toMatchObject({ status: 200 })
    expect(theirs.seen).toEqual(['/there -'])
    expect(theirs.calls[0]?.headers).not.toHaveProperty('authorization')
  })

  it.each([
    ['outside', (guard: TokenGuard, origin: string) => [bearer(guard, { origin }), redirect()]],
    ['inside', (guard: TokenGuard, origin: string) => [redirect(), bearer(guard, { origin })]],
  ])('not blamed for what another origin refuses, with the redirect %s', async (_, order) => {
    const theirs = await api({ takes: () => false })
    const ours = await api({ on: { '/leave': `${theirs.origin}/there` } })
    const world = stage()
    const dispatcher = agent().compose(...order(world.guard(), ours.origin))
    expect(await send(dispatcher, { origin: ours.origin, path: '/leave' })).toMatchObject({ status: 403 })
    expect(world.server.requests).toBe(0)
  })

  it('not blamed for what its own origin refuses, where a redirect over another has taken it off', async () => {
    const theirs = await api({ on: { '/there': (_, response) => void back(response) } })
    const ours = await api({ on: { '/leave': `${theirs.origin}/there` } })
    const back = (response: ServerResponse): ServerResponse =>
      response.writeHead(307, { location: `${ours.origin}/back` }).end()
    const world = stage()
    const dispatcher = agent().compose(redirect(), bearer(world.guard(), { origin: ours.origin }))
    expect(await send(dispatcher, { origin: ours.origin, path: '/leave' })).toMatchObject({ status: 403 })
    expect(ours.seen).toEqual(['/leave access-1', '/back -'])
    expect(world.server.requests).toBe(0)
  })

  it('blamed for what its own origin refuses after a redirect within it', async () => {
    const { origin, seen } = await api({ on: { '/stay': '/there' } })
    const dispatcher = agent().compose(redirect(), bearer(stage().guard(), { origin }))
    expect(await send(dispatcher, { origin, path: '/stay' })).toMatchObject({ status: 200 })
    expect(seen).toEqual(['/stay access-1', '/there access-1', '/stay access-2', '/there access-2'])
  })

  it('tells where redirects have led, as undici does', async () => {
    const { origin } = await api({ on: { '/stay': '/there' } })
    const dispatcher = agent().compose(redirect(), bearer(stage().guard(), { origin }))
    const { context, body } = await dispatcher.request({ origin, path: '/stay', method: 'GET' })
    await body.dump()
    expect(context).toMatchObject({ history: [new URL('/stay', origin), new URL('/there', origin)] })
  })
})

describe('the headers of a request', () => {
  const forms: [string, Dispatcher.DispatchOptions['headers']][] = [
    ['an object', { 'x-one': '1', 'X-Two': ['2', '3'] }],
    ['a list', ['x-one', '1', 'X-Two', '2', 'X-Two', '3']],
    ['pairs', [['x-one', '1'], ['X-Two', ['2', '3']]] as unknown as string[]], // prettier-ignore
    ['Headers', new Headers([['x-one', '1'], ['X-Two', '2'], ['X-Two', '3']])], // prettier-ignore
    ['an object with an empty Authorization', { 'x-one': '1', 'X-Two': '2, 3', Authorization: undefined }],
  ]
  it.each(forms)('stay what they are, given as %s', async (_, headers) => {
    const { origin, calls } = await api()
    const dispatcher = agent().compose(bearer(stage().guard(), { origin }))
    await send(dispatcher, { origin, headers: headers ?? {} })
    expect(calls.map(({ headers }) => headers)).toMatchObject([
      { 'x-one': '1', 'x-two': '2, 3', authorization: 'Bearer access-1' },
      { 'x-one': '1', 'x-two': '2, 3', authorization: 'Bearer access-2' },
    ])
  })

  const own: [string, Dispatcher.DispatchOptions['headers']][] = [
    ['an object', { AUTHORIZATION: 'Basic eA==' }],
    ['a list', ['Authorization', 'Basic eA==']],
    ['pairs', new Map([['authorization', 'Basic eA==']])],
    ['Headers', new Headers({ authorization: 'Basic eA==' })],
  ]
  it.each(own)('keep an Authorization of their own, given as %s', async (_, headers) => {
    const { origin, calls } = await api()
    const world = stage(EXPIRED)
    const dispatcher = agent().compose(bearer(world.guard(), { origin }))
    expect(await send(dispatcher, { origin, headers: headers ?? {} })).toEqual({ status: 403, text: REFUSED })
    expect(calls.map(({ headers: { authorization } }) => authorization)).toEqual(['Basic eA=='])
    expect(world.server.requests).toBe(0)
  })
})

describe('a refusal', () => {
  it.each([
    ['403', 403, {}],
    ['401', 401, { 'www-authenticate': 'Bearer error="invalid_token"' }],
  ])(
    'with %s costs one refresh and one repetition, and is told to have been healed',
    async (_, status, fields) => {
      const { origin, seen } = await api({
        refuse: (response) => response.writeHead(status, fields).end('no'),
      })
      const world = stage()
      const dispatcher = agent().compose(bearer(world.guard(), { origin }))
      expect(await send(dispatcher, { origin })).toEqual({ status: 200, text: 'GET /' })
      expect(await send(dispatcher, { origin })).toEqual({ status: 200, text: 'GET /' })
      expect(seen).toEqual(['/ access-1', '/ access-2', '/ access-2'])
      expect(world.server.requests).toBe(1)
      expect((await world.stored()).rejectedAt).toBeNull()
    },
  )

  it('for want of scope is handed through: no new token changes that', async () => {
    const { origin, seen } = await api({
      refuse: (response) =>
        response
          .writeHead(403, { 'www-authenticate': ['Basic', 'Bearer error="insufficient_scope"'] })
          .end('scope'),
    })
    const world = stage()
    expect(await send(agent().compose(bearer(world.guard(), { origin })), { origin })).toEqual({
      status: 403,
      text: 'scope',
    })
    expect(seen).toEqual(['/ access-1'])
    expect(world.server.requests).toBe(0)
  })

  it('is met by one repetition, even where the guard has a new token each time', async () => {
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
    expect((await send(agent().compose(bearer(guard)), { origin })).status).toBe(403)
    expect(seen).toEqual(['/ token-1', '/ token-2'])
  })

  it('that lasts is handed through whole, and costs one refresh in all', async () => {
    const { origin, seen } = await api({ takes: () => false })
    const world = stage()
    const dispatcher = agent().compose(bearer(world.guard(), { origin }))
    for (let call = 0; call < 20; call++)
      expect(await send(dispatcher, { origin })).toEqual({ status: 403, text: REFUSED })
    expect(seen).toEqual(['/ access-1', '/ access-2', ...Array<string>(19).fill('/ access-2')])
    expect(world.server.requests).toBe(1)
  })

  it('of a token that another process has renewed since costs no refresh', async () => {
    const { origin, seen } = await api()
    const world = stage()
    const slow = world.guard()
    const dispatcher = agent().compose(
      bearer(
        {
          apiUrl: null,
          token: async (ask) => {
            const token = await slow.token(ask)
            if (ask === undefined) await world.guard().refresh()
            return token
          },
          accepted: (token) => slow.accepted(token),
        },
        { origin },
      ),
    )
    expect(await send(dispatcher, { origin })).toEqual({ status: 200, text: 'GET /' })
    expect(seen).toEqual(['/ access-1', '/ access-2'])
    expect(world.server.requests).toBe(1)
  })

  const whole: [string, () => NonNullable<Dispatcher.DispatchOptions['body']>, RegExp][] = [
    ['a string', () => 'some text', /^some text$/],
    ['a Buffer', () => Buffer.from('some text'), /^some text$/],
    ['a part of an array', () => new TextEncoder().encode('not some text').subarray(4), /^some text$/],
    ['an ArrayBuffer', () => new TextEncoder().encode('some text').buffer as never, /^some text$/],
    ['a Blob', () => new Blob(['some text']) as never, /^some text$/],
    ['a form', form, /name="field"\r\n\r\nsome text/],
    ['an empty string', () => '', /^$/],
  ]
  it.each(whole)('of a request with %s is repeated with it', async (_, body, text) => {
    const { origin, calls } = await api()
    const dispatcher = agent().compose(bearer(stage().guard(), { origin }))
    expect(await send(dispatcher, { origin, method: 'POST', body: body() })).toMatchObject({ status: 200 })
    expect(calls.map(({ body }) => body)).toEqual([
      expect.stringMatching(text) as string,
      expect.stringMatching(text) as string,
    ])
  })

  const single: [string, () => NonNullable<Dispatcher.DispatchOptions['body']>][] = [
    ['a stream', () => Readable.from([Buffer.from('some '), Buffer.from('text')])],
    ['an iterable', () => [Buffer.from('some '), Buffer.from('text')] as never],
    ['a generator', () => chunks() as never],
    ['a stream of the web', () => new Blob(['some text']).stream() as never],
    ['a stream that says it is a form', () => Object.assign(Readable.from([Buffer.from('some text')]), TAG)],
  ]
  it.each(single)('of a request with %s is handed through, and the next has a new token', async (_, body) => {
    const { origin, calls, seen } = await api()
    const world = stage()
    const dispatcher = agent().compose(bearer(world.guard(), { origin }))
    const post = { origin, method: 'POST', headers: { 'content-type': 'text/plain' } } as const
    expect(await send(dispatcher, { ...post, body: body() })).toEqual({ status: 403, text: REFUSED })
    expect(await send(dispatcher, { ...post, body: body() })).toEqual({ status: 200, text: 'POST /' })
    expect(seen).toEqual(['/ access-1', '/ access-2'])
    expect(calls.map(({ body }) => body)).toEqual(['some text', 'some text'])
    expect(world.server.requests).toBe(1)
  })

  it('leaves its connection free for the repetition', async () => {
    const { origin, connections } = await api()
    const dispatcher = agent(ONE).compose(bearer(stage().guard(), { origin }))
    for (let call = 0; call < 5; call++)
      expect(await send(dispatcher, { origin })).toMatchObject({ status: 200 })
    expect(connections).toMatchObject({ all: 1, open: 1 })
  })

  it('whose body does not end costs its connection, and nobody waits for it', async () => {
    let written = 0
    const { origin, connections } = await api({
      refuse: (response) => {
        response.writeHead(403)
        Readable.from(endless((bytes) => (written += bytes))).pipe(response)
      },
    })
    const dispatcher = closing(new Pool(origin, { connections: 1 })).compose(
      bearer(stage().guard(), { origin }),
    )
    expect(await send(dispatcher, { origin })).toEqual({ status: 200, text: 'GET /' })
    await until(() => {
      expect(connections.open).toBe(1)
    })
    expect(connections.all).toBe(2)
    expect(written).toBeLessThan(16 * 1024 * 1024)
  })

  it('that is handed through comes whole, however long it is and however late it is read', async () => {
    const long = 'no '.repeat(1_000_000)
    const { origin } = await api({
      takes: () => false,
      refuse: (response) => response.writeHead(403).end(long),
    })
    const dispatcher = agent().compose(bearer(stage().guard(), { origin }))
    const { statusCode, body } = await dispatcher.request({ origin, path: '/', method: 'GET' })
    await sleep(50)
    expect(statusCode).toBe(403)
    expect((await body.text()) === long).toBe(true)
  })

  it('whose connection breaks while the guard is asked does not hinder the repetition', async () => {
    const { origin, seen } = await api({
      refuse: (response) => {
        response.writeHead(403, { 'content-length': 100 }).write('no')
        setTimeout(() => response.destroy(), 10)
      },
    })
    const world = stage()
    world.server.answers(async () => {
      await sleep(100)
      return granted('access-2', 'refresh-2')
    })
    expect(await send(agent().compose(bearer(world.guard(), { origin })), { origin })).toMatchObject({
      status: 200,
    })
    expect(seen).toEqual(['/ access-1', '/ access-2'])
  })

  it('is handled by a dispatcher that cannot pause', async () => {
    const mock = new MockAgent()
    onTestFinished(() => mock.close())
    mock.disableNetConnect()
    const pool = mock.get('http://api.test')
    const reply = (status: number, token: string): void => {
      pool
        .intercept({ path: '/', headers: { authorization: `Bearer ${token}` } })
        .reply(status, `${status} for ${token}`, { headers: { 'x-for': token } })
        .persist()
    }
    const origin = 'http://api.test'
    reply(403, 'access-1')
    reply(200, 'access-2')
    const dispatcher = mock.compose(bearer(stage().guard(), { origin }))
    expect(await send(dispatcher, { origin })).toEqual({ status: 200, text: '200 for access-2' })
    const lasting = stage()
    lasting.server.answers(() => granted('access-1', 'refresh-2'))
    expect(await send(mock.compose(bearer(lasting.guard(), { origin })), { origin })).toEqual({
      status: 403,
      text: '403 for access-1',
    })
  })
})

describe('a guard that fails', () => {
  it('fails the request with its own error, and nothing is sent', async () => {
    const { origin, seen } = await api()
    const world = stage(EXPIRED)
    world.server.answers(invalidGrant())
    await expect(send(agent().compose(bearer(world.guard(), { origin })), { origin })).rejects.toThrow(
      LoginRequired,
    )
    expect(seen).toEqual([])
  })

  it('fails the request after a refusal too, and leaves the connection free', async () => {
    const { origin, seen, connections } = await api()
    const world = stage()
    world.server.answers(() => ({ ...silence(), sent: false }))
    const dispatcher = agent(ONE).compose(bearer(world.guard(), { origin }))
    for (let call = 0; call < 3; call++)
      await expect(send(dispatcher, { origin })).rejects.toThrow(ServerUnavailable)
    expect(seen).toEqual(['/ access-1', '/ access-1', '/ access-1'])
    expect(connections.all).toBe(1)
  })
})

describe('a dispatcher that is closed', () => {
  it.each<[string, number, string, (agent: Agent) => Promise<void>]>([
    ['closed before there is a token', EXPIRED, 'UND_ERR_DESTROYED', (agent) => agent.close()],
    ['closed while a refused answer waits', FRESH, 'UND_ERR_CLOSED', (agent) => agent.close()],
    ['destroyed before there is a token', EXPIRED, 'UND_ERR_DESTROYED', (agent) => agent.destroy()],
  ])('%s fails the request', async (_, age, code, end) => {
    const { origin, seen } = await api()
    const world = stage(age)
    const { promise, open } = gate()
    world.server.answers(async () => {
      await promise
      return granted('access-2', 'refresh-2')
    })
    const ending = agent()
    const sent = send(ending.compose(bearer(world.guard(), { origin })), { origin })
    const failed = expect(sent).rejects.toMatchObject({ code })
    await until(() => {
      expect(world.server.requests).toBe(1)
    })
    const ended = end(ending)
    open()
    await Promise.all([failed, ended])
    expect(seen).not.toContain('/ access-2')
  })
})

describe('500 requests at once', () => {
  const all = Array.from({ length: 500 }, (_, nth) => nth)
  const connections = 50

  it('on an expired token cost one refresh', async () => {
    const { origin, seen } = await api()
    const world = stage(EXPIRED)
    const dispatcher = closing(new Agent({ connections })).compose(bearer(world.guard(), { origin }))
    const answers = await Promise.all(all.map((nth) => send(dispatcher, { origin, path: `/${nth}` })))
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(500)
    expect(new Set(seen)).toEqual(new Set(all.map((nth) => `/${nth} access-2`)))
    expect(world.server.requests).toBe(1)
  })

  it('on a token that the API refuses cost one refresh', async () => {
    const { origin, seen } = await api()
    const world = stage()
    const dispatcher = closing(new Agent({ connections })).compose(bearer(world.guard(), { origin }))
    const answers = await Promise.all(all.map((nth) => send(dispatcher, { origin, path: `/${nth}` })))
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(500)
    expect(seen.filter((call) => call.endsWith('access-2'))).toHaveLength(500)
    expect(world.server.requests).toBe(1)
  })
})

describe('an abort', () => {
  const reason = new Error('changed my mind')

  /** A guard whose server answers when it is told to. */
  function slow(age: number): { world: Stage; answer: () => void } {
    const world = new Stage().pass(age)
    const { promise, open: answer } = gate()
    world.server.answers(async () => {
      await promise
      return granted('access-2', 'refresh-2')
    })
    return { world, answer }
  }

  it('before the token is there ends the request at once, and nothing is sent', async () => {
    const { origin, seen } = await api()
    const { world, answer } = slow(EXPIRED)
    const aborting = new AbortController()
    const sent = send(agent().compose(bearer(world.guard(), { origin })), { origin, signal: aborting.signal })
    await until(() => {
      expect(world.server.requests).toBe(1)
    })
    aborting.abort(reason)
    await expect(sent).rejects.toBe(reason)
    answer()
    await until(async () => {
      expect((await world.stored()).generation).toBe(2)
    })
    await sleep(20)
    expect(seen).toEqual([])
  })

  it('before the beginning does not even ask the guard', async () => {
    const { origin, seen } = await api()
    const world = stage(EXPIRED)
    const dispatcher = agent().compose(bearer(world.guard(), { origin }))
    await expect(send(dispatcher, { origin, signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
    expect(world.server.requests).toBe(0)
    expect(seen).toEqual([])
  })

  it('while a refused answer waits ends the request at once, and nothing is repeated', async () => {
    const { origin, seen, connections } = await api()
    const { world, answer } = slow(FRESH)
    const aborting = new AbortController()
    const sent = send(agent().compose(bearer(world.guard(), { origin })), { origin, signal: aborting.signal })
    await until(() => {
      expect(world.server.requests).toBe(1)
    })
    aborting.abort(reason)
    await expect(sent).rejects.toBe(reason)
    answer()
    await until(() => {
      expect(connections.open).toBe(0)
    })
    expect(seen).toEqual(['/ access-1'])
  })

  it.each([
    ['before the answer begins', undefined],
    ['while the answer flows', 'some'],
  ])('%s reaches the connection', async (_, begun) => {
    const { origin, connections } = await api({
      on: {
        '/slow': (_request, response) => {
          if (begun !== undefined) response.write(begun)
        },
      },
    })
    const aborting = new AbortController()
    const dispatcher = agent().compose(bearer(stage().guard(), { origin }))
    const sent = send(dispatcher, { origin, path: '/slow', signal: aborting.signal })
    await until(() => {
      expect(connections.open).toBe(1)
    })
    await sleep(50)
    aborting.abort(reason)
    await expect(sent).rejects.toBe(reason)
    await until(() => {
      expect(connections.open).toBe(0)
    })
  })

  it('while the request waits for a connection keeps it from being sent', async () => {
    const held: (() => void)[] = []
    const { origin, seen } = await api({
      on: { '/slow': (_, response) => held.push(() => response.end('slow')) },
    })
    const dispatcher = closing(new Client(origin)).compose(bearer(stage().guard(), { origin }))
    const first = send(dispatcher, { origin, path: '/slow' })
    await until(() => {
      expect(held).toHaveLength(1)
    })
    const aborting = new AbortController()
    const second = send(dispatcher, { origin, path: '/second', signal: aborting.signal })
    await sleep(50)
    aborting.abort(reason)
    await expect(second).rejects.toBe(reason)
    held.forEach((end) => {
      end()
    })
    expect(await first).toEqual({ status: 200, text: 'slow' })
    expect(await send(dispatcher, { origin, path: '/third' })).toMatchObject({ status: 200 })
    expect(seen).toEqual(['/third access-1', '/third access-2'])
  })

  it('without a reason is an AbortError', async () => {
    const { origin } = await api()
    const { world } = slow(EXPIRED)
    const errors: Error[] = []
    agent()
      .compose(bearer(world.guard(), { origin }))
      .dispatch(
        { origin, path: '/', method: 'GET' },
        {
          onRequestStart: (controller) => {
            controller.abort(undefined as unknown as Error)
            expect([controller.aborted, controller.reason?.name]).toEqual([true, 'AbortError'])
          },
          onResponseError: (_, error) => errors.push(error),
        },
      )
    await sleep(1)
    expect(errors).toMatchObject([{ name: 'AbortError' }])
  })
})

describe('a caller who pauses', () => {
  /** What a caller is told of by a raw dispatch, in order. */
  function dispatched(
    dispatcher: Dispatcher,
    options: Dispatcher.DispatchOptions,
    onStart: (controller: Dispatcher.DispatchController) => void,
  ): { readonly told: string[]; readonly controller: () => Dispatcher.DispatchController } {
    const told: string[] = []
    let given: Dispatcher.DispatchController | undefined
    dispatcher.dispatch(options, {
      onRequestStart: (controller) => {
        given = controller
        onStart(controller)
      },
      onResponseStart: (_, status) => told.push(String(status)),
      onResponseData: (_, chunk) => told.push(String(chunk)),
      onResponseEnd: () => told.push('end'),
      onResponseError: (_, error) => told.push(error.message),
    })
    return { told, controller: () => given as Dispatcher.DispatchController }
  }

  it.each([
    ['before the request is sent', 'start'],
    ['while a refused answer waits', 'wait'],
  ])('%s, gets the status of a lasting refusal, and its body when he resumes', async (_, when) => {
    const { origin } = await api({ takes: () => false })
    const world = stage()
    const { promise, open } = gate()
    world.server.answers(async () => {
      await promise
      return granted('access-1', 'refresh-2')
    })
    const dispatcher = agent().compose(bearer(world.guard(), { origin }))
    const { told, controller } = dispatched(dispatcher, { origin, path: '/', method: 'GET' }, (start) => {
      if (when === 'start') start.pause()
    })
    await until(() => {
      expect(world.server.requests).toBe(1)
    })
    if (when === 'wait') controller().pause()
    expect(controller().paused).toBe(true)
    open()
    await until(() => {
      expect(told).toEqual(['403'])
    })
    await sleep(50)
    expect(told).toEqual(['403'])
    controller().resume()
    await until(() => {
      expect(told).toEqual(['403', REFUSED, 'end'])
    })
    expect(controller().paused).toBe(false)
  })

  it('and resumes while a refused answer waits, has nothing read that nobody may want', async () => {
    let written = 0
    const { origin } = await api({
      refuse: (response) => {
        response.writeHead(403)
        Readable.from(endless((bytes) => (written += bytes))).pipe(response)
      },
    })
    const world = stage()
    const { promise, open } = gate()
    world.server.answers(async () => {
      await promise
      return granted('access-2', 'refresh-2')
    })
    const dispatcher = agent().compose(bearer(world.guard(), { origin }))
    const { told, controller } = dispatched(dispatcher, { origin, path: '/', method: 'GET' }, () => undefined)
    await until(() => {
      expect(world.server.requests).toBe(1)
    })
    controller().pause()
    controller().resume()
    await sleep(200)
    expect(written).toBeLessThan(16 * 1024 * 1024)
    open()
    await until(() => {
      expect(told).toEqual(['200', 'GET /', 'end'])
    })
  })

  it('before the request is sent, reads nothing of its answer until he resumes', async () => {
    const { origin, seen } = await api({ takes: (token) => token === 'access-1' })
    const dispatcher = agent().compose(bearer(stage().guard(), { origin }))
    const { told, controller } = dispatched(dispatcher, { origin, path: '/', method: 'GET' }, (start) => {
      start.pause()
    })
    await until(() => {
      expect(seen).toEqual(['/ access-1'])
    })
    await sleep(50)
    expect(told.slice(1)).toEqual([])
    controller().resume()
    await until(() => {
      expect(told).toEqual(['200', 'GET /', 'end'])
    })
  })
})

describe('a body that is streamed', () => {
  const MEGABYTE = Buffer.alloc(1024 * 1024, 'a')

  it.each([
    ['at the first try', FRESH, 'access-1'],
    ['after a repetition', FRESH, 'access-2'],
    ['after a refresh', EXPIRED, 'access-2'],
  ])('down, %s, comes as fast as it is read and no faster', async (_, age, token) => {
    let written = 0
    const { origin } = await api({
      on: {
        '/big': (request, response) => {
          if (request.headers.authorization !== `Bearer ${token}`) {
            response.writeHead(403).end(REFUSED)
            return
          }
          Readable.from(megabytes(64, () => written++)).pipe(response)
        },
      },
    })
    const dispatcher = agent().compose(bearer(stage(age).guard(), { origin }))
    const { statusCode, body } = await dispatcher.request({ origin, path: '/big', method: 'GET' })
    expect(statusCode).toBe(200)
    await sleep(200)
    // What the sockets and two streams buffer.
    expect(written).toBeLessThan(16)
    let read = 0
    for await (const chunk of body) read += (chunk as Buffer).byteLength
    expect([read, written]).toEqual([64 * MEGABYTE.byteLength, 64])
  })

  it('up, goes as fast as it is taken and no faster', async () => {
    let made = 0
    let received = 0
    const { promise, open: read } = gate()
    const { origin } = await api({
      on: {
        '/big': (request, response) => {
          void promise.then(async () => {
            for await (const chunk of request) received += (chunk as Buffer).byteLength
            response.end('thanks')
          })
        },
      },
    })
    const dispatcher = agent().compose(bearer(stage().guard(), { origin }))
    const body = Readable.from(megabytes(64, () => made++))
    const sent = send(dispatcher, { origin, path: '/big', method: 'POST', body })
    await sleep(200)
    expect(made).toBeLessThan(16)
    read()
    expect(await sent).toEqual({ status: 200, text: 'thanks' })
    expect([received, made]).toEqual([64 * MEGABYTE.byteLength, 64])
  })

  it('and breaks before the token is there, fails its request and nothing else', async () => {
    const { origin, seen } = await api()
    const world = stage(EXPIRED)
    world.server.answers(async () => {
      await sleep(50)
      return granted('access-2', 'refresh-2')
    })
    const body = new Readable({ read: () => undefined })
    const sent = send(agent().compose(bearer(world.guard(), { origin })), { origin, method: 'POST', body })
    await sleep(10)
    body.destroy(new Error('the disk is gone'))
    await expect(sent).rejects.toThrow('the disk is gone')
    await sleep(80)
    expect(seen).toEqual([])
  })

  it('keeps no listener of ours once it is sent', async () => {
    const { origin } = await api({ takes: (token) => token === 'access-1' })
    const body = Readable.from([Buffer.from('some text')])
    const added: unknown[] = []
    body.on('newListener', (event, listener) => event === 'error' && added.push(listener))
    const sent = send(agent().compose(bearer(stage().guard(), { origin })), { origin, method: 'POST', body })
    const [ours] = added.slice(-1)
    expect(body.listeners('error')).toContain(ours)
    await sent
    expect(body.listeners('error')).not.toContain(ours)
  })

  function* megabytes(count: number, tell: () => void): Generator<Buffer> {
    for (let nth = 0; nth < count; nth++) {
      tell()
      yield MEGABYTE
    }
  }
})

describe('under other parts of undici', () => {
  it.each(RETRIES)('a retry %s carries the token each time', async (_, make) => {
    let failures = 2
    const { origin, seen } = await api({
      takes: (token) => token === 'access-2' && failures-- <= 0,
      refuse: (response) => response.writeHead(failures === 2 ? 403 : 503).end('no'),
    })
    const world = stage()
    expect(await send(make(origin, world.guard()), { origin })).toEqual({ status: 200, text: 'GET /' })
    expect(seen).toEqual(['/ access-1', '/ access-2', '/ access-2', '/ access-2'])
    expect(world.server.requests).toBe(1)
  })

  it.each(RETRIES)('a download that a retry %s takes up again is whole', async (_, make) => {
    const whole = 'abcdefghij'.repeat(1000)
    const tokens: (string | undefined)[] = []
    const { origin } = await api({
      on: {
        '/big': ({ headers }, response) => {
          tokens.push(headers.authorization)
          const [, from] = /^bytes=(\d+)-/.exec(headers.range ?? '') ?? []
          response.setHeader('etag', '"1"')
          if (from === undefined) {
            response.writeHead(200, { 'content-length': whole.length }).write(whole.slice(0, 5000))
            setTimeout(() => response.destroy(), 20)
          } else {
            response
              .writeHead(206, { 'content-range': `bytes ${from}-${whole.length - 1}/${whole.length}` })
              .end(whole.slice(Number(from)))
          }
        },
      },
    })
    expect(await send(make(origin, stage().guard()), { origin, path: '/big' })).toEqual({
      status: 200,
      text: whole,
    })
    expect(tokens).toEqual(['Bearer access-1', 'Bearer access-1'])
  })

  it('undici’s fetch carries it, and can be aborted before the token is there', async () => {
    const { origin, seen } = await api()
    const dispatcher = agent().compose(bearer(stage().guard(), { origin }))
    const response = await undiciFetch(`${origin}/a`, { dispatcher })
    expect([response.status, await response.text()]).toEqual([200, 'GET /a'])
    expect(seen).toEqual(['/a access-1', '/a access-2'])

    const world = stage(EXPIRED)
    const { promise, open } = gate()
    world.server.answers(async () => {
      await promise
      return granted('access-2', 'refresh-2')
    })
    const slow = agent().compose(bearer(world.guard(), { origin }))
    // It would wait for good.
    await expect(
      undiciFetch(`${origin}/b`, { dispatcher: slow, signal: AbortSignal.timeout(20) }),
    ).rejects.toMatchObject({ name: 'TimeoutError' })
    open()
  })

  it('undici’s fetch makes a stream of any body, which cannot be repeated', async () => {
    const { origin, seen } = await api()
    const dispatcher = agent().compose(bearer(stage().guard(), { origin }))
    const post = { dispatcher, method: 'POST', body: 'some text' }
    expect((await undiciFetch(origin, post)).status).toBe(403)
    expect((await undiciFetch(origin, post)).status).toBe(200)
    expect(seen).toEqual(['/ access-1', '/ access-2'])
  })

  it('Node’s fetch over undici 8 is refused by that, and not kept waiting by the interceptor', () => {
    const world = stage()
    const refused = new Error('invalid onRequestStart method')
    const dispatch = vi.fn<Dispatcher['dispatch']>(() => {
      throw refused
    })
    const older = { onConnect: () => undefined, onError: () => undefined }
    const { origin } = new URL('https://acme.highq.com')
    const composed = bearer(world.guard(), { origin })(dispatch)
    const request = { origin, path: '/', method: 'GET' }
    expect(() => composed(request as never, older as never)).toThrow(refused)
    expect(dispatch).toHaveBeenCalledWith(request, older)
  })

  it.each([
    ['dns', 'access-1', (origin: string) => origin.replace('127.0.0.1', 'localhost')],
    ['responseError', 'access-2', (origin: string) => origin],
  ])('%s goes before it, or it sees too little', async (name, taken, named) => {
    const made = await api({
      takes: (token) => token === taken,
      refuse: (response) => response.writeHead(401).end(),
    })
    const origin = named(made.origin)
    const world = stage()
    const token = bearer(world.guard(), { origin })
    const other =
      name === 'dns' ? interceptors.dns({ affinity: 4, dualStack: false }) : interceptors.responseError()
    // The later one sees the request first and the answer last.
    const wrong = name === 'dns' ? agent().compose(token, other) : agent().compose(other, token)
    const right = name === 'dns' ? agent().compose(other, token) : agent().compose(token, other)
    await send(wrong, { origin }).catch(() => undefined)
    expect([made.seen, world.server.requests]).toEqual([[name === 'dns' ? '/ -' : '/ access-1'], 0])
    expect(await send(right, { origin })).toMatchObject({ status: 200 })
  })

  it('a stream and an upgrade go through it', async () => {
    const { origin } = await api({
      on: {
        '/socket': ({ headers }, response) => {
          if (headers.authorization === 'Bearer access-2')
            response.socket?.end('HTTP/1.1 101 Yes\r\nconnection: upgrade\r\nupgrade: talk\r\n\r\nhello')
          else response.writeHead(403).end(REFUSED)
        },
      },
    })
    const dispatcher = agent().compose(bearer(stage().guard(), { origin }))
    const statuses: number[] = []
    await dispatcher.stream({ origin, path: '/', method: 'GET' }, ({ statusCode }) => {
      statuses.push(statusCode)
      return new PassThrough().resume()
    })
    expect(statuses).toEqual([200])
    const upgraded = await dispatcher.upgrade({ origin, path: '/socket', protocol: 'talk' } as never)
    expect(String(await upgraded.socket.take(1).toArray())).toBe('hello')
  })

  it('HTTP/2 is as HTTP/1', async () => {
    const fixture = (name: string): Buffer => readFileSync(`test/oauth/fixtures/localhost.${name}`)
    const tokens: (string | undefined)[] = []
    const server = createSecureServer(
      { key: fixture('key'), cert: fixture('crt') },
      ({ headers }, response) => {
        tokens.push(headers.authorization)
        response.writeHead(headers.authorization === 'Bearer access-2' ? 200 : 403)
        response.end('x'.repeat(1000))
      },
    ).listen(0, '127.0.0.1')
    await once(server, 'listening')
    onTestFinished(() => void server.close())
    const origin = `https://localhost:${(server.address() as AddressInfo).port}`
    const trusting = closing(new Agent({ allowH2: true, connect: { ca: fixture('crt') } }))
    const dispatcher = trusting.compose(bearer(stage().guard(), { origin }))
    expect(await send(dispatcher, { origin })).toEqual({ status: 200, text: 'x'.repeat(1000) })
    expect(tokens).toEqual(['Bearer access-1', 'Bearer access-2'])
    const lastingStage = stage()
    lastingStage.server.answers(() => granted('access-1', 'refresh-2'))
    const lasting = trusting.compose(bearer(lastingStage.guard(), { origin }))
    expect(await send(lasting, { origin })).toEqual({ status: 403, text: 'x'.repeat(1000) })
  })

  it('headers and trailers can be had as they came', async () => {
    const { origin } = await api({
      on: {
        '/raw': (request, response) => {
          const isTaken = request.headers.authorization === 'Bearer access-2'
          response.writeHead(isTaken ? 200 : 403, { 'X-One': isTaken ? 'yes' : 'no', trailer: 'X-Two' })
          response.addTrailers({ 'X-Two': 'end' })
          response.end('text')
        },
      },
    })
    const dispatcher = agent().compose(bearer(stage().guard(), { origin }))
    const texts = (raw: unknown): string[] => (raw as readonly Buffer[]).map(String)
    const raw = await new Promise<unknown[]>((resolve, reject) => {
      const told: unknown[] = []
      dispatcher.dispatch(
        { origin, path: '/raw', method: 'GET' },
        {
          onRequestStart: ({ rawHeaders, rawTrailers }) => told.push(rawHeaders, rawTrailers),
          onResponseStart: ({ rawHeaders }) => told.push(texts(rawHeaders).slice(0, 2)),
          onResponseData: () => undefined,
          onResponseEnd: ({ rawTrailers }) => {
            resolve([...told, texts(rawTrailers)])
          },
          onResponseError: (_, error) => {
            reject(error)
          },
        },
      )
    })
    expect(raw).toEqual([null, null, ['X-One', 'yes'], ['X-Two', 'end']])
    const { headers, body } = await dispatcher.request({
      ...{ origin, path: '/raw', method: 'GET', responseHeaders: 'raw' },
    })
    await body.dump()
    expect(texts(headers).slice(0, 2)).toEqual(['x-one', 'yes'])
  })

  it('information before an answer goes on to the caller', async () => {
    const { origin } = await api({
      on: {
        '/early': (request, response) => {
          response.writeEarlyHints({ link: '</style.css>; rel=preload' })
          if (request.headers.authorization === 'Bearer access-2') response.end('done')
          else response.writeHead(403).end(REFUSED)
        },
      },
    })
    const dispatcher = agent().compose(bearer(stage().guard(), { origin }))
    const hints: number[] = []
    const { statusCode, body } = await dispatcher.request({
      ...{ origin, path: '/early', method: 'GET' },
      onInfo: ({ statusCode }) => hints.push(statusCode),
    })
    expect([statusCode, await body.text(), hints]).toEqual([200, 'done', [103, 103]])
  })
})

const TAG = { [Symbol.toStringTag]: 'FormData' }

function form(): UndiciFormData {
  const data = new UndiciFormData()
  data.append('field', 'some text')
  return data
}

function* endless(tell: (bytes: number) => void): Generator<Buffer> {
  const chunk = Buffer.alloc(64 * 1024, 'x')
  for (;;) {
    tell(chunk.byteLength)
    yield chunk
  }
}

async function* chunks(): AsyncGenerator<Buffer> {
  yield Buffer.from('some ')
  await sleep(1)
  yield Buffer.from('text')
}
