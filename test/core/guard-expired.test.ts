import { beforeEach, describe, expect, it } from 'vitest'
import {
  ClientRefused,
  LockTimeout,
  LoginRequired,
  OutcomeUnknown,
  ServerUnavailable,
  StoreUnusable,
} from '../../src/core/errors.js'
import { Secret } from '../../src/core/secret.js'
import {
  garbage,
  granted,
  invalidClient,
  invalidGrant,
  raw,
  silence,
  status,
  type Said,
} from '../support/fake-server.js'
import { at } from '../support/memory-store.js'
import { GRANT, ISSUED, moment, pair, tokenSet } from '../support/token-sets.js'
import { DUE, EXPIRED } from './stage.js'
import { DOWN, fates, holdTheLock, NEXT, rotating, SIXTY, slowly, stage, value } from './guard-stage.js'

describe('an expired token', () => {
  beforeEach(() => {
    stage.pass(EXPIRED)
  })

  it('an expired token is renewed', async () => {
    stage.server.answers(NEXT)
    const token = await stage.guard().token()
    expect([value(token), token.expiresAt]).toEqual(['access-2', ISSUED + EXPIRED + 3600])
  })

  it.each<[string, Said[], new (message: string) => Error]>([
    ['the server is down', [DOWN], ServerUnavailable],
    ['the server is silent', [silence(), silence(), silence(), silence()], OutcomeUnknown],
    ['the server asks to wait', [status(429, '60')], ServerUnavailable],
    ['the server refuses the client', [invalidClient()], ClientRefused],
    ['the server refuses the refresh token', [invalidGrant()], LoginRequired],
  ])('an expired token is never served when %s', async (_what, said, thrown) => {
    stage.server.answers(...said)
    await expect(stage.guard().token()).rejects.toThrow(thrown)
  })

  it('an expired token is not served in its last minute either', async () => {
    stage.pass(-30).server.answers(DOWN)
    await expect(stage.guard().token()).rejects.toThrow(ServerUnavailable)
  })

  it('an expired token does not ask a server that asked to wait, until then', async () => {
    stage.server.answers(status(429, '60'))
    await expect(stage.guard().token()).rejects.toThrow(ServerUnavailable)
    stage.pass(59)
    await expect(stage.guard().token()).rejects.toThrow('not to be called before 2027-01-15T09:01:00Z')
    await expect(stage.guard().refresh()).rejects.toThrow(ServerUnavailable)
    expect(stage.server.requests).toBe(1)
    stage.pass(1).server.answers(NEXT)
    expect(value(await stage.guard().token())).toBe('access-2')
  })

  it('an expired token asks again at the next call when the server was down: nobody said to wait', async () => {
    stage.server.answers(DOWN, NEXT)
    await expect(stage.guard().token()).rejects.toThrow(ServerUnavailable)
    expect(value(await stage.guard().token())).toBe('access-2')
  })

  it('an expired token is waited for until lock_wait, and no longer', async () => {
    const letGo = holdTheLock()
    await expect(stage.guard({ lockWait: 0.05 }).token()).rejects.toThrow(LockTimeout)
    letGo()
    expect(stage.server.requests).toBe(0)
  })

  it.each(['token', 'refresh'] as const)('60 callers of %s in one process: one request', async (method) => {
    stage.server.answers(rotating)
    const guard = stage.guard()
    await Promise.all(SIXTY.map(() => guard[method]()))
    expect([stage.server.requests, stage.store.locks]).toEqual([1, 1])
    expect((await stage.stored()).pair.accessToken.reveal()).toBe('access-2')
  })

  it('60 processes: one request', async () => {
    stage.server.answers(rotating)
    expect(await fates(SIXTY.map(() => stage.guard().token()))).toEqual(new Set(['access-2']))
    expect(stage.server.requests).toBe(1)
  })

  it('a waiter is content with what another renewed, and needs no lock for it', async () => {
    stage.server.answers(rotating)
    await Promise.all([stage.guard().token(), stage.guard().token()])
    expect(stage.store.locks).toBe(1)
  })

  it('an expired token looks again under the lock: what another has renewed is not renewed again', async () => {
    stage.server.answers(rotating)
    stage.store.beforeLock = async () => {
      stage.store.beforeLock = () => Promise.resolve()
      await stage.guard().token()
    }
    expect(value(await stage.guard().token())).toBe('access-2')
    expect([stage.server.requests, stage.store.locks]).toEqual([1, 2])
  })

  it.each([
    ['good enough, if due', {}, 'access-2', 0],
    ['too short for what is asked', { minValid: 1000 }, 'access-3', 1],
  ])(
    'an expired token looks again under the lock: what another has renewed is %s',
    async (_what, ask, token, requests) => {
      stage.server.answers(granted('access-3', 'refresh-3'))
      stage.store.beforeLock = () => {
        const obtained = moment(stage.at.now - DUE)
        stage.store.put(
          tokenSet({ generation: 2, pair: pair({ accessToken: new Secret('access-2'), obtained }) }),
        )
        return Promise.resolve()
      }
      expect(value(await stage.guard().token(ask))).toBe(token)
      expect(stage.server.requests).toBe(requests)
    },
  )

  it.each([
    ['down', DOWN, 'ServerUnavailable'],
    ['refusing the refresh token', invalidGrant(), 'LoginRequired'],
    ['refusing the client', invalidClient(), 'ClientRefused'],
    ['overrun', status(429), 'ServerUnavailable'],
  ])('60 processes and a server that is %s: one request, one fate', async (_how, said, name) => {
    stage.server.answers(slowly(said))
    expect(await fates(SIXTY.map(() => stage.guard().token()))).toEqual(new Set([name]))
    expect(stage.server.requests).toBe(1)
  })

  it('60 callers in one process and a server that is down: one request, one fate', async () => {
    stage.server.answers(slowly(DOWN))
    const guard = stage.guard()
    expect(await fates(SIXTY.map(() => guard.token()))).toEqual(new Set(['ServerUnavailable']))
    expect([stage.server.requests, stage.store.locks]).toEqual([1, 1])
  })

  it('a failure that others met says what to do, as one’s own does', async () => {
    stage.server.answers(slowly(invalidClient()))
    const settled = await Promise.allSettled([stage.guard().token(), stage.guard().token()])
    for (const one of settled)
      expect(one).toMatchObject({ reason: { hint: expect.stringContaining('client_secret') as string } })
  })

  it('an older failure is nobody’s: who comes later asks', async () => {
    stage.store.put(tokenSet({ failures: 3, lastFailure: { at: ISSUED, code: 'HQ_X', message: 'old' } }))
    stage.server.answers(NEXT)
    expect(value(await stage.guard().token())).toBe('access-2')
  })

  it('one who needs it does not fail with one who only tried', async () => {
    stage.pass(DUE - EXPIRED).server.answers(slowly(DOWN))
    const guard = stage.guard()
    const tried = guard.token()
    const needed = guard.token({ minValid: 1000 })
    expect(value(await tried)).toBe('access-1')
    await expect(needed).rejects.toThrow(ServerUnavailable)
    stage.server.answers(NEXT)
    expect(value(await guard.token({ minValid: 1000 }))).toBe('access-2')
  })

  it('the process can go on after a failure', async () => {
    const guard = stage.guard()
    stage.server.answers(DOWN, NEXT)
    await expect(guard.token()).rejects.toThrow(ServerUnavailable)
    expect(value(await guard.token())).toBe('access-2')
  })

  describe('and an answer of long ago that a process left', () => {
    beforeEach(() => {
      const answer = raw(NEXT, moment(ISSUED + 10))
      const spent = new Secret('refresh-1').fingerprint
      stage.store
        .put(tokenSet({ intent: { attempt: 2, at: ISSUED, boot: 'boot-1', salvaged: null, client: null } }))
        .leave({ generation: 1, attempt: 2, spent, grant: GRANT, answer })
      stage.pass(36_000)
    })

    it('an answer of long ago that a process left is never handed out: the refresh token in it is spent in turn', async () => {
      stage.server.answers(granted('access-3', 'refresh-3'))
      const token = await stage.guard().token()
      expect(stage.server.sent).toEqual(['refresh-2'])
      expect([value(token), token.expiresAt > stage.at.now]).toEqual(['access-3', true])
    })

    it('an answer of long ago that a process left leaves no doubt behind once it is saved', async () => {
      stage.server.answers(status(503))
      await expect(stage.guard().token()).rejects.toThrow(ServerUnavailable)
      expect(await stage.stored()).toMatchObject({ generation: 2, intent: null })
      stage.server.answers(invalidGrant())
      await expect(stage.guard().token()).rejects.not.toThrow('had been lost')
    })

    it('cannot be saved: nothing is asked, for the stored refresh token is spent', async () => {
      stage.store.savesFail = at(1)
      await expect(stage.guard().token()).rejects.toThrow(StoreUnusable)
      expect(stage.server.sent).toEqual([])
      expect(stage.store.rescued).toHaveLength(1)
    })
  })

  it('signals are held back from the intent to the save', async () => {
    let inside = false
    stage.server.answers(() => {
      expect(inside).toBe(true)
      return NEXT
    })
    await stage
      .guard({
        uninterrupted: async (section) => {
          expect(stage.log).not.toContain('save unfinished')
          inside = true
          const outcome = await section()
          inside = false
          expect(stage.log).toContain('drop')
          return outcome
        },
      })
      .token()
    expect.assertions(3)
  })
})

describe('an exchange of an unknown end', () => {
  it('an exchange of an unknown end leaves the token due: the next call brings it to its end', async () => {
    stage.server.answers(silence(), silence(), silence(), silence())
    await expect(stage.guard().refresh()).rejects.toThrow(OutcomeUnknown)
    stage.pass(30).server.answers(NEXT)
    expect(value(await stage.guard().token())).toBe('access-2')
  })

  it('an exchange of an unknown end is brought to its end at once when the process died in it', async () => {
    const intent = { attempt: 2, at: ISSUED, boot: 'boot-1', salvaged: null, client: null }
    stage.store.put(tokenSet({ intent }))
    stage.server.answers(NEXT)
    expect(value(await stage.guard().token())).toBe('access-2')
    expect(stage.server.sent).toEqual(['refresh-1'])
  })

  it('an exchange of an unknown end with answers that nobody can read asks once', async () => {
    stage.pass(DUE).server.answers(() => garbage())
    for (let i = 0; i < 5; i++) expect(value(await stage.guard().token())).toBe('access-1')
    expect(stage.server.requests).toBe(1)
  })
})

describe('a store that cannot be read', () => {
  it('a store that cannot be read is told as it is, with nothing asked', async () => {
    stage.store.read = () => Promise.reject(new StoreUnusable('damaged'))
    await expect(stage.guard().token()).rejects.toThrow('damaged')
    expect(stage.server.requests).toBe(0)
  })

  it('a store that vanished before the lock was had asks for a person', async () => {
    stage.pass(EXPIRED)
    stage.store.beforeLock = () => {
      stage.store.put(undefined)
      return Promise.resolve()
    }
    await expect(stage.guard().token()).rejects.toThrow('there is no token set')
  })
})
