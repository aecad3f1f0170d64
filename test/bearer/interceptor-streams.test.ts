import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { Client, type Dispatcher } from 'undici'
import { describe, expect, it } from 'vitest'
import { bearer } from '../../src/bearer/undici.js'
import { EXPIRED, FRESH, Stage } from '../core/stage.js'
import { granted } from '../support/fake-server.js'
import { api, REFUSED } from './api.js'
import { gate, stage, until } from './stage.js'
import { agent, closing, endless, send } from './dispatchers.js'

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

  it('an abort before the token is there ends the request at once, and nothing is sent', async () => {
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

  it('an abort before the beginning does not even ask the guard', async () => {
    const { origin, seen } = await api()
    const world = stage(EXPIRED)
    const dispatcher = agent().compose(bearer(world.guard(), { origin }))
    await expect(send(dispatcher, { origin, signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
    expect(world.server.requests).toBe(0)
    expect(seen).toEqual([])
  })

  it('an abort while a refused answer waits ends the request at once, and nothing is repeated', async () => {
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

  it('an abort while the request waits for a connection keeps it from being sent', async () => {
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

  it('an abort without a reason is an AbortError', async () => {
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

  it('a caller who pauses and resumes while a refused answer waits, has nothing read that nobody may want', async () => {
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

  it('a caller who pauses before the request is sent, reads nothing of its answer until he resumes', async () => {
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

  it('a body that is streamed and breaks before the token is there, fails its request and nothing else', async () => {
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

  it('a body that is streamed keeps no listener of ours once it is sent', async () => {
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
