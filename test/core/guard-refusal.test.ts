import { describe, expect, it } from 'vitest'
import { LoginRequired, ServerUnavailable } from '../../src/core/errors.js'
import type { TokenGuard } from '../../src/core/guard.js'
import { Secret } from '../../src/core/secret.js'
import type { TokenSet } from '../../src/core/token-set.js'
import { granted, invalidGrant } from '../support/fake-server.js'
import { from } from '../support/memory-store.js'
import { ISSUED, pair, tokenSet } from '../support/token-sets.js'
import { DUE, EXPIRED, FRESH, Stage } from './stage.js'
import { DOWN, fates, NEXT, rejected, rotating, SIXTY, slowly, stage, value } from './guard-stage.js'

describe('a set that the server has refused', () => {
  const refusedAt = (instant: number, changes: Partial<TokenSet> = {}): TokenSet =>
    tokenSet({
      ...{ refusedAt: instant, failures: 1 },
      lastFailure: { at: instant, code: 'HQ_LOGIN_REQUIRED', message: 'refused (invalid_grant)' },
      ...changes,
    })

  it.each([
    ['fresh', FRESH],
    ['due', DUE],
  ])(
    'a set that the server has refused is served while its access token is %s, with a warning each time',
    async (_verdict, age) => {
      stage.pass(age).store.put(refusedAt(stage.at.now))
      for (const guard of [stage.guard(), stage.guard()]) expect(value(await guard.token())).toBe('access-1')
      expect(stage.server.requests).toBe(0)
      expect(stage.warnings).toHaveLength(2)
      expect(stage.warnings[0]).toContain('good until 2027-01-15T09:00:00Z, then a person must log in')
    },
  )

  it.each<[string, number, (guard: TokenGuard) => Promise<unknown>]>([
    ['expired', EXPIRED, (guard) => guard.token()],
    ['refused by the API', FRESH, (guard) => guard.token({ rejected })],
    ['too short', DUE, (guard) => guard.token({ minValid: 1000 })],
    ['kept alive by schedule', FRESH, (guard) => guard.refresh({ ifOlder: 60 })],
  ])(
    'a set that the server has refused needs a person at once when its access token is %s',
    async (_what, age, call) => {
      stage.pass(age).store.put(refusedAt(stage.at.now - 3599))
      await expect(call(stage.guard())).rejects.toThrow(LoginRequired)
      expect([stage.server.requests, stage.log]).toEqual([0, []])
    },
  )

  it('a set that the server has refused says why, and what to do', async () => {
    stage.pass(EXPIRED).store.put(refusedAt(stage.at.now))
    await expect(stage.guard().token()).rejects.toMatchObject({
      message: expect.stringContaining('refused') as string,
      hint: expect.stringContaining('hq-token seed FILE') as string,
    })
  })

  it('a set that the server has refused is asked for again once an hour, and no more', async () => {
    stage.pass(EXPIRED).store.put(refusedAt(stage.at.now))
    stage.server.answers(() => invalidGrant())
    for (let minute = 0; minute < 180; minute++) {
      await expect(stage.guard().token()).rejects.toThrow(LoginRequired)
      stage.pass(60)
    }
    expect(stage.server.requests).toBe(2)
  })

  it('a set that the server has refused is asked for again once an hour also while it is still served', async () => {
    stage.pass(1200).store.put(refusedAt(ISSUED + 1200, { pair: pair({ lifetime: 20_000 }) }))
    stage.server.answers(() => invalidGrant())
    stage.pass(16_000)
    for (let minute = 0; minute < 40; minute++) {
      expect(value(await stage.guard().token())).toBe('access-1')
      stage.pass(60)
    }
    expect(stage.server.requests).toBe(1)
  })

  it('a set that the server has refused is alive again when the server gives in', async () => {
    stage.pass(EXPIRED).store.put(refusedAt(stage.at.now - 3600))
    stage.server.answers(NEXT)
    expect(value(await stage.guard().token())).toBe('access-2')
    expect((await stage.stored()).refusedAt).toBeNull()
  })

  it('a set that the server has refused is asked for at once when a person insists', async () => {
    stage.store.put(refusedAt(stage.at.now))
    stage.server.answers(NEXT)
    expect(await stage.guard().refresh()).toMatchObject({ renewed: true })
  })

  it('a set that the server has refused is asked for when a person insists, also while a script is being turned away', async () => {
    stage.pass(EXPIRED).store.put(refusedAt(stage.at.now))
    stage.server.answers(NEXT)
    const guard = stage.guard()
    const [script, person] = await Promise.allSettled([guard.token(), guard.refresh()])
    expect([script.status, person.status]).toEqual(['rejected', 'fulfilled'])
  })

  it('a set that the server has refused says why it was refused, not what failed since', async () => {
    stage.pass(EXPIRED).store.put(refusedAt(stage.at.now))
    stage.server.answers(DOWN)
    await expect(stage.guard().refresh()).rejects.toThrow(ServerUnavailable)
    await expect(stage.guard().token()).rejects.toThrow('refused the refresh token')
  })
})

describe('an access token that the API refused', () => {
  it('an access token that the API refused is renewed when the store still holds it', async () => {
    stage.server.answers(NEXT)
    expect(value(await stage.guard().token({ rejected }))).toBe('access-2')
  })

  it('an access token that the API refused is left alone when the store holds another already', async () => {
    stage.store.put(tokenSet({ pair: pair({ accessToken: new Secret('access-5') }) }))
    expect(value(await stage.guard().token({ rejected }))).toBe('access-5')
    expect([stage.server.requests, stage.store.locks]).toEqual([0, 0])
  })

  it('an access token that the API refused is not served again when the renewal fails, however long it would live', async () => {
    stage.server.answers(DOWN)
    await expect(stage.guard().token({ rejected })).rejects.toThrow(ServerUnavailable)
  })

  it.each<[string, () => () => TokenGuard]>([
    [
      'one process',
      () => {
        const guard = stage.guard()
        return () => guard
      },
    ],
    ['20 processes', () => () => stage.guard()],
  ])(
    'an access token that the API refused is refused to 20 callers of %s: one request',
    async (_where, guards) => {
      stage.server.answers(rotating)
      const guard = guards()
      const callers = SIXTY.slice(0, 20).map(() => guard().token({ rejected }))
      expect(await fates(callers)).toEqual(new Set(['access-2']))
      expect(stage.server.requests).toBe(1)
    },
  )

  // Some servers answer a refresh with the access token that they issued before, while it lives.
  it.each<[string, () => () => TokenGuard]>([
    [
      'one process',
      () => {
        const guard = stage.guard()
        return () => guard
      },
    ],
    ['20 processes', () => () => stage.guard()],
  ])(
    'an access token that the API refused comes again from the server, to 20 callers of %s: one request',
    async (_where, guards) => {
      stage.server.answers(async () => slowly(granted('access-1', `refresh-${stage.server.requests + 1}`))())
      const guard = guards()
      await Promise.allSettled(SIXTY.slice(0, 20).map(() => guard().token({ rejected })))
      expect(stage.server.requests).toBe(1)
    },
  )
})

describe('an access token that the API refuses for good', () => {
  const HOUR = 3600
  const answering = (stage: Stage): Stage => {
    stage.server.answers(() => {
      const nth = stage.server.requests + 1
      return granted(`access-${nth}`, `refresh-${nth}`, { expiresIn: 30 * HOUR })
    })
    return stage
  }
  const refuse = async (stage: Stage, token: string): Promise<string> =>
    value(await stage.guard().token({ rejected: new Secret(token) }))

  it('an access token that the API refuses for good costs one refresh an hour, whatever the number of calls and processes', async () => {
    const stage = answering(new Stage())
    expect(await refuse(stage, 'access-1')).toBe('access-2')
    for (let call = 0; call < 20; call++) expect(await refuse(stage.pass(60), 'access-2')).toBe('access-2')
    expect(stage.server.requests).toBe(1)
    expect(stage.warnings.at(-1)).toMatch(/does not help; .* at 2027-01-15T09:00:00Z/)
    expect(await refuse(stage.pass(HOUR), 'access-2')).toBe('access-3')
    expect(stage.server.requests).toBe(2)
  })

  it('an access token that the API refuses for good is renewed again at once where the API took the one that came of it', async () => {
    const stage = answering(new Stage())
    expect(await refuse(stage, 'access-1')).toBe('access-2')
    await stage.guard().accepted(new Secret('access-1'))
    expect(await refuse(stage.pass(60), 'access-2')).toBe('access-2')
    await stage.guard().accepted(new Secret('access-2'))
    expect(await refuse(stage.pass(60), 'access-2')).toBe('access-3')
  })

  it('an access token that the API refuses for good is renewed when a person says refresh, and when its time comes', async () => {
    const stage = answering(new Stage())
    await refuse(stage, 'access-1')
    await stage.guard().refresh()
    expect(await refuse(stage, 'access-3')).toBe('access-3')
    stage.pass(30 * HOUR)
    expect(value(await stage.guard().token())).toBe('access-4')
    expect(await refuse(stage, 'access-4')).toBe('access-5')
  })

  it('an access token that the API refuses for good that was over anyway says nothing about refusals', async () => {
    const stage = answering(new Stage()).pass(EXPIRED)
    expect(await refuse(stage, 'access-1')).toBe('access-2')
    expect((await stage.stored()).rejectedAt).toBeNull()
  })

  it('an access token that the API refuses for good does not make `accepted` fail where the store cannot be written', async () => {
    const stage = answering(new Stage())
    await refuse(stage, 'access-1')
    stage.store.savesFail = from(1)
    await expect(stage.guard().accepted(new Secret('access-2'))).resolves.toBeUndefined()
  })
})
