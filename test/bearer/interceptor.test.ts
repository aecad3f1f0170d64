import type { ServerResponse } from 'node:http'
import { Agent, BalancedPool, Client, interceptors, Pool, RetryAgent, type Dispatcher } from 'undici'
import { describe, expect, it, vi } from 'vitest'
import { ConfigInvalid } from '../../src/core/errors.js'
import type { TokenGuard } from '../../src/core/guard.js'
import { bearer } from '../../src/bearer/undici.js'
import { EXPIRED } from '../core/stage.js'
import { api, REFUSED } from './api.js'
import { stage, until } from './stage.js'
import { agent, closing, poolNamesOrigin, send } from './dispatchers.js'

const redirect = (): Dispatcher.DispatcherComposeInterceptor => interceptors.redirect({ maxRedirections: 5 })

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

  it.each(DISPATCHERS)('a request carries the token once more after a refusal, by %s', async (_, make) => {
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

  const UNNAMED: [string, { origin?: string }][] = [
    ['none', {}],
    ['an empty one', { origin: '' }],
  ]
  // undici 8 names the pool's origin itself.
  if (poolNamesOrigin)
    it.each(UNNAMED)(
      'none where they name %s, and undici names another one: that of the pool',
      async (_, named) => {
        const theirs = await api({ takes: () => true })
        const dispatcher = closing(new Pool(theirs.origin)).compose(
          bearer(stage().guard(), { origin: 'https://acme.highq.com' }),
        )
        expect(await send(dispatcher, named)).toEqual({ status: 200, text: 'GET /' })
        expect(theirs.seen).toEqual(['/ -'])
      },
    )
  else
    it.each(UNNAMED)(
      'none, and an error, where they name %s and nothing says where the dispatcher leads',
      async (_, named) => {
        const theirs = await api({ takes: () => true })
        const world = stage()
        const dispatcher = closing(new Pool(theirs.origin)).compose(
          bearer(world.guard(), { origin: 'https://acme.highq.com' }),
        )
        await expect(send(dispatcher, named)).rejects.toThrow(ConfigInvalid)
        await expect(send(dispatcher, named)).rejects.toMatchObject({
          message: 'the request names no origin, and the token is for one origin only',
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

  it('a request to another origin carries no token, be it another port of the same host', async () => {
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
  ])('the token is not blamed for what another origin refuses, with the redirect %s', async (_, order) => {
    const theirs = await api({ takes: () => false })
    const ours = await api({ on: { '/leave': `${theirs.origin}/there` } })
    const world = stage()
    const dispatcher = agent().compose(...order(world.guard(), ours.origin))
    expect(await send(dispatcher, { origin: ours.origin, path: '/leave' })).toMatchObject({ status: 403 })
    expect(world.server.requests).toBe(0)
  })

  it('the token is not blamed for what its own origin refuses, where a redirect over another has taken it off', async () => {
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
