// Counts what a request with a fresh token costs, because counts are the same on a busy machine. How long it takes is
// measured by `npm run bench -- requests`.
import { createHook } from 'node:async_hooks'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { Dispatcher } from 'undici'
import { expect, it, vi } from 'vitest'
import { Secret } from '../../src/core/secret.js'
import { bearer, type TokenSource } from '../../src/bearer/undici.js'
import { until } from './stage.js'

const ORIGIN = 'https://acme.highq.com'
const REQUEST = { origin: ORIGIN, path: '/', method: 'GET', headers: {} } as const

/** An interceptor whose guard has a fresh token, over a dispatcher that sends nothing. */
async function composed(): Promise<{
  readonly send: (handler?: Dispatcher.DispatchHandler) => void
  readonly sent: [Dispatcher.DispatchOptions, Dispatcher.DispatchHandler][]
}> {
  const token = Promise.resolve({
    secret: new Secret('access.'.padEnd(400, 'x')),
    tokenType: 'Bearer' as const,
    expiresAt: Number.MAX_SAFE_INTEGER,
  })
  const guard: TokenSource = { token: () => token, accepted: () => Promise.resolve(), apiUrl: null }
  const sent: [Dispatcher.DispatchOptions, Dispatcher.DispatchHandler][] = []
  const dispatch = bearer(guard, { origin: ORIGIN })((...one: (typeof sent)[number]) => {
    sent.push(one)
    return true
  })
  const send = (handler: Dispatcher.DispatchHandler = { onRequestStart: () => undefined }): void => {
    dispatch({ ...REQUEST }, handler)
  }
  send()
  await until(() => {
    expect(sent).toHaveLength(1)
  })
  sent.length = 0
  return { send, sent }
}

it('a request with a fresh token makes no promise', async () => {
  const { send, sent } = await composed()
  let promises = 0
  const counting = createHook({
    init: (_, type) => {
      if (type === 'PROMISE') promises++
    },
  })
  counting.enable()
  for (let at = 0; at < 100; at++) send()
  counting.disable()
  expect(sent).toHaveLength(100)
  expect(promises).toBe(0)
})

it('all requests with a token share one string for its header', async () => {
  const { send, sent } = await composed()
  const reveal = vi.spyOn(Secret.prototype, 'reveal')
  try {
    for (let at = 0; at < 100; at++) send()
    expect(reveal).not.toHaveBeenCalled()
  } finally {
    reveal.mockRestore()
  }
  expect(sent.map(([{ headers }]) => headers)).toEqual(
    Array.from({ length: 100 }, () => ({ authorization: `Bearer ${'access.'.padEnd(400, 'x')}` })),
  )
})

it('a request that waits for its answer keeps at most 600 bytes', async () => {
  setFlagsFromString('--expose-gc')
  const collectGarbage = runInNewContext('gc') as () => void
  const { send, sent } = await composed()
  const WAITING = 10_000
  const handler: Dispatcher.DispatchHandler = { onRequestStart: () => undefined }
  const kept = (): number => {
    sent.length = 0
    collectGarbage()
    const before = process.memoryUsage().heapUsed
    for (let at = 0; at < WAITING; at++) send(handler)
    // A header that is checked, as undici does, is a string in one piece.
    for (const [{ headers }] of sent) /[^\t -~]/.test((headers as { authorization: string }).authorization)
    collectGarbage()
    return (process.memoryUsage().heapUsed - before) / WAITING
  }
  kept()
  expect(kept()).toBeLessThan(600)
})

it('an answer is passed on as it is, and nothing of it is copied', async () => {
  const { send, sent } = await composed()
  const passed: unknown[] = []
  send({
    onRequestStart: () => undefined,
    onResponseStart: (_, status, fields) => passed.push(status, fields),
    onResponseData: (_, chunk) => passed.push(chunk),
    onResponseEnd: (_, trailers) => passed.push(trailers),
  })
  const handler = sent[0]?.[1]
  const controller = {
    ...{ aborted: false, paused: false, reason: null },
    pause: vi.fn(),
    resume: vi.fn(),
    abort: vi.fn(),
  }
  const [fields, chunk, trailers] = [{ 'content-type': 'text/plain' }, Buffer.from('x'), { 'x-end': '1' }]
  handler?.onRequestStart?.(controller, undefined)
  handler?.onResponseStart?.(controller, 200, fields)
  handler?.onResponseData?.(controller, chunk)
  handler?.onResponseEnd?.(controller, trailers)
  expect(passed).toHaveLength(4)
  for (const [at, one] of [200, fields, chunk, trailers].entries()) expect(passed[at]).toBe(one)
})
