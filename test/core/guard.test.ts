import { beforeEach, describe, expect, it } from 'vitest'
import { ConfigInvalid, LoginRequired, ServerUnavailable } from '../../src/core/errors.js'
import { expiryPolicy } from '../../src/core/policy.js'
import { Secret } from '../../src/core/secret.js'
import { granted, invalidClient, invalidGrant, silence, status, type Said } from '../support/fake-server.js'
import { from } from '../support/memory-store.js'
import { ISSUED, pair, seed, tokenSet } from '../support/token-sets.js'
import { DUE, EXPIRED, FRESH } from './stage.js'
import {
  DOWN,
  fates,
  holdTheLock,
  NEXT,
  rejected,
  rotating,
  SIXTY,
  slowly,
  stage,
  value,
} from './guard-stage.js'

describe('a fresh token', () => {
  it('a fresh token is handed out with no lock, no request and no event', async () => {
    stage.pass(FRESH)
    const token = await stage.guard().token()
    expect([value(token), token.tokenType, token.expiresAt]).toEqual(['access-1', 'Bearer', ISSUED + 3600])
    expect([stage.store.locks, stage.log, stage.notices]).toEqual([0, [], []])
  })

  it('a fresh token is not handed out when it is of a type that nothing here can use', async () => {
    stage.store.put(tokenSet({ pair: pair({ tokenType: 'DPoP' }) }))
    await expect(stage.guard().token()).rejects.toThrow(ConfigInvalid)
  })

  it.each(['bearer', 'BEARER', 'Bearer'])(
    'a fresh token is handed out when its type is written %s',
    async (tokenType) => {
      stage.store.put(tokenSet({ pair: pair({ tokenType }) }))
      expect((await stage.guard().token()).tokenType).toBe('Bearer')
    },
  )
})

describe('in a long process', () => {
  it('a fresh token is looked for once a second, whoever asks', async () => {
    const guard = stage.pass(FRESH).guard()
    const tokens = await Promise.all(SIXTY.map(async () => value(await guard.token())))
    for (let call = 0; call < 100; call++) tokens.push(value(await guard.token()))
    expect(new Set(tokens)).toEqual(new Set(['access-1']))
    expect(stage.store.reads).toBe(1)
    stage.pass(1)
    await guard.token()
    expect(stage.store.reads).toBe(2)
  })

  it('what another process has renewed is noticed in the next second', async () => {
    const guard = stage.pass(FRESH).guard()
    expect(value(await guard.token())).toBe('access-1')
    stage.server.answers(NEXT)
    await stage.guard().refresh()
    expect(value(await guard.token())).toBe('access-1')
    stage.pass(1)
    expect(value(await guard.token())).toBe('access-2')
  })

  it('what was refused, here or elsewhere, is noticed at once where it is reported, and in the next second', async () => {
    const guard = stage.pass(FRESH).guard()
    await guard.token()
    stage.server.answers(NEXT)
    expect(value(await guard.token({ rejected }))).toBe('access-2')
    expect(value(await guard.token())).toBe('access-2')

    const elsewhere = stage.pass(1).guard()
    await guard.token()
    stage.server.answers(invalidGrant())
    await expect(elsewhere.refresh()).rejects.toThrow(LoginRequired)
    stage.pass(1)
    stage.notices.length = 0
    await guard.token()
    expect(stage.warnings).toEqual([expect.stringContaining('has refused the refresh token')])
  })

  it('what this process has renewed or taken over is noticed at once', async () => {
    const guard = stage.pass(FRESH).guard()
    await guard.token()
    stage.server.answers(NEXT)
    await guard.refresh()
    expect(value(await guard.token())).toBe('access-2')
    await guard.adopt(seed({ accessToken: new Secret('access-9'), obtained: stage.at }), { force: true })
    expect(value(await guard.token())).toBe('access-9')
  })

  it('a caller in a long process who asks for more life is judged by what he asks for', async () => {
    const guard = stage.pass(FRESH).guard()
    await guard.token()
    stage.server.answers(NEXT)
    expect(value(await guard.token({ minValid: 3500 }))).toBe('access-2')
    expect(value(await guard.token())).toBe('access-2')
  })

  it('a clock that goes back or stands still makes no token immortal', async () => {
    const guard = stage.pass(FRESH).guard()
    await guard.token()
    stage.pass(-1)
    await guard.token()
    expect(stage.store.reads).toBe(2)
  })
})

describe('a due token', () => {
  beforeEach(() => {
    stage.pass(DUE)
  })

  it('a due token is renewed', async () => {
    stage.server.answers(NEXT)
    expect(value(await stage.guard().token())).toBe('access-2')
    expect(stage.notices).toEqual([])
  })

  it('a due token is served at once and without a word when another process is renewing', async () => {
    const letGo = holdTheLock()
    const began = performance.now()
    expect(value(await stage.guard({ lockWait: 60 }).token())).toBe('access-1')
    expect(performance.now() - began).toBeLessThan(10_000)
    expect([stage.server.requests, stage.notices]).toEqual([0, []])
    letGo()
  })

  it('a due token is served at once to the other callers of the process while one renews it', async () => {
    stage.server.answers(slowly(NEXT))
    let reached = 0
    stage.store.beforeLock = () => {
      reached++
      return Promise.resolve()
    }
    const guard = stage.guard()
    const [first, ...others] = await Promise.all(SIXTY.map(() => guard.token()))
    expect(first && value(first)).toBe('access-2')
    expect(new Set(others.map(value))).toEqual(new Set(['access-1']))
    expect([stage.server.requests, reached]).toEqual([1, 1])
  })

  it.each<[string, Said[], RegExp]>([
    ['the server is down', [DOWN], /ECONNREFUSED/],
    ['the server is silent', [silence(), silence(), silence(), silence()], /no usable answer/],
    ['the server says no more than 503', [status(503)], /503/],
    ['the server refuses the client', [invalidClient()], /invalid_client/],
    ['the server refuses the refresh token', [invalidGrant()], /invalid_grant/],
  ])('a due token is served with a warning when %s', async (_what, said, says) => {
    stage.server.answers(...said)
    expect(value(await stage.guard().token())).toBe('access-1')
    expect(stage.notices).toMatchObject([
      {
        level: 'warning',
        message: expect.stringMatching(says) as string,
        hint: expect.any(String) as string,
      },
    ])
    expect(stage.warnings[0]).toContain('is still good and is served')
  })

  it('a due token is served with a warning when the store cannot be written, and nothing is asked', async () => {
    stage.store.savesFail = from(1)
    expect(value(await stage.guard().token())).toBe('access-1')
    expect(stage.warnings).toEqual([expect.stringContaining('the disk is full')])
    expect(stage.server.requests).toBe(0)
  })

  it('a due token is served with a warning when the client’s secret cannot be had', async () => {
    stage.server.preparation = () => Promise.reject(new ConfigInvalid('no secret'))
    expect(value(await stage.guard().token())).toBe('access-1')
    expect(stage.warnings).toEqual([expect.stringContaining('no secret')])
  })

  it('a due token is not served in silence over a bug', async () => {
    stage.server.preparation = () => Promise.reject(new TypeError('a bug'))
    await expect(stage.guard().token()).rejects.toThrow(TypeError)
  })

  it('a due token rests after a failure, for all processes, and is tried again then', async () => {
    stage.server.answers(DOWN)
    await stage.guard().token()
    stage.pass(29)
    for (const one of [stage.guard(), stage.guard()]) expect(value(await one.token())).toBe('access-1')
    expect([stage.server.requests, stage.store.locks]).toEqual([1, 1])
    stage.pass(1).server.answers(NEXT)
    expect(value(await stage.guard().token())).toBe('access-2')
  })

  it('a due token is served until the server wants to be called again, and no longer', async () => {
    stage.server.answers(status(429, '100'), granted('access-2', 'refresh-2'))
    await stage.guard().token()
    stage.pass(99)
    expect(value(await stage.guard().token())).toBe('access-1')
    expect(stage.server.requests).toBe(1)
    stage.pass(1)
    expect(value(await stage.guard().token())).toBe('access-2')
  })

  it('a due token is not served when it ended during the attempt', async () => {
    stage.server.answers(() => {
      stage.pass(EXPIRED - DUE)
      return DOWN
    })
    await expect(stage.guard().token()).rejects.toThrow(ServerUnavailable)
  })

  it('a due token looks again under the lock: what another has renewed is not renewed again', async () => {
    stage.server.answers(rotating)
    stage.store.beforeLock = async () => {
      stage.store.beforeLock = () => Promise.resolve()
      await stage.guard().token()
    }
    expect(value(await stage.guard().token())).toBe('access-2')
    expect(stage.server.requests).toBe(1)
  })

  it('a due token looks again under the lock: what another has failed at rests', async () => {
    stage.server.answers(DOWN)
    stage.store.beforeLock = async () => {
      stage.store.beforeLock = () => Promise.resolve()
      await stage.guard().token()
    }
    expect(value(await stage.guard().token())).toBe('access-1')
    expect(stage.server.requests).toBe(1)
    // The other one has said it.
    expect(stage.warnings).toHaveLength(1)
  })

  it('a due token is not enough for one who needs more, whoever else is content with it', async () => {
    stage.server.answers(DOWN)
    stage.store.beforeLock = async () => {
      stage.store.beforeLock = () => Promise.resolve()
      await stage.guard().token()
    }
    const guard = stage.guard()
    const [content, needy] = await Promise.allSettled([guard.token(), guard.token({ minValid: 1000 })])
    expect([content.status, needy.status]).toEqual(['fulfilled', 'rejected'])
    expect(stage.server.requests).toBe(1)
  })
})

describe('asked for more life than the server issues', () => {
  const ask = { minValid: 7200 }

  it('the newest token, a warning, and no second refresh in the first tenth of its life', async () => {
    stage.pass(FRESH).server.answers(NEXT)
    for (let i = 0; i < 3; i++) expect(value(await stage.guard().token(ask))).toBe('access-2')
    stage.pass(360)
    expect(value(await stage.guard().token(ask))).toBe('access-2')
    expect(stage.server.requests).toBe(1)
    expect(stage.warnings).toHaveLength(4)
    expect(stage.warnings[0]).toBe(
      'the newest token that the server issues has 3600 s left, less than the 7200 s asked for',
    )
  })

  it('a caller who has asked for more life than the server issues renews the token after that', async () => {
    stage.server.answers(NEXT)
    expect(value(await stage.guard().token(ask))).toBe('access-1')
    stage.pass(361)
    expect(value(await stage.guard().token(ask))).toBe('access-2')
  })

  it('60 processes: one request', async () => {
    stage.pass(FRESH).server.answers(rotating)
    expect(await fates(SIXTY.map(() => stage.guard().token(ask)))).toEqual(new Set(['access-2']))
    expect(stage.server.requests).toBe(1)
  })

  it('a min_valid beyond the lifetime hammers nobody either', async () => {
    const policy = expiryPolicy({ percent: 10 }, 7200)
    stage.pass(FRESH).server.answers(NEXT)
    for (let i = 0; i < 3; i++) expect(value(await stage.guard({ policy }).token())).toBe('access-2')
    expect(stage.server.requests).toBe(1)
  })
})
