import { describe, expect, it } from 'vitest'
import { LoginRequired, OutcomeUnknown, ServerUnavailable } from '../../src/core/errors.js'
import { garbage, granted, raw } from '../support/fake-server.js'
import { from } from '../support/memory-store.js'
import { ISSUED, seed, tokenSet } from '../support/token-sets.js'
import { DUE, EXPIRED, FRESH } from './stage.js'
import { DOWN, NEXT, rotating, SIXTY, slowly, stage, value } from './guard-stage.js'

describe('refresh', () => {
  it('refreshes a fresh token', async () => {
    stage.server.answers(NEXT)
    const { set, renewed } = await stage.guard().refresh()
    expect([set.pair.accessToken.reveal(), renewed]).toEqual(['access-2', true])
  })

  it.each([
    ['younger', 599, false],
    ['just as old', 600, false],
    ['older', 601, true],
    ['from the future, for the clock went back', -65, true],
  ])('a refresh is done only if the last one is older than 600 s: %s', async (_what, age, renewed) => {
    stage.server.answers(NEXT)
    expect(await stage.guard().refresh({ ifOlder: 600 })).toMatchObject({ renewed: false })
    stage.pass(age)
    expect(await stage.guard().refresh({ ifOlder: 600 })).toMatchObject({ renewed })
    expect(stage.server.requests).toBe(renewed ? 1 : 0)
  })

  it('however recent the last one was, when an exchange was cut off', async () => {
    stage.store.put(
      tokenSet({ intent: { attempt: 2, at: ISSUED, boot: null, salvaged: null, client: null } }),
    )
    stage.server.answers(NEXT)
    expect(await stage.guard().refresh({ ifOlder: 600 })).toMatchObject({ renewed: true })
  })

  it('60 keep-alives in as many processes: one request', async () => {
    stage.pass(FRESH).server.answers(rotating)
    await Promise.all(SIXTY.map(() => stage.guard().refresh({ ifOlder: 60 })))
    expect(stage.server.requests).toBe(1)
  })

  it('refresh fails when the server does, however good the token is', async () => {
    stage.server.answers(DOWN)
    await expect(stage.guard().refresh()).rejects.toThrow(ServerUnavailable)
  })

  it('refresh is not kept from asking by our own back-off', async () => {
    stage.pass(DUE).store.put(tokenSet({ backoffUntil: stage.at.now + 30, failures: 1 }))
    stage.server.answers(NEXT)
    expect(await stage.guard().refresh()).toMatchObject({ renewed: true })
  })

  it('refresh needs a token set', async () => {
    stage.store.put(undefined)
    await expect(stage.guard().refresh()).rejects.toThrow(LoginRequired)
  })
})

describe('an answer that outlived its store', () => {
  const { fingerprint } = seed().pair.refreshToken

  it('an answer that outlived its store is taken up by the seed whose token it had spent, and nothing is spent again', async () => {
    stage.store
      .put(undefined)
      .leave({ generation: 4, attempt: 9, spent: fingerprint, answer: raw(granted('access-5', 'refresh-5')) })
    const guard = stage.guard({ seed: () => Promise.resolve(seed()) })
    expect(value(await guard.token())).toBe('access-5')
    expect(stage.server.requests).toBe(0)
    expect(await stage.stored()).toMatchObject({ generation: 5, seed: fingerprint })
    expect(stage.store.rescued).toEqual([])
  })

  it('an answer that outlived its store stays where it is when the seed is another', async () => {
    stage.store.put(undefined).leave({
      generation: 4,
      attempt: 9,
      spent: 'of another',
      answer: raw(granted('access-5', 'refresh-5')),
    })
    const guard = stage.guard({ seed: () => Promise.resolve(seed()) })
    expect(value(await guard.token())).toBe('access-1')
    expect(stage.store.rescued).toHaveLength(1)
  })
})

describe('what is said about a renewal', () => {
  const A_YEAR_BACK = new Date((ISSUED - 31_536_000) * 1000).toUTCString()

  it('what there is to say about a renewal is said when the lock is free, and not before: who hears it may take his time', async () => {
    stage.pass(EXPIRED)
    stage.server.answers({ ...NEXT, date: A_YEAR_BACK })
    const heard: unknown[] = []
    const guard = stage.guard({
      notify: ({ message }) => heard.push([message, stage.store.isHeld]),
    })
    expect(value(await guard.token())).toBe('access-2')
    expect(heard).toEqual([[expect.stringContaining('clock is'), false]])
  })

  it('what there is to say about a renewal costs no caller a token where whoever hears it fails', async () => {
    stage.pass(EXPIRED)
    stage.server.answers({ ...NEXT, date: A_YEAR_BACK })
    const heard: string[] = []
    const guard = stage.guard({
      notify: ({ message }) => {
        heard.push(message)
        throw new Error('the log is closed')
      },
    })
    expect(value(await guard.token())).toBe('access-2')
    expect(heard).toEqual([expect.stringContaining('clock is')])
  })

  it('what there is to say about a renewal is said also where the renewal fails', async () => {
    stage.pass(EXPIRED)
    stage.store.keepsFail = from(1)
    stage.server.answers(garbage(), garbage(), garbage(), garbage())
    const heard: unknown[] = []
    const guard = stage.guard({
      notify: ({ message }) => heard.push([message, stage.store.isHeld]),
    })
    await expect(guard.token()).rejects.toThrow(OutcomeUnknown)
    expect(heard).toEqual([[expect.stringContaining('could be written neither to the rescue file'), false]])
  })

  it('what is said about a renewal by others meanwhile waits too', async () => {
    stage.pass(EXPIRED)
    stage.server.answers(slowly(NEXT))
    const heard: unknown[] = []
    const guard = stage.guard({
      notify: ({ message }) => heard.push([message, stage.store.isHeld]),
    })
    const tokens = SIXTY.map((nth) => guard.token({ minValid: 90_000 + nth }))
    await Promise.all(tokens)
    expect(heard).toHaveLength(SIXTY.length)
    expect(new Set(heard.map((one) => (one as unknown[])[1]))).toEqual(new Set([false]))
  })
})
