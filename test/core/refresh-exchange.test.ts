import { afterEach, beforeEach, describe, expect, it, test, vi } from 'vitest'
import {
  ClientRefused,
  ConfigInvalid,
  LoginRequired,
  OutcomeUnknown,
  Overtaken,
  ServerUnavailable,
  StoreUnusable,
} from '../../src/core/errors.js'
import { RefreshExchange, type ExchangeParts } from '../../src/core/refresh-exchange.js'
import type { Rescued } from '../../src/core/store-ports.js'
import { Secret } from '../../src/core/secret.js'
import type { Intent, TokenSet } from '../../src/core/token-set.js'
import {
  cutOff,
  garbage,
  granted,
  html,
  invalidClient,
  invalidGrant,
  notSent,
  raw,
  reading,
  refusal,
  silence,
  status,
  type Said,
} from '../support/fake-server.js'
import { at, from } from '../support/memory-store.js'
import { GRANT, HOST, ISSUED, moment, pair, tokenSet } from '../support/token-sets.js'
import { Died, Stage } from './stage.js'

// The exchange counts its time by `performance.now()`; here time passes only where a test lets it.
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['performance'] })
})
afterEach(() => {
  vi.useRealTimers()
})

const TIMEOUT = 30_000

class ExchangeStage extends Stage {
  /** Another process runs one exchange, as the guard does: under the lock, with the set as stored. */
  run(parts: Partial<ExchangeParts> = {}): Promise<TokenSet> {
    const { server, clock, notify } = this
    return this.store.exclusive(
      async (held) => {
        const found = await held.read()
        if (found === undefined) throw new Error('the store is empty')
        const exchange = new RefreshExchange(held, found, {
          ...{
            server,
            clock,
            notify,
            storeName: 'memory',
            timeoutMs: TIMEOUT,
            defaultLifetime: 18_000,
            host: HOST,
          },
          uninterrupted: async (section) => {
            this.log.push('signals held')
            try {
              return await section()
            } finally {
              this.log.push('signals let through')
            }
          },
          sleep: (ms) => {
            this.elapse(ms)
            return this.sleep(ms)
          },
          ...parts,
        })
        const carriedOn = await exchange.takeUp()
        return carriedOn.generation > found.generation ? carriedOn : exchange.run()
      },
      { waitMs: 0 },
    )
  }

  elapse(ms: number): void {
    vi.advanceTimersByTime(ms)
    this.pass(Math.round(ms / 1000))
  }

  get saves(): string[] {
    return this.log.filter((name) => name.startsWith('save'))
  }
}

let stage: ExchangeStage

beforeEach(() => {
  stage = new ExchangeStage()
})

const failure = async (run: Promise<unknown>): Promise<unknown> =>
  run.then(
    () => undefined,
    (error: unknown) => error,
  )
const refreshTokens = (set: TokenSet): (string | undefined)[] => [
  set.pair.refreshToken.reveal(),
  set.previous?.refreshToken.reveal(),
]
const intent = (salvaged: string | null = null): Intent => ({
  ...{ attempt: 2, at: ISSUED, boot: 'boot-1' },
  salvaged: salvaged === null ? null : new Secret(salvaged),
  client: null,
})
/** What a process kept that died before it could save it. */
const left = (said: Said, spent = 'refresh-1', generation = 1, attempt = 2): Rescued => ({
  ...{ generation, attempt },
  spent: new Secret(spent).fingerprint,
  grant: GRANT,
  answer: raw(said, moment(ISSUED + 5)),
})

describe('the last look, when the connection stands', () => {
  /** As the program's own: a signal aborts `stop`. */
  function signalled(signal: string, nth = 1): Partial<ExchangeParts> {
    const stop = new AbortController()
    let connections = 0
    stage.server.connecting = () => {
      connections += 1
      if (connections === nth) stop.abort(signal)
    }
    return { uninterrupted: (section) => section(stop.signal) }
  }

  it('sees a signal: nothing is spent, the store is as it was, and nobody has failed', async () => {
    const before = await stage.stored()
    const error = await failure(stage.run(signalled('SIGTERM')))
    expect(error).toBeInstanceOf(ServerUnavailable)
    expect((error as Error).message).toBe('SIGTERM ended the refresh before it was sent')
    expect(stage.server.sent).toEqual([])
    expect(await stage.stored()).toEqual({ ...before, sequence: before.sequence + 1 })
    expect(await stage.store.history()).toMatchObject([
      { sequence: 2, outcome: 'HQ_SERVER_UNAVAILABLE', note: 'SIGTERM' },
    ])
  })

  it('leaves the doubt of an earlier process where it stood', async () => {
    stage.store.put(tokenSet({ sequence: 2, intent: intent('refresh-9') }))
    await failure(stage.run(signalled('SIGTERM')))
    expect(await stage.stored()).toMatchObject({ sequence: 3, intent: intent('refresh-9') })
    expect(stage.server.sent).toEqual([])
  })

  it('lets a repetition leave, whatever signal has come: it may be what saves the grant', async () => {
    stage.server.answers(silence(), granted('access-2', 'refresh-2'))
    const set = await stage.run(signalled('SIGTERM', 2))
    expect(set.generation).toBe(2)
    expect(stage.server.sent).toEqual(['refresh-1', 'refresh-1'])
  })

  it('sees that no time is left to hear an answer', async () => {
    stage.server.connecting = () => {
      stage.elapse(TIMEOUT - 500)
    }
    const error = await failure(stage.run())
    expect(error).toBeInstanceOf(ServerUnavailable)
    expect((error as Error).message).toContain('could not be reached (TIMEOUT)')
    expect(stage.server.sent).toEqual([])
    expect(await stage.stored()).toMatchObject({ intent: null, failures: 1 })
  })
})

describe('the hint of a refused client', () => {
  it.each([
    ['invalid_client', 'try this, then: hq-token refresh'],
    ['unauthorized_client', 'try this, then: hq-token refresh'],
    ['invalid_scope', /^check client_id, client_secret and auth_method/],
  ])('for %s', async (code, hint) => {
    stage.server.clientHint = 'try this'
    stage.server.answers(refusal(code))
    const error = (await failure(stage.run())) as ClientRefused
    expect(error).toBeInstanceOf(ClientRefused)
    expect(error.hint).toMatch(hint)
  })
})

describe('a refresh that works', () => {
  it('saves the new pair, keeps the old one as previous, and begins anew', async () => {
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

  it('goes by its order: nothing is spent before the intent, read before kept, or returned before saved', async () => {
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
      'scrub',
      'signals let through',
      'returned',
    ])
  })

  it('leaves an intent in the store while the request is on its way', async () => {
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

  it('keeps the refresh token where the answer brings none, and what is known of its end', async () => {
    stage.server.answers(granted('access-2', null))
    const set = await stage.run()
    expect(set.pair.refreshToken.reveal()).toBe('refresh-1')
    expect(set.pair.refreshExpiresAt).toBe(ISSUED + 31_536_000)
  })

  it('forgets the end of the old refresh token when a new one comes without any', async () => {
    stage.server.answers(granted('access-2', 'refresh-2'))
    expect((await stage.run()).pair.refreshExpiresAt).toBeNull()
  })

  it.each([
    ['the answer’s', { expiresIn: 7 }, { lifetime: 7 }],
    ['the default where it says none', { expiresIn: null }, { lifetime: 18_000 }],
    ['and that of the refresh token', { refreshExpiresIn: 99 }, { refreshExpiresAt: ISSUED + 99 }],
  ])('lives for a time that is %s', async (_whose, rest, expected) => {
    stage.server.answers(granted('access-2', 'refresh-2', rest))
    expect((await stage.run()).pair).toMatchObject(expected)
  })

  it('keeps user and scope that the answer does not tell', async () => {
    stage.store.put(tokenSet({ pair: pair({ scope: 'files' }) }))
    stage.server.answers(granted('access-2', 'refresh-2'))
    expect(await stage.run()).toMatchObject({ user: 'someone@example.com', pair: { scope: 'files' } })
  })

  it('counts the life from before the request, however slow the answer', async () => {
    stage.server.answers(() => {
      stage.elapse(20_000)
      return granted('access-2', 'refresh-2')
    })
    expect((await stage.run()).pair.obtained).toEqual(moment())
  })

  it.each([
    ['ahead of', -300],
    ['behind', 300],
  ])('warns when this machine’s clock is %s the server’s, and does nothing else', async (words, seconds) => {
    const date = new Date((ISSUED + seconds) * 1000).toUTCString()
    stage.server.answers({ ...granted('access-2', 'refresh-2'), date })
    expect((await stage.run()).pair.obtained).toEqual(moment())
    expect(stage.warnings).toEqual([`this machine’s clock is 300 s ${words} the server’s`])
  })

  it.each(['nonsense', '', new Date((ISSUED + 120) * 1000).toUTCString()])(
    'says nothing of a Date that is %j',
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

  it('asks again after 0.5, 2 and 5 s when nobody knows what happened, with an intent each time', async () => {
    stage.server.answers(...times(silence()))
    await failure(stage.run())
    expect(stage.slept).toEqual([500, 2000, 5000])
    expect(stage.saves).toEqual([...times(silence()).map(() => 'save unfinished'), 'save HQ_OUTCOME_UNKNOWN'])
  })

  it.each([
    ['the second', [silence(), granted('access-2', 'refresh-2')]],
    ['the last', [...times(silence(), 3), granted('access-2', 'refresh-2')]],
  ])('is content with %s answer', async (_which, said) => {
    stage.server.answers(...said)
    expect((await stage.run()).pair.accessToken.reveal()).toBe('access-2')
  })

  it('asks once more, for five seconds, when the server is silent for the whole time', async () => {
    stage.server.answers((_token, timeoutMs) => {
      stage.elapse(timeoutMs)
      return silence()
    })
    await expect(stage.run()).rejects.toThrow(OutcomeUnknown)
    expect(stage.server.timeouts).toEqual([TIMEOUT, 5000])
    expect((await stage.stored()).intent).not.toBeNull()
  })

  it('gives each try what is left of the time, and never goes beyond it', async () => {
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
  ])('sends nothing that it has no time to hear: after %i ms', async (ms, timeouts) => {
    stage.server.answers(() => {
      stage.elapse(stage.server.requests === 1 ? ms : 0)
      return stage.server.requests === 1 ? silence() : notSent('ECONNREFUSED')
    })
    await failure(stage.run())
    expect(stage.server.timeouts).toEqual(timeouts)
  })

  it('gives a first request its whole time, however slow the disk was', async () => {
    const slowDisk = stage.store.put(tokenSet())
    stage.server.answers(granted('access-2', 'refresh-2'))
    slowDisk.savesFail = () => {
      stage.elapse(9000)
      return false
    }
    await stage.run({ timeoutMs: 5000 })
    expect(stage.server.timeouts).toEqual([5000])
  })

  it('never tries the previous pair by itself', async () => {
    stage.store.put(tokenSet({ previous: pair({ refreshToken: new Secret('refresh-0') }) }))
    stage.server.answers(invalidGrant())
    await expect(stage.run()).rejects.toThrow(LoginRequired)
    expect(stage.server.sent).toEqual(['refresh-1'])
    expect((await stage.stored()).previous?.refreshToken.reveal()).toBe('refresh-0')
  })

  it('takes an earlier verdict of the server not back because of a failure', async () => {
    stage.store.put(tokenSet({ refusedAt: ISSUED - 4000 }))
    stage.server.answers(notSent('ECONNREFUSED'))
    await failure(stage.run())
    expect((await stage.stored()).refusedAt).toBe(ISSUED - 4000)
  })

  it('tells the failure also when it cannot be noted, and leaves the intent then', async () => {
    stage.store.savesFail = from(2)
    stage.server.answers(invalidGrant())
    await expect(stage.run()).rejects.toThrow(LoginRequired)
    expect(await stage.stored()).toMatchObject({ failures: 0, refusedAt: null, intent: { attempt: 2 } })
    expect(stage.store.rescued).toHaveLength(1)
  })

  it('counts on, and rests longer', async () => {
    stage.server.answers(...times(notSent('ECONNREFUSED'), 3))
    for (let i = 0; i < 3; i++) await failure(stage.run())
    expect(await stage.stored()).toMatchObject({ failures: 3, backoffUntil: ISSUED + 120 })
  })

  const LONG = 'eyJhbGciOi'.repeat(40)
  it.each([
    ['whole', 'refresh-1', 'Invalid refresh token: refresh-1'],
    ['cut off by the length of a description', LONG, `Invalid refresh token: ${LONG}`.slice(0, 300)],
  ])('repeats no secret that the server quotes: %s', async (_how, token, description) => {
    stage.store.put(tokenSet({ pair: pair({ refreshToken: new Secret(token) }) }))
    stage.server.answers(invalidGrant(description))
    const error = await failure(stage.run())
    const { lastFailure } = await stage.stored()
    const printed = JSON.stringify([String(error), lastFailure, await stage.store.history()])
    expect(printed).toContain('Invalid refresh token: ')
    expect(printed).not.toContain(token.slice(0, 40))
  })
})

describe('before anything is sent', () => {
  it('sends nothing when the intent cannot be saved', async () => {
    stage.store.savesFail = at(1)
    await expect(stage.run()).rejects.toThrow(StoreUnusable)
    expect(stage.server.sent).toEqual([])
    expect((await stage.stored()).intent).toBeNull()
  })

  it('sends nothing more when a later intent cannot be saved, and the first one stands', async () => {
    stage.store.savesFail = from(2)
    stage.server.answers(cutOff('salvaged'))
    await expect(stage.run()).rejects.toThrow(StoreUnusable)
    expect(stage.server.sent).toEqual(['refresh-1'])
    expect((await stage.stored()).intent).not.toBeNull()
    expect(stage.store.rescued).toHaveLength(1)
  })

  it('leaves nothing behind when the configuration is wrong', async () => {
    const before = await stage.stored()
    stage.server.preparation = () => Promise.reject(new ConfigInvalid('client_secret_command failed'))
    await expect(stage.run()).rejects.toThrow(ConfigInvalid)
    expect(stage.log).toEqual(['prepare'])
    expect(await stage.stored()).toBe(before)
    expect(await stage.store.history()).toEqual([])
  })

  it('notes that an issuer could not be asked for its endpoints: nothing is in doubt for it', async () => {
    const before = await stage.stored()
    stage.server.preparation = () => Promise.reject(new ServerUnavailable('no metadata'))
    await expect(stage.run()).rejects.toThrow('no metadata')
    expect(stage.server.sent).toEqual([])
    const after = await stage.stored()
    expect(after).toMatchObject({
      ...{ generation: before.generation, intent: null, failures: 1, refusedAt: null },
      lastFailure: { code: 'HQ_SERVER_UNAVAILABLE', message: 'no metadata' },
    })
    expect(after.pair).toEqual(before.pair)
    // A line of its own: the one of the event before stays.
    expect(await stage.store.history()).toMatchObject([
      { sequence: before.sequence + 1, event: 'refresh', outcome: 'HQ_SERVER_UNAVAILABLE' },
    ])
  })

  it('keeps what is in doubt where an issuer could not be asked', async () => {
    stage.server.answers(...Array.from({ length: 4 }, () => cutOff('salvaged')))
    await expect(stage.run()).rejects.toThrow()
    const { intent } = await stage.stored()
    expect(intent).not.toBeNull()
    stage.server.preparation = () => Promise.reject(new ServerUnavailable('no metadata'))
    await expect(stage.run()).rejects.toThrow('no metadata')
    expect((await stage.stored()).intent).toEqual(intent)
    stage.server.preparation = () => Promise.resolve()
    stage.server.answers(granted('access-2', 'refresh-2'))
    expect((await stage.run()).pair.refreshToken.reveal()).toBe('refresh-2')
  })

  it('fails as the issuer did where that cannot be noted', async () => {
    stage.store.savesFail = at(1)
    stage.server.preparation = () => Promise.reject(new ServerUnavailable('no metadata'))
    await expect(stage.run()).rejects.toThrow('no metadata')
  })
})

describe('a salvaged refresh token', () => {
  it('is tried first, from an intent that holds it', async () => {
    stage.server.answers(cutOff('refresh-2'), granted('access-3', 'refresh-3'))
    const set = await stage.run()
    expect(stage.server.sent).toEqual(['refresh-1', 'refresh-2'])
    expect(refreshTokens(set)).toEqual(['refresh-3', 'refresh-1'])
  })

  it('stays where the answer to it brings none', async () => {
    stage.server.answers(cutOff('refresh-2'), granted('access-3', null))
    expect((await stage.run()).pair.refreshToken.reveal()).toBe('refresh-2')
  })

  it('gives way to the stored one when the server refuses it', async () => {
    stage.server.answers(cutOff('refresh-2'), invalidGrant(), granted('access-3', 'refresh-3'))
    const set = await stage.run()
    expect(stage.server.sent).toEqual(['refresh-1', 'refresh-2', 'refresh-1'])
    expect(set.pair.refreshToken.reveal()).toBe('refresh-3')
  })

  it('is refused, and so is the stored one: then a person must log in', async () => {
    stage.server.answers(cutOff('refresh-2'), invalidGrant(), invalidGrant(), invalidGrant())
    await expect(stage.run()).rejects.toThrow(/answer of the server had been lost/)
    expect(await stage.stored()).toMatchObject({ intent: null, refusedAt: stage.at.now })
  })

  it('is left to the next process, which tries it first', async () => {
    stage.server.answers(cutOff('refresh-2'), silence(), silence(), silence())
    await failure(stage.run())
    expect((await stage.stored()).intent?.salvaged?.reveal()).toBe('refresh-2')
    stage.server.answers(granted('access-3', 'refresh-3'))
    await stage.run()
    expect(stage.server.sent.slice(-1)).toEqual(['refresh-2'])
  })

  it('is read anew from a kept answer when it could not be noted in the store', async () => {
    stage.store.put(tokenSet({ intent: intent() })).leave(left(cutOff('refresh-2')))
    stage.server.answers(granted('access-3', 'refresh-3'))
    await stage.run()
    expect(stage.server.sent).toEqual(['refresh-2'])
  })

  it('gives way to a later one, also when another process goes on', async () => {
    stage.server.answers(cutOff('refresh-2'), cutOff('refresh-3'), silence(), silence())
    await failure(stage.run())
    expect(stage.server.sent).toEqual(['refresh-1', 'refresh-2', 'refresh-3', 'refresh-3'])
    stage.server.answers(granted('access-4', 'refresh-4'))
    await stage.run()
    expect(stage.server.sent.slice(-1)).toEqual(['refresh-3'])
  })

  it('is not tried again by the next process when the server has refused it', async () => {
    stage.server.answers(cutOff('refresh-2'), invalidGrant(), silence(), silence(), silence())
    await failure(stage.run())
    const before = stage.server.requests
    stage.server.answers(granted('access-3', 'refresh-3'))
    await stage.run()
    expect(stage.server.sent.slice(before)).toEqual(['refresh-1'])
  })

  it('is given time to be heard after it was refused late', async () => {
    let tries = 0
    stage.server.answers(() => {
      stage.elapse([0, 29_499, 0][tries] ?? 0)
      return [cutOff('refresh-2'), invalidGrant()][tries++] ?? silence()
    })
    await failure(stage.run())
    for (const given of stage.server.timeouts) expect(given).toBeGreaterThanOrEqual(1000)
  })
})

describe('what an earlier process left', () => {
  it('an intent and nothing else: the same refresh token, now', async () => {
    stage.store.put(tokenSet({ sequence: 2, intent: intent() }))
    stage.server.answers(granted('access-2', 'refresh-2'))
    const set = await stage.run()
    expect(stage.server.sent).toEqual(['refresh-1'])
    expect(stage.slept).toEqual([])
    expect(set).toMatchObject({ generation: 2, sequence: 3, intent: null })
  })

  it('an intent, and the server refuses: it says that an answer had been lost', async () => {
    stage.store.put(tokenSet({ intent: intent() }))
    stage.server.answers(invalidGrant(), invalidGrant())
    await expect(stage.run()).rejects.toThrow('an earlier answer of the server had been lost')
  })

  it.each([
    ['nothing sent', notSent('ECONNREFUSED')],
    ['no verdict', status(503)],
    ['invalid_client', invalidClient()],
  ])('an intent, and now %s: the doubt stays', async (_what, said) => {
    stage.store.put(tokenSet({ intent: intent() }))
    stage.server.answers(said)
    await failure(stage.run())
    expect((await stage.stored()).intent).not.toBeNull()
  })

  const taken = async (): Promise<void> => {
    const set = await stage.run()
    expect(stage.server.sent).toEqual([])
    expect(await stage.stored()).toBe(set)
    expect(refreshTokens(set)).toEqual(['refresh-2', 'refresh-1'])
    expect(set).toMatchObject({ generation: 2, intent: null, pair: { obtained: moment(ISSUED + 5) } })
    expect(stage.store.rescued).toEqual([])
  }

  it('an intent and the answer to it: nothing is asked', async () => {
    stage.store.put(tokenSet({ intent: intent() })).leave(left(granted('access-2', 'refresh-2')))
    stage.pass(60)
    await taken()
    expect(stage.log).toEqual(['read', 'save done', 'scrub'])
  })

  it('an answer, its intent cleared', async () => {
    stage.store.put(tokenSet()).leave(left(granted('access-2', 'refresh-2')))
    await taken()
  })

  it('an answer to the salvaged refresh token', async () => {
    stage.store
      .put(tokenSet({ intent: intent('salvaged') }))
      .leave(left(granted('access-2', 'refresh-2'), 'salvaged'))
    await taken()
  })

  it('an answer to the salvaged refresh token, which it keeps', async () => {
    stage.store
      .put(tokenSet({ intent: intent('salvaged') }))
      .leave(left(granted('access-2', null), 'salvaged'))
    expect((await stage.run()).pair.refreshToken.reveal()).toBe('salvaged')
  })

  it('several answers: the newest that can be read', async () => {
    stage.store
      .put(tokenSet({ intent: intent() }))
      .leave(left(granted('access-x', 'refresh-x'), 'refresh-1', 1, 2))
      .leave(left(granted('access-2', 'refresh-2'), 'refresh-1', 1, 3))
      .leave(left(garbage(), 'refresh-1', 1, 4))
    await taken()
  })

  it('several answers: the newest by its number, wherever it was kept', async () => {
    stage.store
      .put(tokenSet({ intent: intent() }))
      .leave(left(granted('access-2', 'refresh-2'), 'refresh-1', 1, 3))
      .leave(left(granted('access-x', 'refresh-x'), 'refresh-1', 1, 2))
    await taken()
  })

  it.each([
    ['another generation', left(granted('access-x', 'refresh-x'), 'refresh-1', 7)],
    ['another refresh token', left(granted('access-x', 'refresh-x'), 'refresh-0')],
    ['a refusal', left(invalidGrant())],
    ['an answer that nobody can read', left(garbage())],
    ['a page', left(html())],
  ])('an answer of no use (%s): asks', async (_which, record) => {
    stage.store.put(tokenSet({ intent: intent() })).leave(record)
    stage.server.answers(granted('access-2', 'refresh-2'))
    expect(refreshTokens(await stage.run())).toEqual(['refresh-2', 'refresh-1'])
    expect(stage.server.sent).toEqual(['refresh-1'])
  })

  it('an answer that nobody can read stays, also when the server then refuses', async () => {
    stage.store.put(tokenSet()).leave(left(garbage()))
    stage.server.answers(invalidGrant(), invalidGrant())
    await expect(stage.run()).rejects.toThrow('had been lost')
    expect(stage.store.rescued.map(({ attempt }) => attempt)).toContain(2)
  })

  it('an answer that cannot be saved even now: it is returned, and stays for the next one', async () => {
    stage.store.put(tokenSet({ intent: intent() })).leave(left(granted('access-2', 'refresh-2')))
    stage.store.savesFail = from(1)
    expect((await stage.run()).pair.accessToken.reveal()).toBe('access-2')
    expect(stage.warnings).toEqual([expect.stringContaining('rescue file only')])
    stage.store.savesFail = () => false
    await taken()
  })

  it('an answer on which its reader stumbles does not stop the next request', async () => {
    stage.store.put(tokenSet({ intent: intent() })).leave(left({ ...garbage(), body: Buffer.from('{') }))
    stage.server.answers(granted('access-2', 'refresh-2'))
    expect((await stage.run()).pair.accessToken.reveal()).toBe('access-2')
  })
})

describe('a disk that fails when the answer is there', () => {
  it('the store only: the token is served with a warning, and the next process saves it', async () => {
    stage.store.savesFail = from(2)
    stage.server.answers(granted('access-2', 'refresh-2'))
    expect((await stage.run()).pair.accessToken.reveal()).toBe('access-2')
    expect(stage.notices).toMatchObject([
      { level: 'warning', message: expect.stringContaining('rescue file only') as string },
    ])
    expect(stage.log.slice(-3)).toEqual(['read', 'save done', 'signals let through'])
    expect(await stage.stored()).toMatchObject({ generation: 1, intent: { attempt: 2 } })

    stage.store.savesFail = () => false
    expect((await stage.run()).generation).toBe(2)
    expect(stage.server.requests).toBe(1)
  })

  it('the rescue file only: a warning, and the store has it', async () => {
    stage.store.keepsFail = from(1)
    stage.server.answers(granted('access-2', 'refresh-2'))
    const set = await stage.run()
    expect(await stage.stored()).toBe(set)
    expect(stage.warnings).toEqual([expect.stringContaining('could not be written to the rescue file')])
  })

  it('both, for a while: goes on trying, every half second, and then has it', async () => {
    stage.store.keepsFail = (nth) => nth < 5
    stage.store.savesFail = (nth) => nth > 1 && nth < 5
    stage.server.answers(granted('access-2', 'refresh-2'))
    const set = await stage.run()
    expect(await stage.stored()).toBe(set)
    expect(stage.slept).toEqual([500, 500, 500])
    expect(stage.server.requests).toBe(1)
  })

  it('both, until the rescue file can be written again', async () => {
    stage.store.keepsFail = (nth) => nth < 3
    stage.store.savesFail = from(2)
    stage.server.answers(granted('access-2', 'refresh-2'))
    expect((await stage.run()).pair.accessToken.reveal()).toBe('access-2')
    expect(stage.store.rescued).toHaveLength(1)
  })

  it('both, for good: tries for half a minute, returns nothing, and says that the store failed', async () => {
    stage.store.keepsFail = from(1)
    stage.store.savesFail = from(2)
    stage.server.answers(granted('access-2', 'refresh-2'))
    await expect(stage.run()).rejects.toThrow(StoreUnusable)
    expect(stage.slept).toHaveLength(60)
    expect(stage.log.at(-1)).toBe('signals let through')
  })

  it('warns once of one failing disk, not at each try', async () => {
    stage.store.keepsFail = from(1)
    stage.store.savesFail = from(2)
    stage.server.answers(granted('access-2', 'refresh-2'))
    await failure(stage.run())
    expect(stage.warnings).toHaveLength(1)
  })

  it('tells the truth when the store was changed by something that went around its lock', async () => {
    stage.server.answers(() => {
      stage.store.put(tokenSet({ generation: 9 }))
      return granted('access-2', 'refresh-2')
    })
    await failure(stage.run())
    expect((await stage.stored()).generation).toBe(9)
    expect(stage.warnings.join()).toContain('around')
  })
})

describe('a listener that throws', () => {
  const notify = (): never => {
    throw new Error('the log is closed')
  }

  it('at a clock that is wrong: costs no token', async () => {
    stage.server.answers({ ...granted('access-2', 'refresh-2'), date: new Date(0).toUTCString() })
    await failure(stage.run({ notify }))
    expect((await stage.stored()).pair.refreshToken.reveal()).toBe('refresh-2')
  })

  it('at a rescue file that cannot be written: costs no token', async () => {
    stage.store.keepsFail = from(1)
    stage.server.answers(granted('access-2', 'refresh-2'))
    await failure(stage.run({ notify }))
    expect((await stage.stored()).pair.refreshToken.reveal()).toBe('refresh-2')
  })
})

describe('killed at any step', () => {
  /**
   * Rotates at every request, as strict servers do.
   *
   * @param lenient Takes a refresh token until its successor is used.
   */
  const rotating = (lenient: boolean): ((token: string) => Said) => {
    let issued = 1
    let used = 0
    return (token) => {
      const number = Number(token.replace('refresh-', ''))
      if (lenient ? number < used : number !== issued) return invalidGrant()
      used = Math.max(used, number)
      issued++
      return granted(`access-${issued}`, `refresh-${issued}`)
    }
  }
  const STEPS = ['prepare', 'signals', 'intent', 'request', 'keep', 'read', 'save', 'scrub']

  const killedAt = async (step: number, lenient: boolean): Promise<TokenSet> => {
    stage.server.answers(rotating(lenient))
    stage.diesAt = step
    await failure(stage.run())
    stage.diesAt = Infinity
    return stage.run()
  }

  it.each(STEPS.map((name, step) => [name, step] as const))(
    'before %s: the next one goes on, where the server forgives',
    async (_name, step) => {
      const { pair } = await killedAt(step, true)
      stage.server.answers(rotatingFrom(pair.refreshToken.reveal()))
      expect((await stage.run()).pair.accessToken.reveal()).toBe('access-next')
    },
  )

  it.each(STEPS.map((name, step) => [name, step] as const).filter(([name]) => name !== 'keep'))(
    'before %s: the next one goes on, also where the server forgives nothing',
    async (_name, step) => {
      const { pair } = await killedAt(step, false)
      expect(pair.refreshToken.reveal()).toMatch(/^refresh-[23]$/)
    },
  )

  const rotatingFrom =
    (current: string) =>
    (token: string): Said =>
      token === current ? granted('access-next', 'refresh-next') : invalidGrant()

  it('dies at each of these steps indeed', async () => {
    stage.server.answers(rotating(true))
    stage.diesAt = 4
    await expect(stage.run()).rejects.toThrow(Died)
    expect(stage.store.rescued).toEqual([])
    expect(stage.server.requests).toBe(1)
  })
})

test('answers of the fake server mean the same in another process', () => {
  const means = reading(granted('a', 'r').body)
  expect(means).toMatchObject({ kind: 'tokens', expiresIn: 3600 })
  expect(means.kind === 'tokens' && means.refreshToken?.reveal()).toBe('r')
})

describe('when the last look finds that the store is another process’s', () => {
  it('nothing is sent, and the store is as it was', async () => {
    stage.store.stillOurs = () => false
    expect(await failure(stage.run())).toBeInstanceOf(Overtaken)
    expect(stage.server.requests).toBe(0)
    expect(await stage.stored()).toMatchObject({ generation: 1, sequence: 2, intent: null, failures: 0 })
    stage.store.stillOurs = () => true
    stage.server.answers(granted('access-2', 'refresh-2'))
    expect(refreshTokens(await stage.run())).toEqual(['refresh-2', 'refresh-1'])
  })

  it('it is asked for the very attempt, right before the request and after all else', async () => {
    stage.store.stillOurs = (what) => {
      stage.log.push(`last look at ${what}`)
      return true
    }
    stage.server.answers(silence(), granted('access-2', 'refresh-2'))
    await stage.run()
    const looks = stage.log.flatMap((name, index) => (name.startsWith('last look') ? [index] : []))
    expect(looks.map((index) => stage.log.slice(index - 1, index + 2))).toEqual([
      ['save unfinished', 'last look at 2', 'request with refresh-1'],
      ['save unfinished', 'last look at 3', 'request with refresh-1'],
    ])
  })

  it('an earlier request’s doubt stays', async () => {
    stage.server.answers(silence())
    stage.store.stillOurs = (what) => what === 2
    expect(await failure(stage.run())).toBeInstanceOf(Overtaken)
    expect(stage.server.requests).toBe(1)
    expect((await stage.stored()).intent).toMatchObject({ attempt: 2 })
  })

  it('a store that cannot be read is told, and nothing is sent', async () => {
    stage.store.stillOurs = () => {
      throw new StoreUnusable('the disk is gone')
    }
    expect(await failure(stage.run())).toMatchObject({ message: 'the disk is gone', exit: 74 })
    expect(stage.server.requests).toBe(0)
    expect((await stage.stored()).intent).toBeNull()
  })
})

it('an exchange that has come to nothing is nobody’s, though its intent stays', async () => {
  const holder = { boot: 'boot-1', pidNamespace: 'pid:[1]', pid: 1, started: 2, until: 3 }
  stage.store.holder = () => holder
  stage.server.answers(() => {
    throw new Error('it is at it')
  })
  await failure(stage.run())
  expect((await stage.stored()).intent).toMatchObject({ holder })
  stage.server.answers(silence(), silence(), silence(), silence())
  expect(await failure(stage.run())).toBeInstanceOf(OutcomeUnknown)
  const { intent } = await stage.stored()
  expect(intent).toMatchObject({ attempt: expect.any(Number) as number })
  expect(intent).not.toHaveProperty('holder')
})
