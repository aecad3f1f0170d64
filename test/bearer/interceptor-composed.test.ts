import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createSecureServer } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { PassThrough } from 'node:stream'
import { Agent, fetch as undiciFetch, interceptors, RetryAgent, type Dispatcher } from 'undici'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import type { TokenGuard } from '../../src/core/guard.js'
import { bearer } from '../../src/bearer/undici.js'
import { EXPIRED } from '../core/stage.js'
import { granted } from '../support/fake-server.js'
import { api, REFUSED } from './api.js'
import { gate, stage } from './stage.js'
import { agent, closing, send } from './dispatchers.js'

const RETRY = { minTimeout: 1, maxTimeout: 5 }
const RETRIES: [string, (origin: string, guard: TokenGuard) => Dispatcher][] = [
  ['around it', (origin, guard) => new RetryAgent(agent().compose(bearer(guard, { origin })), RETRY)],
  ['below it', (origin, guard) => new RetryAgent(agent(), RETRY).compose(bearer(guard, { origin }))],
]

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
    // undici 7 writes the names in lower case wherever anything is composed.
    const [name, value] = texts(headers)
    expect([name?.toLowerCase(), value]).toEqual(['x-one', 'yes'])
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
