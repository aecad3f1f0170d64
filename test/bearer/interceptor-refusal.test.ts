import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { Agent, FormData as UndiciFormData, MockAgent, Pool, type Dispatcher } from 'undici'
import { describe, expect, it, onTestFinished } from 'vitest'
import { LoginRequired, ServerUnavailable } from '../../src/core/errors.js'
import { Secret } from '../../src/core/secret.js'
import { bearer } from '../../src/bearer/undici.js'
import { EXPIRED, FRESH } from '../core/stage.js'
import { granted, invalidGrant, silence } from '../support/fake-server.js'
import { api, REFUSED } from './api.js'
import { gate, stage, until } from './stage.js'
import { agent, closing, endless, send } from './dispatchers.js'

/** So that what keeps a connection shows. */
const ONE = { connections: 1 }

describe('a refusal', () => {
  it.each([
    ['403', 403, {}],
    ['401', 401, { 'www-authenticate': 'Bearer error="invalid_token"' }],
  ])(
    'a refusal with %s costs one refresh and one repetition, and is told to have been healed',
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

  it('a refusal for want of scope is handed through: no new token changes that', async () => {
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
    expect((await send(agent().compose(bearer(guard)), { origin })).status).toBe(403)
    expect(seen).toEqual(['/ token-1', '/ token-2'])
  })

  it('a refusal that lasts is handed through whole, and costs one refresh in all', async () => {
    const { origin, seen } = await api({ takes: () => false })
    const world = stage()
    const dispatcher = agent().compose(bearer(world.guard(), { origin }))
    for (let call = 0; call < 20; call++)
      expect(await send(dispatcher, { origin })).toEqual({ status: 403, text: REFUSED })
    expect(seen).toEqual(['/ access-1', '/ access-2', ...Array<string>(19).fill('/ access-2')])
    expect(world.server.requests).toBe(1)
  })

  it('a refusal of a token that another process has renewed since costs no refresh', async () => {
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
  it.each(whole)('a refusal of a request with %s is repeated with it', async (_, body, text) => {
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
  it.each(single)(
    'a refusal of a request with %s is handed through, and the next has a new token',
    async (_, body) => {
      const { origin, calls, seen } = await api()
      const world = stage()
      const dispatcher = agent().compose(bearer(world.guard(), { origin }))
      const post = { origin, method: 'POST', headers: { 'content-type': 'text/plain' } } as const
      expect(await send(dispatcher, { ...post, body: body() })).toEqual({ status: 403, text: REFUSED })
      expect(await send(dispatcher, { ...post, body: body() })).toEqual({ status: 200, text: 'POST /' })
      expect(seen).toEqual(['/ access-1', '/ access-2'])
      expect(calls.map(({ body }) => body)).toEqual(['some text', 'some text'])
      expect(world.server.requests).toBe(1)
    },
  )

  it('a refusal leaves its connection free for the repetition', async () => {
    const { origin, connections } = await api()
    const dispatcher = agent(ONE).compose(bearer(stage().guard(), { origin }))
    for (let call = 0; call < 5; call++)
      expect(await send(dispatcher, { origin })).toMatchObject({ status: 200 })
    expect(connections).toMatchObject({ all: 1, open: 1 })
  })

  it('a refusal whose body does not end costs its connection, and nobody waits for it', async () => {
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

  it('a refusal that is handed through comes whole, however long it is and however late it is read', async () => {
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

  it('a refusal whose connection breaks while the guard is asked does not hinder the repetition', async () => {
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

  it('a refusal is handled by a dispatcher that cannot pause', async () => {
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
  it('a guard that fails fails the request with its own error, and nothing is sent', async () => {
    const { origin, seen } = await api()
    const world = stage(EXPIRED)
    world.server.answers(invalidGrant())
    await expect(send(agent().compose(bearer(world.guard(), { origin })), { origin })).rejects.toThrow(
      LoginRequired,
    )
    expect(seen).toEqual([])
  })

  it('a guard that fails fails the request after a refusal too, and leaves the connection free', async () => {
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

  it('500 requests at once on an expired token cost one refresh', async () => {
    const { origin, seen } = await api()
    const world = stage(EXPIRED)
    const dispatcher = closing(new Agent({ connections })).compose(bearer(world.guard(), { origin }))
    const answers = await Promise.all(all.map((nth) => send(dispatcher, { origin, path: `/${nth}` })))
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(500)
    expect(new Set(seen)).toEqual(new Set(all.map((nth) => `/${nth} access-2`)))
    expect(world.server.requests).toBe(1)
  })

  it('500 requests at once on a token that the API refuses cost one refresh', async () => {
    const { origin, seen } = await api()
    const world = stage()
    const dispatcher = closing(new Agent({ connections })).compose(bearer(world.guard(), { origin }))
    const answers = await Promise.all(all.map((nth) => send(dispatcher, { origin, path: `/${nth}` })))
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(500)
    expect(seen.filter((call) => call.endsWith('access-2'))).toHaveLength(500)
    expect(world.server.requests).toBe(1)
  })
})

const TAG = { [Symbol.toStringTag]: 'FormData' }

function form(): UndiciFormData {
  const data = new UndiciFormData()
  data.append('field', 'some text')
  return data
}

async function* chunks(): AsyncGenerator<Buffer> {
  yield Buffer.from('some ')
  await sleep(1)
  yield Buffer.from('text')
}
