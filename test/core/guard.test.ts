import { beforeEach, describe, expect, it } from 'vitest'
import {
  ClientRefused,
  ConfigInvalid,
  LockTimeout,
  LoginRequired,
  OutcomeUnknown,
  SeedInvalid,
  ServerUnavailable,
  StoreUnusable,
} from '../../src/core/errors.js'
import type { TokenGuard } from '../../src/core/guard.js'
import type { AccessToken } from '../../src/core/guard-options.js'
import { expiryPolicy } from '../../src/core/policy.js'
import { Secret } from '../../src/core/secret.js'
import type { Seed, TokenSet } from '../../src/core/token-set.js'
import {
  garbage,
  granted,
  invalidClient,
  invalidGrant,
  notSent,
  raw,
  silence,
  status,
  type Said,
} from '../support/fake-server.js'
import { at, from } from '../support/memory-store.js'
import { GRANT, ISSUED, moment, pair, seed, tokenSet } from '../support/token-sets.js'
import { DUE, EXPIRED, FRESH, Stage } from './stage.js'

let stage: Stage

beforeEach(() => {
  stage = new Stage()
})

const SIXTY = Array.from({ length: 60 }, (_, index) => index)
const DOWN = notSent('ECONNREFUSED')
const NEXT = granted('access-2', 'refresh-2')
const value = ({ secret }: AccessToken): string => secret.reveal()
const rejected = new Secret('access-1')

/** Answers that take a moment, so that everybody comes meanwhile. */
const slowly = (said: Said) => async (): Promise<Said> => {
  await new Promise((resolve) => setTimeout(resolve, 15))
  return said
}
/** Answers the n-th request with a new pair of its number, as a rotating server does. */
const rotating = async (): Promise<Said> =>
  slowly(granted(`access-${stage.server.requests + 1}`, `refresh-${stage.server.requests + 1}`))()

/** What became of every caller, by the name of the error or the token. */
async function fates(callers: Promise<AccessToken>[]): Promise<Set<string>> {
  const settled = await Promise.allSettled(callers)
  return new Set(
    settled.map((one) => (one.status === 'fulfilled' ? value(one.value) : (one.reason as Error).name)),
  )
}

/** Another process holds the lock until it is let go. */
function holdTheLock(): () => void {
  let letGo = (): void => undefined
  const held = new Promise<void>((resolve) => (letGo = resolve))
  void stage.store.exclusive(() => held, { waitMs: 0 })
  return letGo
}

describe('a fresh token', () => {
  it('is handed out with no lock, no request and no event', async () => {
    stage.pass(FRESH)
    const token = await stage.guard().token()
    expect([value(token), token.tokenType, token.expiresAt]).toEqual(['access-1', 'Bearer', ISSUED + 3600])
    expect([stage.store.locks, stage.log, stage.notices]).toEqual([0, [], []])
  })

  it('is not handed out when it is of a type that nothing here can use', async () => {
    stage.store.put(tokenSet({ pair: pair({ tokenType: 'DPoP' }) }))
    await expect(stage.guard().token()).rejects.toThrow(ConfigInvalid)
  })

  it.each(['bearer', 'BEARER', 'Bearer'])('is handed out when its type is written %s', async (tokenType) => {
    stage.store.put(tokenSet({ pair: pair({ tokenType }) }))
    expect((await stage.guard().token()).tokenType).toBe('Bearer')
  })
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

  it('who asks for more life is judged by what he asks for', async () => {
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

  it('is renewed', async () => {
    stage.server.answers(NEXT)
    expect(value(await stage.guard().token())).toBe('access-2')
    expect(stage.notices).toEqual([])
  })

  it('is served at once and without a word when another process is renewing', async () => {
    const letGo = holdTheLock()
    const began = performance.now()
    expect(value(await stage.guard({ lockWait: 60 }).token())).toBe('access-1')
    expect(performance.now() - began).toBeLessThan(10_000)
    expect([stage.server.requests, stage.notices]).toEqual([0, []])
    letGo()
  })

  it('is served at once to the other callers of the process while one renews it', async () => {
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
  ])('is served with a warning when %s', async (_what, said, says) => {
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

  it('is served with a warning when the store cannot be written, and nothing is asked', async () => {
    stage.store.savesFail = from(1)
    expect(value(await stage.guard().token())).toBe('access-1')
    expect(stage.warnings).toEqual([expect.stringContaining('the disk is full')])
    expect(stage.server.requests).toBe(0)
  })

  it('is served with a warning when the client’s secret cannot be had', async () => {
    stage.server.preparation = () => Promise.reject(new ConfigInvalid('no secret'))
    expect(value(await stage.guard().token())).toBe('access-1')
    expect(stage.warnings).toEqual([expect.stringContaining('no secret')])
  })

  it('is not served in silence over a bug', async () => {
    stage.server.preparation = () => Promise.reject(new TypeError('a bug'))
    await expect(stage.guard().token()).rejects.toThrow(TypeError)
  })

  it('rests after a failure, for all processes, and is tried again then', async () => {
    stage.server.answers(DOWN)
    await stage.guard().token()
    stage.pass(29)
    for (const one of [stage.guard(), stage.guard()]) expect(value(await one.token())).toBe('access-1')
    expect([stage.server.requests, stage.store.locks]).toEqual([1, 1])
    stage.pass(1).server.answers(NEXT)
    expect(value(await stage.guard().token())).toBe('access-2')
  })

  it('is served until the server wants to be called again, and no longer', async () => {
    stage.server.answers(status(429, '100'), granted('access-2', 'refresh-2'))
    await stage.guard().token()
    stage.pass(99)
    expect(value(await stage.guard().token())).toBe('access-1')
    expect(stage.server.requests).toBe(1)
    stage.pass(1)
    expect(value(await stage.guard().token())).toBe('access-2')
  })

  it('is not served when it ended during the attempt', async () => {
    stage.server.answers(() => {
      stage.pass(EXPIRED - DUE)
      return DOWN
    })
    await expect(stage.guard().token()).rejects.toThrow(ServerUnavailable)
  })

  it('looks again under the lock: what another has renewed is not renewed again', async () => {
    stage.server.answers(rotating)
    stage.store.beforeLock = async () => {
      stage.store.beforeLock = () => Promise.resolve()
      await stage.guard().token()
    }
    expect(value(await stage.guard().token())).toBe('access-2')
    expect(stage.server.requests).toBe(1)
  })

  it('looks again under the lock: what another has failed at rests', async () => {
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

  it('is not enough for one who needs more, whoever else is content with it', async () => {
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

describe('an expired token', () => {
  beforeEach(() => {
    stage.pass(EXPIRED)
  })

  it('is renewed', async () => {
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
  ])('is never served when %s', async (_what, said, thrown) => {
    stage.server.answers(...said)
    await expect(stage.guard().token()).rejects.toThrow(thrown)
  })

  it('is not served in its last minute either', async () => {
    stage.pass(-30).server.answers(DOWN)
    await expect(stage.guard().token()).rejects.toThrow(ServerUnavailable)
  })

  it('does not ask a server that asked to wait, until then', async () => {
    stage.server.answers(status(429, '60'))
    await expect(stage.guard().token()).rejects.toThrow(ServerUnavailable)
    stage.pass(59)
    await expect(stage.guard().token()).rejects.toThrow('not to be called before 2027-01-15T09:01:00Z')
    await expect(stage.guard().refresh()).rejects.toThrow(ServerUnavailable)
    expect(stage.server.requests).toBe(1)
    stage.pass(1).server.answers(NEXT)
    expect(value(await stage.guard().token())).toBe('access-2')
  })

  it('asks again at the next call when the server was down: nobody said to wait', async () => {
    stage.server.answers(DOWN, NEXT)
    await expect(stage.guard().token()).rejects.toThrow(ServerUnavailable)
    expect(value(await stage.guard().token())).toBe('access-2')
  })

  it('is waited for until lock_wait, and no longer', async () => {
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

  it('looks again under the lock: what another has renewed is not renewed again', async () => {
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
  ])('looks again under the lock: what another has renewed is %s', async (_what, ask, token, requests) => {
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
  })

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

    it('is never handed out: the refresh token in it is spent in turn', async () => {
      stage.server.answers(granted('access-3', 'refresh-3'))
      const token = await stage.guard().token()
      expect(stage.server.sent).toEqual(['refresh-2'])
      expect([value(token), token.expiresAt > stage.at.now]).toEqual(['access-3', true])
    })

    it('leaves no doubt behind once it is saved', async () => {
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
          expect(stage.log).toContain('scrub')
          return outcome
        },
      })
      .token()
    expect.assertions(3)
  })
})

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
  ])('is served while its access token is %s, with a warning each time', async (_verdict, age) => {
    stage.pass(age).store.put(refusedAt(stage.at.now))
    for (const guard of [stage.guard(), stage.guard()]) expect(value(await guard.token())).toBe('access-1')
    expect(stage.server.requests).toBe(0)
    expect(stage.warnings).toHaveLength(2)
    expect(stage.warnings[0]).toContain('good until 2027-01-15T09:00:00Z, then a person must log in')
  })

  it.each<[string, number, (guard: TokenGuard) => Promise<unknown>]>([
    ['expired', EXPIRED, (guard) => guard.token()],
    ['refused by the API', FRESH, (guard) => guard.token({ rejected })],
    ['too short', DUE, (guard) => guard.token({ minValid: 1000 })],
    ['kept alive by schedule', FRESH, (guard) => guard.refresh({ ifOlder: 60 })],
  ])('needs a person at once when its access token is %s', async (_what, age, call) => {
    stage.pass(age).store.put(refusedAt(stage.at.now - 3599))
    await expect(call(stage.guard())).rejects.toThrow(LoginRequired)
    expect([stage.server.requests, stage.log]).toEqual([0, []])
  })

  it('says why, and what to do', async () => {
    stage.pass(EXPIRED).store.put(refusedAt(stage.at.now))
    await expect(stage.guard().token()).rejects.toMatchObject({
      message: expect.stringContaining('refused') as string,
      hint: expect.stringContaining('hq-token seed FILE') as string,
    })
  })

  it('is asked for again once an hour, and no more', async () => {
    stage.pass(EXPIRED).store.put(refusedAt(stage.at.now))
    stage.server.answers(() => invalidGrant())
    for (let minute = 0; minute < 180; minute++) {
      await expect(stage.guard().token()).rejects.toThrow(LoginRequired)
      stage.pass(60)
    }
    expect(stage.server.requests).toBe(2)
  })

  it('is asked for again once an hour also while it is still served', async () => {
    stage.pass(1200).store.put(refusedAt(ISSUED + 1200, { pair: pair({ lifetime: 20_000 }) }))
    stage.server.answers(() => invalidGrant())
    stage.pass(16_000)
    for (let minute = 0; minute < 40; minute++) {
      expect(value(await stage.guard().token())).toBe('access-1')
      stage.pass(60)
    }
    expect(stage.server.requests).toBe(1)
  })

  it('is alive again when the server gives in', async () => {
    stage.pass(EXPIRED).store.put(refusedAt(stage.at.now - 3600))
    stage.server.answers(NEXT)
    expect(value(await stage.guard().token())).toBe('access-2')
    expect((await stage.stored()).refusedAt).toBeNull()
  })

  it('is asked for at once when a person insists', async () => {
    stage.store.put(refusedAt(stage.at.now))
    stage.server.answers(NEXT)
    expect(await stage.guard().refresh()).toMatchObject({ renewed: true })
  })

  it('is asked for when a person insists, also while a script is being turned away', async () => {
    stage.pass(EXPIRED).store.put(refusedAt(stage.at.now))
    stage.server.answers(NEXT)
    const guard = stage.guard()
    const [script, person] = await Promise.allSettled([guard.token(), guard.refresh()])
    expect([script.status, person.status]).toEqual(['rejected', 'fulfilled'])
  })

  it('says why it was refused, not what failed since', async () => {
    stage.pass(EXPIRED).store.put(refusedAt(stage.at.now))
    stage.server.answers(DOWN)
    await expect(stage.guard().refresh()).rejects.toThrow(ServerUnavailable)
    await expect(stage.guard().token()).rejects.toThrow('refused the refresh token')
  })
})

describe('an access token that the API refused', () => {
  it('is renewed when the store still holds it', async () => {
    stage.server.answers(NEXT)
    expect(value(await stage.guard().token({ rejected }))).toBe('access-2')
  })

  it('is left alone when the store holds another already', async () => {
    stage.store.put(tokenSet({ pair: pair({ accessToken: new Secret('access-5') }) }))
    expect(value(await stage.guard().token({ rejected }))).toBe('access-5')
    expect([stage.server.requests, stage.store.locks]).toEqual([0, 0])
  })

  it('is not served again when the renewal fails, however long it would live', async () => {
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
  ])('is refused to 20 callers of %s: one request', async (_where, guards) => {
    stage.server.answers(rotating)
    const guard = guards()
    const callers = SIXTY.slice(0, 20).map(() => guard().token({ rejected }))
    expect(await fates(callers)).toEqual(new Set(['access-2']))
    expect(stage.server.requests).toBe(1)
  })

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
  ])('comes again from the server, to 20 callers of %s: one request', async (_where, guards) => {
    stage.server.answers(async () => slowly(granted('access-1', `refresh-${stage.server.requests + 1}`))())
    const guard = guards()
    await Promise.allSettled(SIXTY.slice(0, 20).map(() => guard().token({ rejected })))
    expect(stage.server.requests).toBe(1)
  })
})

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
  ])('only if older than 600 s: %s', async (_what, age, renewed) => {
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

  it('fails when the server does, however good the token is', async () => {
    stage.server.answers(DOWN)
    await expect(stage.guard().refresh()).rejects.toThrow(ServerUnavailable)
  })

  it('is not kept from asking by our own back-off', async () => {
    stage.pass(DUE).store.put(tokenSet({ backoffUntil: stage.at.now + 30, failures: 1 }))
    stage.server.answers(NEXT)
    expect(await stage.guard().refresh()).toMatchObject({ renewed: true })
  })

  it('needs a token set', async () => {
    stage.store.put(undefined)
    await expect(stage.guard().refresh()).rejects.toThrow(LoginRequired)
  })
})

describe('an answer that outlived its store', () => {
  const { fingerprint } = seed().pair.refreshToken

  it('is taken up by the seed whose token it had spent, and nothing is spent again', async () => {
    stage.store
      .put(undefined)
      .leave({ generation: 4, attempt: 9, spent: fingerprint, answer: raw(granted('access-5', 'refresh-5')) })
    const guard = stage.guard({ seed: () => Promise.resolve(seed()) })
    expect(value(await guard.token())).toBe('access-5')
    expect(stage.server.requests).toBe(0)
    expect(await stage.stored()).toMatchObject({ generation: 5, seed: fingerprint })
    expect(stage.store.rescued).toEqual([])
  })

  it('stays where it is when the seed is another', async () => {
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

describe('adopting a seed', () => {
  const other = seed({ accessToken: new Secret('access-s'), refreshToken: new Secret('refresh-s') })

  it('begins an empty store', async () => {
    stage.store.put(undefined)
    const { set, imported } = await stage.guard().adopt(other)
    expect([imported, set.generation, set.previous]).toEqual([true, 1, null])
    expect(await stage.stored()).toBe(set)
    expect(await stage.store.history()).toMatchObject([{ event: 'seed', outcome: 'done', note: 'token.ini' }])
  })

  it('leaves a store that holds a set, without taking the lock', async () => {
    const before = await stage.stored()
    expect(await stage.guard().adopt(other)).toEqual({ set: before, imported: false })
    expect(stage.store.locks).toBe(0)
  })

  it('replaces it when forced, keeps what it replaces, and counts on', async () => {
    stage.store.put(tokenSet({ generation: 4, sequence: 9, refusedAt: 1, failures: 2, notBefore: 3 }))
    const { set, imported } = await stage.guard().adopt(other, { force: true })
    expect([imported, set.previous?.refreshToken.reveal()]).toEqual([true, 'refresh-1'])
    expect(set).toMatchObject({ generation: 5, sequence: 10, refusedAt: null, failures: 0, notBefore: null })
  })

  it('replaces a set that was refused by another seed', async () => {
    stage.store.put(tokenSet({ refusedAt: ISSUED }))
    expect((await stage.guard().adopt(other)).imported).toBe(true)
  })

  it.each([
    ['the one it began with', seed(), 'refresh-9'],
    ['the pair it has now', other, 'refresh-s'],
  ])('does not replace a refused set by the same seed: %s', async (_what, same, refreshToken) => {
    stage.store.put(tokenSet({ refusedAt: ISSUED, pair: pair({ refreshToken: new Secret(refreshToken) }) }))
    expect((await stage.guard().adopt(same)).imported).toBe(false)
  })

  it('replaces a refused set also by the pair that a wrong seed had pushed aside', async () => {
    stage.store.put({ ...tokenSet({ previous: other.pair }), seed: 'another', refusedAt: ISSUED })
    expect(await stage.guard().adopt(other)).toMatchObject({ imported: true })
  })

  it.each([
    ['scrubs what was kept of the one before', status(503), 0],
    ['leaves what nobody could read: it may be the only copy of a pair', garbage(), 1],
  ])('forced: %s', async (_what, answer, left) => {
    const spent = new Secret('refresh-1').fingerprint
    stage.store.leave({ generation: 1, attempt: 2, spent, grant: GRANT, answer: raw(answer) })
    await stage.guard().adopt(other, { force: true })
    expect(stage.store.rescued).toHaveLength(left)
  })

  it('looks again under the lock', async () => {
    stage.store.put(undefined)
    stage.store.beforeLock = async () => {
      stage.store.beforeLock = () => Promise.resolve()
      await stage.guard().adopt(seed())
    }
    const { set, imported } = await stage.guard().adopt(other)
    expect([imported, set.pair.refreshToken.reveal()]).toEqual([false, 'refresh-1'])
  })

  it('60 processes on an empty store: one seed', async () => {
    stage.store.put(undefined)
    const outcomes = await Promise.all(SIXTY.map(() => stage.guard().adopt(other)))
    expect(outcomes.filter(({ imported }) => imported)).toHaveLength(1)
    expect((await stage.stored()).generation).toBe(1)
  })

  it('forced: an answer that waits to be saved is not lost, but becomes the previous pair', async () => {
    const spent = new Secret('refresh-1').fingerprint
    stage.store
      .put(tokenSet({ intent: { attempt: 2, at: ISSUED, boot: null, salvaged: null, client: null } }))
      .leave({ generation: 1, attempt: 2, spent, grant: GRANT, answer: raw(NEXT) })
    const { set } = await stage.guard().adopt(other, { force: true })
    expect(set.previous?.refreshToken.reveal()).toBe('refresh-2')
  })
})

describe('a configured seed', () => {
  const other = seed({ accessToken: new Secret('access-s'), refreshToken: new Secret('refresh-s') })
  const bad = (): Promise<Seed> => Promise.reject(new SeedInvalid('line 3: no refresh token', { hint: 'h' }))

  it('begins an empty store', async () => {
    stage.store.put(undefined)
    expect(value(await stage.guard({ seed: () => Promise.resolve(other) }).token())).toBe('access-s')
  })

  it('begins an empty store with a token that is over: it is renewed', async () => {
    stage.store.put(undefined)
    stage.pass(EXPIRED).server.answers(NEXT)
    expect(value(await stage.guard({ seed: () => Promise.resolve(other) }).token())).toBe('access-2')
    expect(stage.server.sent).toEqual(['refresh-s'])
  })

  it('is not even read while the store holds a good set', async () => {
    const source = (): Promise<Seed> => Promise.reject(new Error('read'))
    expect(value(await stage.guard({ seed: source }).token())).toBe('access-1')
  })

  it('takes the place of a refused set', async () => {
    stage.pass(EXPIRED).store.put(tokenSet({ refusedAt: stage.at.now }))
    const later = seed({
      accessToken: new Secret('access-s'),
      obtained: stage.at,
      refreshToken: new Secret('s'),
    })
    expect(value(await stage.guard({ seed: () => Promise.resolve(later) }).token())).toBe('access-s')
  })

  it('that is the refused one does not', async () => {
    stage.pass(EXPIRED).store.put(tokenSet({ refusedAt: stage.at.now }))
    const guard = stage.guard({ seed: () => Promise.resolve(seed()) })
    await expect(guard.token()).rejects.toThrow(LoginRequired)
    expect([stage.server.requests, (await stage.stored()).generation]).toEqual([0, 1])
  })

  it.each([
    ['none configured', undefined],
    ['one that does not exist', () => Promise.resolve(undefined)],
  ])('%s, and an empty store: a person must log in', async (_what, source) => {
    stage.store.put(undefined)
    const guard = stage.guard(source === undefined ? {} : { seed: source })
    await expect(guard.token()).rejects.toThrow(LoginRequired)
  })

  it('that is bad, and an empty store: the file is at fault', async () => {
    stage.store.put(undefined)
    await expect(stage.guard({ seed: bad }).token()).rejects.toThrow(SeedInvalid)
  })

  it('that is bad, and a refused set that is over: the file is at fault', async () => {
    stage.pass(EXPIRED).store.put(tokenSet({ refusedAt: stage.at.now }))
    await expect(stage.guard({ seed: bad }).token()).rejects.toThrow(SeedInvalid)
  })

  it('that is bad, and a refused set that is still good: it is served, with a warning', async () => {
    stage.pass(DUE).store.put(tokenSet({ refusedAt: stage.at.now }))
    expect(value(await stage.guard({ seed: bad }).token())).toBe('access-1')
    expect(stage.warnings).toContain('line 3: no refresh token')
  })

  it('that cannot be stored, and a refused set that is still good: it is served, with a warning', async () => {
    stage.pass(DUE).store.put(tokenSet({ refusedAt: stage.at.now }))
    stage.store.savesFail = from(1)
    const guard = stage.guard({ seed: () => Promise.resolve(other) })
    expect(value(await guard.token())).toBe('access-1')
    expect(stage.warnings.join()).toContain('the disk is full')
  })

  it('that cannot be stored on an empty store is no token', async () => {
    stage.store.put(undefined).savesFail = from(1)
    await expect(stage.guard({ seed: () => Promise.resolve(other) }).token()).rejects.toThrow(StoreUnusable)
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

  it('and renews it after that', async () => {
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

describe('an exchange of an unknown end', () => {
  it('leaves the token due: the next call brings it to its end', async () => {
    stage.server.answers(silence(), silence(), silence(), silence())
    await expect(stage.guard().refresh()).rejects.toThrow(OutcomeUnknown)
    stage.pass(30).server.answers(NEXT)
    expect(value(await stage.guard().token())).toBe('access-2')
  })

  it('is brought to its end at once when the process died in it', async () => {
    const intent = { attempt: 2, at: ISSUED, boot: 'boot-1', salvaged: null, client: null }
    stage.store.put(tokenSet({ intent }))
    stage.server.answers(NEXT)
    expect(value(await stage.guard().token())).toBe('access-2')
    expect(stage.server.sent).toEqual(['refresh-1'])
  })

  it('with answers that nobody can read: asks once', async () => {
    stage.pass(DUE).server.answers(() => garbage())
    for (let i = 0; i < 5; i++) expect(value(await stage.guard().token())).toBe('access-1')
    expect(stage.server.requests).toBe(1)
  })
})

describe('a store that cannot be read', () => {
  it('is told as it is, with nothing asked', async () => {
    stage.store.read = () => Promise.reject(new StoreUnusable('damaged'))
    await expect(stage.guard().token()).rejects.toThrow('damaged')
    expect(stage.server.requests).toBe(0)
  })

  it('that vanished before the lock was had asks for a person', async () => {
    stage.pass(EXPIRED)
    stage.store.beforeLock = () => {
      stage.store.put(undefined)
      return Promise.resolve()
    }
    await expect(stage.guard().token()).rejects.toThrow('there is no token set')
  })
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

  it('costs one refresh an hour, whatever the number of calls and processes', async () => {
    const stage = answering(new Stage())
    expect(await refuse(stage, 'access-1')).toBe('access-2')
    for (let call = 0; call < 20; call++) expect(await refuse(stage.pass(60), 'access-2')).toBe('access-2')
    expect(stage.server.requests).toBe(1)
    expect(stage.warnings.at(-1)).toMatch(/does not help; .* at 2027-01-15T09:00:00Z/)
    expect(await refuse(stage.pass(HOUR), 'access-2')).toBe('access-3')
    expect(stage.server.requests).toBe(2)
  })

  it('is renewed again at once where the API took the one that came of it', async () => {
    const stage = answering(new Stage())
    expect(await refuse(stage, 'access-1')).toBe('access-2')
    await stage.guard().accepted(new Secret('access-1'))
    expect(await refuse(stage.pass(60), 'access-2')).toBe('access-2')
    await stage.guard().accepted(new Secret('access-2'))
    expect(await refuse(stage.pass(60), 'access-2')).toBe('access-3')
  })

  it('is renewed when a person says refresh, and when its time comes', async () => {
    const stage = answering(new Stage())
    await refuse(stage, 'access-1')
    await stage.guard().refresh()
    expect(await refuse(stage, 'access-3')).toBe('access-3')
    stage.pass(30 * HOUR)
    expect(value(await stage.guard().token())).toBe('access-4')
    expect(await refuse(stage, 'access-4')).toBe('access-5')
  })

  it('that was over anyway says nothing about refusals', async () => {
    const stage = answering(new Stage()).pass(EXPIRED)
    expect(await refuse(stage, 'access-1')).toBe('access-2')
    expect((await stage.stored()).rejectedAt).toBeNull()
  })

  it('does not make `accepted` fail where the store cannot be written', async () => {
    const stage = answering(new Stage())
    await refuse(stage, 'access-1')
    stage.store.savesFail = from(1)
    await expect(stage.guard().accepted(new Secret('access-2'))).resolves.toBeUndefined()
  })
})

describe('what is said about a renewal', () => {
  const A_YEAR_BACK = new Date((ISSUED - 31_536_000) * 1000).toUTCString()

  it('is said when the lock is free, and not before: who hears it may take his time', async () => {
    stage.pass(EXPIRED)
    stage.server.answers({ ...NEXT, date: A_YEAR_BACK })
    const heard: unknown[] = []
    const guard = stage.guard({
      notify: ({ message }) => heard.push([message, stage.store.isHeld]),
    })
    expect(value(await guard.token())).toBe('access-2')
    expect(heard).toEqual([[expect.stringContaining('clock is'), false]])
  })

  it('is said also where the renewal fails', async () => {
    stage.pass(EXPIRED)
    stage.store.keepsFail = from(1)
    stage.server.answers(garbage(), garbage(), garbage(), garbage())
    const heard: unknown[] = []
    const guard = stage.guard({
      notify: ({ message }) => heard.push([message, stage.store.isHeld]),
    })
    await expect(guard.token()).rejects.toThrow(OutcomeUnknown)
    expect(heard).toEqual([[expect.stringContaining('could not be written to the rescue file'), false]])
  })

  it('costs no caller a token where whoever hears it fails', async () => {
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

  it('of others meanwhile waits too', async () => {
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
