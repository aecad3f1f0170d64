import { describe, expect, it } from 'vitest'
import {
  findingsOf,
  grantFacts,
  rangesFor,
  worst,
  type CheckFinding,
  type CheckLimits,
  type CheckState,
  type Look,
} from '../../src/core/check.js'
import type { ClockReading } from '../../src/core/clock.js'
import { expiryPolicy } from '../../src/core/policy.js'
import { range, rangeText } from '../../src/core/range.js'
import type { HistoryEntry } from '../../src/core/store-ports.js'
import type { TokenSet } from '../../src/core/token-set.js'
import { ISSUED, moment, pair, tokenSet } from '../support/token-sets.js'

const [MINUTE, HOUR, DAY] = [60, 3_600, 86_400]
const CLIENT = { tokenUrl: 'https://acme.example/token', issuer: null, clientId: '1012' }
const USUAL: CheckLimits = { warning: null, critical: null, failingFor: 15 * MINUTE, maxAge: null }

interface Around {
  readonly limits?: Partial<CheckLimits>
  readonly history?: readonly HistoryEntry[]
  readonly at?: ClockReading
  readonly seen?: Parameters<typeof grantFacts>[4]['seen']
  readonly untold?: Parameters<typeof grantFacts>[4]['untold']
}

/** Of a set, so many seconds after its pair was issued for an hour. */
function found(
  seconds: number,
  changes: Partial<TokenSet> = {},
  around: Around = {},
): readonly CheckFinding[] {
  const at = around.at ?? moment(ISSUED + seconds)
  const configured = { policy: expiryPolicy({ percent: 10 }, 60), named: CLIENT, apiUrl: null }
  const { history = [], limits = {}, seen = null, untold = null } = around
  const look = grantFacts(tokenSet(changes), at, configured, history, {
    next: 'hq-token login',
    seen,
    untold,
  })
  // As it comes from another process.
  return findingsOf(JSON.parse(JSON.stringify(look)) as Look, { ...USUAL, ...limits })
}

const failed = (seconds: number, code = 'HQ_SERVER_UNAVAILABLE', failures = 1): Partial<TokenSet> => ({
  lastFailure: { at: ISSUED + seconds, code, message: 'so it was' },
  failures,
})
const endless = { pair: pair({ refreshExpiresAt: null }) }
const lasting = (life: number): Partial<TokenSet> => ({ pair: pair({ refreshExpiresAt: ISSUED + life }) })
const ranges = (warning: string, critical: string): Partial<CheckLimits> => ({
  warning: range(warning) ?? null,
  critical: range(critical) ?? null,
})
const intent = (at: number): TokenSet['intent'] => ({
  ...{ attempt: 2, at: ISSUED + at, boot: null, salvaged: null, client: null },
})

describe('the findings of a check', () => {
  it.each<[string, CheckState | 'none', CheckFinding['what'] | '', readonly CheckFinding[]]>([
    ['a fresh token set', 'none', '', found(MINUTE)],
    [
      'people who cannot be told for more than an hour',
      'WARNING',
      'untold',
      found(3600 + MINUTE, {}, { untold: { since: ISSUED + MINUTE - 1, failure: 'no mailbox' } }),
    ],
    [
      'people who cannot be told for an hour',
      'none',
      '',
      found(3600 + MINUTE, {}, { untold: { since: ISSUED + MINUTE, failure: 'no mailbox' } }),
    ],
    ['an access token that is over, and nothing has failed', 'none', '', found(3 * DAY)],
    [
      'a refused refresh token, the access token good',
      'CRITICAL',
      'refused',
      found(MINUTE, { refusedAt: ISSUED + 30 }),
    ],
    [
      'nothing but a bare 400 since a day',
      'CRITICAL',
      'likely-dead',
      found(DAY, { bareSince: ISSUED + HOUR, ...failed(HOUR) }),
    ],
    ['a refresh token whose end is past', 'CRITICAL', 'refresh-over', found(366 * DAY)],
    [
      'another client’s set',
      'CRITICAL',
      'other-client',
      found(MINUTE, { client: { ...CLIENT, clientId: '7' } }),
    ],
    [
      'a token of a type that nothing can use',
      'CRITICAL',
      'not-usable',
      found(MINUTE, { pair: pair({ tokenType: 'mac' }) }),
    ],
    [
      'an access token that is over, and the last try since then failed',
      'CRITICAL',
      'failed-over',
      found(2 * HOUR, failed(HOUR)),
    ],
    [
      'an access token that is over, and the last try before that failed',
      'WARNING',
      'failing',
      found(2 * HOUR, failed(HOUR - 1)),
    ],
    [
      'a refused client before the access token was over',
      'CRITICAL',
      'failed-over',
      found(2 * HOUR, failed(60, 'HQ_CLIENT_REFUSED')),
    ],
    [
      'a refused client, the access token good',
      'WARNING',
      'client-refused',
      found(MINUTE, failed(30, 'HQ_CLIENT_REFUSED')),
    ],
    [
      'a wrong configuration, the access token good',
      'WARNING',
      'client-refused',
      found(MINUTE, failed(30, 'HQ_CONFIG_INVALID')),
    ],
    ['failing for 15 minutes', 'WARNING', 'failing', found(30 * MINUTE, failed(15 * MINUTE))],
    ['failing for less', 'none', '', found(30 * MINUTE, failed(15 * MINUTE + 1))],
    [
      'failing for as long as was asked for',
      'WARNING',
      'failing',
      found(30 * MINUTE, failed(29 * MINUTE), { limits: { failingFor: MINUTE } }),
    ],
    ['14 days of refresh token', 'none', '', found(351 * DAY)],
    ['less than 14 days of refresh token', 'WARNING', 'refresh-ends', found(351 * DAY + 1)],
    ['3 days of refresh token', 'WARNING', 'refresh-ends', found(362 * DAY)],
    ['less than 3 days of refresh token', 'CRITICAL', 'refresh-ends', found(362 * DAY + 1)],
    ['a refresh token in the first half of a short life', 'none', '', found(HOUR, lasting(DAY))],
    [
      'a refresh token in the second half of a short life',
      'WARNING',
      'refresh-ends',
      found(13 * HOUR, lasting(DAY)),
    ],
    ['the last tenth of a short life', 'CRITICAL', 'refresh-ends', found(22 * HOUR, lasting(DAY))],
    [
      'a range of one’s own, which no life caps',
      'WARNING',
      'refresh-ends',
      found(MINUTE, lasting(DAY), { limits: ranges('2d:', '1h:') }),
    ],
    [
      'a critical range of one’s own',
      'CRITICAL',
      'refresh-ends',
      found(MINUTE, {}, { limits: ranges('@~:0', '@0:400d') }),
    ],
    ['no success for 31 days, the end unknown', 'WARNING', 'stale', found(31 * DAY, endless)],
    ['no success for 29 days, the end unknown', 'none', '', found(29 * DAY, endless)],
    ['no success for 31 days, the end known', 'none', '', found(31 * DAY)],
    [
      'no success for longer than was asked for',
      'WARNING',
      'stale',
      found(2 * DAY, {}, { limits: { maxAge: DAY } }),
    ],
    [
      'a refresh within that time',
      'none',
      '',
      found(2 * DAY, { lastRefreshAt: ISSUED + 1.5 * DAY }, { limits: { maxAge: DAY } }),
    ],
    [
      'an exchange that is unfinished for 11 minutes',
      'WARNING',
      'unfinished',
      found(12 * MINUTE, { intent: intent(MINUTE) }),
    ],
    [
      'an exchange that is unfinished for 9 minutes',
      'none',
      '',
      found(10 * MINUTE, { intent: intent(MINUTE) }),
    ],
    [
      'a store from another host, 29 days ago',
      'WARNING',
      'came-from',
      found(29 * DAY, { cameFrom: { name: 'old', at: ISSUED } }),
    ],
    [
      'a store from another host, 31 days ago',
      'none',
      '',
      found(31 * DAY, { cameFrom: { name: 'old', at: ISSUED } }),
    ],
    [
      'a clock that is 2 minutes behind',
      'WARNING',
      'clock-behind',
      found(0, {}, { at: moment(ISSUED - 120, 500, 'boot-2') }),
    ],
    ['a clock that is 50 seconds behind', 'none', '', found(0, {}, { at: moment(ISSUED - 50) })],
    ['an instant two hours ahead', 'WARNING', 'from-future', found(0, { lastRefreshAt: ISSUED + 2 * HOUR })],
    ['a pause of an hour', 'none', '', found(0, { notBefore: ISSUED + HOUR })],
    [
      'a database out of reach',
      'UNKNOWN',
      'out-of-reach',
      found(MINUTE, {}, { seen: { at: ISSUED, trouble: { message: 'away', hint: null } } }),
    ],
    [
      'a database that is not to be asked',
      'none',
      '',
      found(MINUTE, {}, { seen: { at: ISSUED, trouble: null } }),
    ],
  ])('%s: %s', (_, state, what, findings) => {
    expect(findings.map((one) => [one.state, one.what])).toEqual(state === 'none' ? [] : [[state, what]])
  })

  it.each<[string, Look, CheckState, CheckFinding['what']]>([
    ['no set and no seed', { kind: 'empty', seed: null, next: 'x' }, 'CRITICAL', 'no-token-set'],
    ['no set, and a seed', { kind: 'empty', seed: 'ready', next: 'x' }, 'WARNING', 'seed-ready'],
    [
      'no set, and a bad seed',
      { kind: 'empty', seed: { message: 'bad', hint: null }, next: 'x' },
      'CRITICAL',
      'seed-unfit',
    ],
    [
      'a damaged store',
      { kind: 'unread', state: 'CRITICAL', message: 'x', hint: null },
      'CRITICAL',
      'unread',
    ],
    ['no configuration', { kind: 'unread', state: 'UNKNOWN', message: 'x', hint: null }, 'UNKNOWN', 'unread'],
  ])('%s: %s', (_, look, state, what) => {
    expect(findingsOf(look, USUAL)).toMatchObject([{ state, what }])
  })

  it('the findings of a check say the worst first, and UNKNOWN last', () => {
    const seen = { at: ISSUED, trouble: { message: 'away', hint: null } }
    const findings = found(363 * DAY, { cameFrom: { name: 'old', at: ISSUED + 360 * DAY } }, { seen })
    expect(findings.map(({ state }) => state)).toEqual(['CRITICAL', 'WARNING', 'UNKNOWN'])
    expect(worst(['OK', 'UNKNOWN', 'WARNING'])).toBe('WARNING')
    expect(worst(['OK', 'UNKNOWN'])).toBe('UNKNOWN')
    expect(worst([])).toBe('OK')
  })

  it('the findings of a check count failures from the first one after the last success', () => {
    const entry = (at: number, outcome: string): HistoryEntry => ({
      ...{ sequence: at, at: ISSUED + at, event: 'refresh', outcome, generation: 1, access: '', refresh: '' },
      ...{ note: null, grant: null, client: null },
    })
    const history = [
      entry(1200, 'HQ_SERVER_UNAVAILABLE'),
      entry(300, 'HQ_SERVER_UNAVAILABLE'),
      entry(100, 'done'),
    ]
    expect(found(1201, failed(1200, undefined, 2), { history })).toMatchObject([
      { what: 'failing', since: ISSUED + 300, failures: 2 },
    ])
  })

  it('the findings of a check tell nothing of a failure that another client met', () => {
    const changes = { ...failed(0), failureClient: { ...CLIENT, clientId: '7' } }
    expect(found(30 * MINUTE, changes)).toEqual([])
  })
})

it.each([
  [365 * DAY, '1209600:', '259200:'],
  [20 * DAY, '864000:', '172800:'],
  [0, '0:', '0:'],
])('the ranges for a refresh token that lives for %i s are %s and %s', (life, warning, critical) => {
  const found = rangesFor({ life }, { warning: null, critical: null })
  expect([rangeText(found.warning), rangeText(found.critical)]).toEqual([warning, critical])
})
