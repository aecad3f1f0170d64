import { describe, expect, it } from 'vitest'
import { ClientRefused, LoginRequired, OutcomeUnknown, ServerUnavailable } from '../../src/core/errors.js'
import { Secret } from '../../src/core/secret.js'
import type { TokenSet } from '../../src/core/token-set.js'
import {
  cutOff,
  garbage,
  granted,
  html,
  invalidClient,
  invalidGrant,
  notSent,
  refusal,
  silence,
  status,
  type Said,
} from '../support/fake-server.js'
import { from } from '../support/memory-store.js'
import { ISSUED, moment, pair, tokenSet } from '../support/token-sets.js'
import { failure, refreshTokens, stage, TIMEOUT } from './exchange-stage.js'

describe('the hint of a refused client', () => {
  it.each([
    ['invalid_client', 'try this, then: hq-token refresh'],
    ['unauthorized_client', 'try this, then: hq-token refresh'],
    ['invalid_scope', /^check client_id, client_secret and auth_method/],
  ])('the hint of a refused client for %s', async (code, hint) => {
    stage.server.clientHint = 'try this'
    stage.server.answers(refusal(code))
    const error = (await failure(stage.run())) as ClientRefused
    expect(error).toBeInstanceOf(ClientRefused)
    expect(error.hint).toMatch(hint)
  })
})

describe('a refresh that works', () => {
  it('a refresh that works saves the new pair, keeps the old one as previous, and begins anew', async () => {
    stage.store.put(
      tokenSet({
        ...{ sequence: 7, generation: 3, failures: 4, backoffUntil: 1, notBefore: 1, refusedAt: 1 },
        lastFailure: { at: 1, code: 'HQ_X', message: 'x' },
        previous: pair({ refreshToken: new Secret('refresh-0') }),
      }),
    )
    stage.server.answers(granted('access-2', 'refresh-2', { expiresIn: 600, user: 'b@example.com' }))
    stage.pass(10)
    const set = await stage.run()
    expect(await stage.stored()).toBe(set)
    expect(refreshTokens(set)).toEqual(['refresh-2', 'refresh-1'])
    expect(set).toMatchObject({
      ...{ generation: 4, sequence: 8, failures: 0, lastFailure: null, lastRefreshAt: ISSUED + 10 },
      ...{ backoffUntil: null, notBefore: null, refusedAt: null, intent: null, user: 'b@example.com' },
      pair: { lifetime: 600, obtained: moment(ISSUED + 10), tokenType: 'Bearer', refreshExpiresAt: null },
    })
    expect(await stage.store.history()).toMatchObject([{ sequence: 8, outcome: 'done', generation: 4 }])
    expect(stage.notices).toEqual([])
  })

  it('a refresh that works goes by its order: nothing is spent before the intent, read before kept, or returned before saved', async () => {
    stage.server.answers(granted('access-2', 'refresh-2'))
    await stage.run().then(() => stage.log.push('returned'))
    expect(stage.log).toEqual([
      'prepare',
      'signals held',
      'save unfinished',
      'request with refresh-1',
      'keep',
      'read',
      'save done',
      'drop',
      'signals let through',
      'returned',
    ])
  })

  it('a refresh that works leaves an intent in the store while the request is on its way', async () => {
    let meanwhile: TokenSet | undefined
    stage.server.answers(async () => {
      meanwhile = await stage.stored()
      return granted('access-2', 'refresh-2')
    })
    await stage.run()
    expect(meanwhile).toMatchObject({
      ...{ generation: 1, sequence: 2 },
      intent: { attempt: 2, at: ISSUED, boot: 'boot-1', salvaged: null, client: stage.server.named },
    })
  })

  it('a refresh that works keeps the refresh token where the answer brings none, and what is known of its end', async () => {
    stage.server.answers(granted('access-2', null))
    const set = await stage.run()
    expect(set.pair.refreshToken.reveal()).toBe('refresh-1')
    expect(set.pair.refreshExpiresAt).toBe(ISSUED + 31_536_000)
  })

  it('a refresh that works forgets the end of the old refresh token when a new one comes without any', async () => {
    stage.server.answers(granted('access-2', 'refresh-2'))
    expect((await stage.run()).pair.refreshExpiresAt).toBeNull()
  })

  it.each([
    ['the answer’s', { expiresIn: 7 }, { lifetime: 7 }],
    ['the default where it says none', { expiresIn: null }, { lifetime: 18_000 }],
    ['and that of the refresh token', { refreshExpiresIn: 99 }, { refreshExpiresAt: ISSUED + 99 }],
  ])('a refresh that works lives for a time that is %s', async (_whose, rest, expected) => {
    stage.server.answers(granted('access-2', 'refresh-2', rest))
    expect((await stage.run()).pair).toMatchObject(expected)
  })

  it('a refresh that works keeps user and scope that the answer does not tell', async () => {
    stage.store.put(tokenSet({ pair: pair({ scope: 'files' }) }))
    stage.server.answers(granted('access-2', 'refresh-2'))
    expect(await stage.run()).toMatchObject({ user: 'someone@example.com', pair: { scope: 'files' } })
  })

  it('a refresh that works counts the life from before the request, however slow the answer', async () => {
    stage.server.answers(() => {
      stage.elapse(20_000)
      return granted('access-2', 'refresh-2')
    })
    expect((await stage.run()).pair.obtained).toEqual(moment())
  })

  it.each([
    ['ahead of', -300],
    ['behind', 300],
  ])(
    'a refresh that works warns when this machine’s clock is %s the server’s, and does nothing else',
    async (words, seconds) => {
      const date = new Date((ISSUED + seconds) * 1000).toUTCString()
      stage.server.answers({ ...granted('access-2', 'refresh-2'), date })
      expect((await stage.run()).pair.obtained).toEqual(moment())
      expect(stage.warnings).toEqual([`this machine’s clock is 300 s ${words} the server’s`])
    },
  )

  it.each(['nonsense', '', new Date((ISSUED + 120) * 1000).toUTCString()])(
    'a refresh that works says nothing of a Date that is %j',
    async (date) => {
      stage.server.answers({ ...granted('access-2', 'refresh-2'), date })
      await stage.run()
      expect(stage.notices).toEqual([])
    },
  )
})

describe('a refresh that does not work', () => {
  interface Row {
    readonly said: Said[]
    readonly thrown: new (message: string) => Error
    readonly says: RegExp
    readonly requests?: number
    readonly pending?: boolean
    readonly notBefore?: number
    readonly refused?: boolean
    /** Answers that stay in the rescue file. */
    readonly kept?: number
  }
  const RETRIES = 4
  const times = (said: Said, count = RETRIES): Said[] => Array.from({ length: count }, () => said)

  it.each<[string, Row]>([
    [
      'nothing was sent',
      { said: [notSent('ECONNREFUSED')], thrown: ServerUnavailable, says: /reached \(ECONN/ },
    ],
    [
      'silence',
      { said: times(silence()), thrown: OutcomeUnknown, says: /HEADERS_TIMEOUT/, requests: 4, pending: true },
    ],
    [
      'cut off',
      { said: times(cutOff()), thrown: OutcomeUnknown, says: /broken/, requests: 4, pending: true, kept: 4 },
    ],
    [
      'nonsense',
      {
        ...{ said: [garbage()], thrown: OutcomeUnknown, says: /read.*kept/, pending: true, kept: 1 },
        notBefore: ISSUED + 3600,
      },
    ],
    [
      'HTTP 500',
      { said: times(garbage(500)), thrown: OutcomeUnknown, says: /HTTP 500/, requests: 4, pending: true },
    ],
    [
      'HTTP 502, a page',
      { said: times(html(502)), thrown: OutcomeUnknown, says: /HTTP 502/, requests: 4, pending: true },
    ],
    [
      'HTTP 429',
      { said: [status(429, '17')], thrown: ServerUnavailable, says: /HTTP 429/, notBefore: ISSUED + 17 },
    ],
    [
      'HTTP 429 that does not say for how long',
      { said: [status(429)], thrown: ServerUnavailable, says: /HTTP 429/, notBefore: ISSUED + 30 },
    ],
    [
      'HTTP 503 with Retry-After',
      { said: [status(503, '99999')], thrown: ServerUnavailable, says: /503/, notBefore: ISSUED + 3600 },
    ],
    ['HTTP 503', { said: [status(503)], thrown: ServerUnavailable, says: /HTTP 503/ }],
    ['HTTP 408', { said: [status(408)], thrown: ServerUnavailable, says: /HTTP 408/ }],
    ['a web page', { said: [html()], thrown: ServerUnavailable, says: /a web page/, kept: 1 }],
    ['HTTP 404', { said: [status(404)], thrown: ServerUnavailable, says: /HTTP 404/ }],
    ['a redirect', { said: [status(302)], thrown: ServerUnavailable, says: /redirect/ }],
    [
      'invalid_grant',
      { said: [invalidGrant()], thrown: LoginRequired, says: /invalid_grant/, refused: true },
    ],
    ['invalid_client', { said: [invalidClient()], thrown: ClientRefused, says: /invalid_client/ }],
    [
      'unauthorized_client',
      { said: [refusal('unauthorized_client')], thrown: ClientRefused, says: /unauthorized_client/ },
    ],
    ['invalid_scope', { said: [refusal('invalid_scope')], thrown: ClientRefused, says: /invalid_scope/ }],
    [
      'silence, then invalid_grant',
      {
        said: [silence(), invalidGrant(), invalidGrant()],
        thrown: LoginRequired,
        says: /lost$/,
        requests: 3,
        refused: true,
      },
    ],
    [
      'silence, then HTTP 503',
      { said: [silence(), status(503)], thrown: ServerUnavailable, says: /503/, requests: 2, pending: true },
    ],
    [
      'silence, then nothing sent',
      { said: [silence(), notSent('X')], thrown: ServerUnavailable, says: /X/, requests: 2, pending: true },
    ],
    [
      'silence, then invalid_client',
      {
        said: [silence(), invalidClient()],
        thrown: ClientRefused,
        says: /client/,
        requests: 2,
        pending: true,
      },
    ],
  ])('%s: loses nothing, leaves word, and the next one heals it', async (_what, row) => {
    stage.server.answers(...row.said)
    const error = await failure(stage.run())
    expect(error).toBeInstanceOf(row.thrown)
    expect(error).toMatchObject({
      message: expect.stringMatching(row.says) as string,
      hint: expect.any(String) as string,
    })
    expect(stage.server.sent).toEqual(times(silence(), row.requests ?? 1).map(() => 'refresh-1'))

    const { code, message } = error as LoginRequired
    const set = await stage.stored()
    expect(refreshTokens(set)).toEqual(['refresh-1', undefined])
    expect(set).toMatchObject({
      ...{ generation: 1, failures: 1, backoffUntil: stage.at.now + 30, notBefore: row.notBefore ?? null },
      lastFailure: { at: stage.at.now, code, message },
      refusedAt: row.refused === true ? stage.at.now : null,
    })
    expect(set.intent !== null).toBe(row.pending ?? false)
    expect(stage.store.rescued).toHaveLength(row.kept ?? 0)
    expect(await stage.store.history()).toMatchObject(
      expect.arrayContaining(
        [{ sequence: set.sequence, outcome: code, generation: 1 }].map(
          (line) => expect.objectContaining(line) as unknown,
        ),
      ) as object,
    )

    stage.server.answers(granted('access-2', 'refresh-2'))
    const healed = await stage.run()
    expect(refreshTokens(healed)).toEqual(['refresh-2', 'refresh-1'])
    expect(healed).toMatchObject({
      generation: 2,
      failures: 0,
      intent: null,
      lastFailure: null,
      refusedAt: null,
    })
    expect(stage.store.rescued).toEqual([])
  })

  it('a refresh that does not work asks again after 0.5, 2 and 5 s when nobody knows what happened, with an intent each time', async () => {
    stage.server.answers(...times(silence()))
    await failure(stage.run())
    expect(stage.slept).toEqual([500, 2000, 5000])
    expect(stage.saves).toEqual([...times(silence()).map(() => 'save unfinished'), 'save HQ_OUTCOME_UNKNOWN'])
  })

  it.each([
    ['the second', [silence(), granted('access-2', 'refresh-2')]],
    ['the last', [...times(silence(), 3), granted('access-2', 'refresh-2')]],
  ])('a refresh that does not work is content with %s answer', async (_which, said) => {
    stage.server.answers(...said)
    expect((await stage.run()).pair.accessToken.reveal()).toBe('access-2')
  })

  it('a refresh that does not work asks once more, for five seconds, when the server is silent for the whole time', async () => {
    stage.server.answers((_token, timeoutMs) => {
      stage.elapse(timeoutMs)
      return silence()
    })
    await expect(stage.run()).rejects.toThrow(OutcomeUnknown)
    expect(stage.server.timeouts).toEqual([TIMEOUT, 5000])
    expect((await stage.stored()).intent).not.toBeNull()
  })

  it('a refresh that does not work gives each try what is left of the time, and never goes beyond it', async () => {
    const began = performance.now()
    stage.server.answers((_token, timeoutMs) => {
      stage.elapse(Math.min(timeoutMs, 9000))
      return silence()
    })
    await expect(stage.run()).rejects.toThrow(OutcomeUnknown)
    expect(stage.server.timeouts).toEqual([30_000, 20_500, 9500])
    expect(performance.now() - began).toBeLessThanOrEqual(TIMEOUT)
  })

  // A request that is given no time spends the refresh token and hears no answer.
  it.each([
    [0, [TIMEOUT, 29_500]],
    [24_500, [TIMEOUT, 5000]],
    [28_501, [TIMEOUT, 5000]],
    [29_999, [TIMEOUT, 5000]],
  ])(
    'a refresh that does not work sends nothing that it has no time to hear: after %i ms',
    async (ms, timeouts) => {
      stage.server.answers(() => {
        stage.elapse(stage.server.requests === 1 ? ms : 0)
        return stage.server.requests === 1 ? silence() : notSent('ECONNREFUSED')
      })
      await failure(stage.run())
      expect(stage.server.timeouts).toEqual(timeouts)
    },
  )

  it('a refresh that does not work gives a first request its whole time, however slow the disk was', async () => {
    const slowDisk = stage.store.put(tokenSet())
    stage.server.answers(granted('access-2', 'refresh-2'))
    slowDisk.savesFail = () => {
      stage.elapse(9000)
      return false
    }
    await stage.run({ timeoutMs: 5000 })
    expect(stage.server.timeouts).toEqual([5000])
  })

  it('a refresh that does not work never tries the previous pair by itself', async () => {
    stage.store.put(tokenSet({ previous: pair({ refreshToken: new Secret('refresh-0') }) }))
    stage.server.answers(invalidGrant())
    await expect(stage.run()).rejects.toThrow(LoginRequired)
    expect(stage.server.sent).toEqual(['refresh-1'])
    expect((await stage.stored()).previous?.refreshToken.reveal()).toBe('refresh-0')
  })

  it('a refresh that does not work takes an earlier verdict of the server not back because of a failure', async () => {
    stage.store.put(tokenSet({ refusedAt: ISSUED - 4000 }))
    stage.server.answers(notSent('ECONNREFUSED'))
    await failure(stage.run())
    expect((await stage.stored()).refusedAt).toBe(ISSUED - 4000)
  })

  it('a refresh that does not work tells the failure also when it cannot be noted, and leaves the intent then', async () => {
    stage.store.savesFail = from(2)
    stage.server.answers(invalidGrant())
    await expect(stage.run()).rejects.toThrow(LoginRequired)
    expect(await stage.stored()).toMatchObject({ failures: 0, refusedAt: null, intent: { attempt: 2 } })
    expect(stage.store.rescued).toHaveLength(1)
  })

  it('a refresh that does not work counts on, and rests longer', async () => {
    stage.server.answers(...times(notSent('ECONNREFUSED'), 3))
    for (let i = 0; i < 3; i++) await failure(stage.run())
    expect(await stage.stored()).toMatchObject({ failures: 3, backoffUntil: ISSUED + 120 })
  })

  const LONG = 'eyJhbGciOi'.repeat(40)
  it.each([
    ['whole', 'refresh-1', 'Invalid refresh token: refresh-1'],
    ['cut off by the length of a description', LONG, `Invalid refresh token: ${LONG}`.slice(0, 300)],
  ])(
    'a refresh that does not work repeats no secret that the server quotes: %s',
    async (_how, token, description) => {
      stage.store.put(tokenSet({ pair: pair({ refreshToken: new Secret(token) }) }))
      stage.server.answers(invalidGrant(description))
      const error = await failure(stage.run())
      const { lastFailure } = await stage.stored()
      const printed = JSON.stringify([String(error), lastFailure, await stage.store.history()])
      expect(printed).toContain('Invalid refresh token: ')
      expect(printed).not.toContain(token.slice(0, 40))
    },
  )
})
